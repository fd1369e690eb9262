//! What a board refuses to sound whatever its center signs, and what gives way to a newer plan.

use super::*;

/// 03:15 in Vietnam, in the night after `T0_MS`.
const NIGHT_MS: i64 = 1_795_032_900_000;

#[test]
fn nothing_wakes_a_commune_whatever_the_center_signs() {
    // The first: nothing was ever said, so the built-in night holds. The second: the authority's hours do.
    let cases: [(&[HoursStatement], &str); 2] = [(&[], "built in"), (&[hours(1, "05:00", "20:00")], "signed")];
    for (hours, name) in cases {
        let mut board = Board::new();
        board.whole = true;
        let evening_ms = T0_MS + 60_000;
        let occurrences = vec![occurrence("s", evening_ms), occurrence("s", NIGHT_MS)];
        board.offer(plan_with(1, T0_MS, occurrences, hours));
        board.pass(NIGHT_MS - T0_MS + 120_000, 1_000);
        assert_eq!(board.outcome("s", evening_ms), (Outcome::Played, None), "{name}");
        assert_eq!(board.outcome("s", NIGHT_MS), (Outcome::Missed, Some(Reason::QuietHours)), "{name}");
    }
}

#[test]
fn lawful_hours_are_not_lifted_by_leaving_them_out_or_by_older_ones() {
    let mut board = Board::new();
    let refused = |board: &mut Board, number: u64, hours: &[HoursStatement]| {
        board.offer(plan_with(number, T0_MS, vec![], hours));
        board.engine.plan_refused.clone()
    };
    assert_eq!(refused(&mut board, 1, &[hours(2, "05:00", "21:00")]), None);
    let elsewhere = HoursStatement { area: "01".parse().unwrap(), ..hours(9, "00:00", "24:00") };
    for (number, offered) in [(2, vec![]), (3, vec![hours(1, "00:00", "24:00")]), (4, vec![elsewhere])] {
        let told = refused(&mut board, number, &offered).unwrap_or_default();
        assert!(told.contains("lawful hours of area 66"), "plan {number}: {told:?}");
    }
    // Not after a restart either, even if the plan was lost; and what the authority says anew counts.
    for number in [5, 6] {
        board.restart();
        assert!(refused(&mut board, number, &[]).is_some());
        board.plan = None;
    }
    assert_eq!(refused(&mut board, 7, &[hours(3, "00:00", "24:00")]), None);
}

#[test]
fn what_is_on_the_air_gives_way_where_a_new_plan_says_so() {
    let mut board = Board::new();
    (board.whole, board.player_works) = (true, false);
    let start_ms = T0_MS + 60_000;
    let item = |at_ms: i64, skip_ms: i64, duration_ms: i64| PlannedItem {
        at_ms,
        skip_ms,
        duration_ms,
        ..occurrence("s", start_ms).items[0].clone()
    };
    let with = |id: OccurrenceId, start_ms: i64, items: Vec<PlannedItem>| {
        let end_ms = start_ms + items.iter().map(|item| item.at_ms + item.duration_ms).max().unwrap();
        PlannedOccurrence { id, start_ms, end_ms, items, ..occurrence("s", start_ms) }
    };
    let id = occurrence("s", start_ms).id;
    let whole = with(id.clone(), start_ms, vec![item(0, 0, 10_000), item(10_000, 0, 10_000)]);
    board.offer(plan(1, T0_MS, vec![whole.clone()]));
    board.pass(61_000, 100);
    board.on(Event::Player(PlayerEvent::Sounding { occurrence: id.clone(), first_mono_ns: mono_ns(start_ms) }));
    // Something urgent from the sixth second on; the rest follows it as a second part.
    let (urgent, rest) =
        (occurrence("urgent", start_ms + 6_000), OccurrenceId::part(&"s".parse().unwrap(), start_ms, 2));
    let first = with(id.clone(), start_ms, vec![item(0, 0, 6_000)]);
    let second = with(rest, start_ms + 16_000, vec![item(0, 6_000, 4_000), item(4_000, 0, 10_000)]);
    let payload = plan(2, board.now_ms, vec![first, urgent.clone(), second]);
    let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
    assert!(effects.contains(&Effect::Trim { occurrence: id.clone(), ms: 6_000 }), "{effects:?}");
    // A plan that moves it elsewhere cannot take back what has sounded, but the urgent one still has the air.
    let later = with(id.clone(), start_ms + 60_000, whole.items.clone());
    let payload = plan(3, board.now_ms, vec![urgent, later]);
    let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Stop(_))), "it is trimmed already: {effects:?}");
}

#[test]
fn a_shorter_plan_plays_too_and_its_end_is_the_end() {
    let mut board = Board::new();
    board.whole = true;
    let far_ms = T0_MS + 10 * DAY_MS;
    board.offer(plan(1, T0_MS, vec![occurrence("s", far_ms)]));
    let (near_ms, payload) = (T0_MS + 60_000, plan(2, T0_MS, vec![occurrence("s", T0_MS + 60_000)]));
    let signed: SignedPlan = serde_json::from_slice(&payload).unwrap();
    let short = Plan { until_ms: T0_MS + DAY_MS, ..signed.plan.peek().unwrap() };
    let short = SignedPlan { plan: Envelope::sign(&short, &key(2)).unwrap(), ..signed };
    board.offer(serde_json::to_vec(&short).unwrap());
    board.pass(120_000, 100);
    assert_eq!(board.outcome("s", near_ms), (Outcome::Played, None));
    board.pass(11 * DAY_MS, 60_000);
    assert_eq!(board.plays.len(), 1, "what the newest plan does not hold is not played");
}
