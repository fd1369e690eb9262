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

#[test]
fn a_ticket_is_used_up_by_its_play_also_over_a_restart() {
    let mut board = Board::new();
    board.whole = true;
    let starts = [T0_MS + 60_000, T0_MS + 120_000];
    let urgent = |start_ms| PlannedOccurrence { priority: Priority::Emergency, ..occurrence("urgent", start_ms) };
    let payload = |number| {
        altered(&plan(number, T0_MS, starts.map(urgent).into()), |signed| {
            let chief = chief(signed);
            signed.certificates = signed.certificates.iter().map(for_emergencies).collect();
            (signed.approvals, signed.tickets) = (vec![chief.approval], vec![chief.ticket]);
        })
    };
    board.offer(payload(1));
    board.pass(90_000, 100);
    board.restart();
    board.offer(payload(2));
    board.pass(90_000, 100);
    assert_eq!(board.outcome("urgent", starts[0]), (Outcome::Played, None));
    assert_eq!(board.outcome("urgent", starts[1]), (Outcome::Missed, Some(Reason::NoTicket)));
    // Nor again and again as parts of the same play: a minute was what it let sound, and six times ten seconds are one.
    let parts = (2..9u16).map(|part| {
        let start_ms = T0_MS + 200_000 + i64::from(part) * 11_000;
        PlannedOccurrence { id: OccurrenceId::part(&"urgent".parse().unwrap(), starts[0], part), ..urgent(start_ms) }
    });
    let parts: Vec<_> = parts.collect();
    let again = altered(&payload(3), |signed| {
        let plan = Plan { occurrences: parts.clone(), ..signed.plan.peek().unwrap() };
        signed.plan = Envelope::sign(&plan, &key(2)).unwrap();
    });
    board.offer(again);
    board.pass(150_000, 100);
    let played = parts.iter().filter(|part| board.plays[&part.id].record.outcome == Outcome::Played).count();
    assert_eq!(played, 5, "one before, and five of the seven");
}

#[test]
fn a_revocation_is_remembered_over_a_restart_and_a_lost_plan() {
    let list = |version, revoked: &[u8]| TrustList {
        version,
        revoked: revoked.iter().map(|n| key_id(&key(*n).public())).collect(),
        ..TrustList::unless_said("mau".parse().unwrap())
    };
    let payload = |number, start_ms, list: Option<TrustList>| {
        altered(&plan(number, T0_MS, vec![occurrence("s", start_ms)]), |signed| {
            signed.trust = list.map(|list| Envelope::sign(&list, &key(1)).unwrap());
        })
    };
    let mut board = Board::new();
    board.whole = true;
    let start_ms = T0_MS + 60_000;
    board.offer(payload(1, start_ms, Some(list(2, &[3]))));
    board.pass(90_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Missed, Some(Reason::Revoked)));
    // First the counters are damaged, then the plan is: what one of them still knew, both know after the start between.
    board.ratchet = Ratchet::default();
    board.restart();
    board.plan = None;
    board.restart();
    for (number, old) in [(2, None), (3, Some(list(1, &[])))] {
        board.offer(payload(number, T0_MS + 200_000, old));
        let told = board.engine.plan_refused.clone().unwrap_or_default();
        assert!(told.contains("trust list"), "plan {number}: {told:?}");
    }
    board.pass(200_000, 100);
    assert!(board.begun.is_empty());
    // A dispatcher that was revoked is not heard either.
    board.offer(payload(4, T0_MS + 400_000, Some(list(3, &[2]))));
    assert!(board.engine.plan_refused.clone().unwrap_or_default().contains("revoked"));
}

#[test]
fn an_unsigned_or_impossible_time_moves_nothing_once_there_is_a_plan() {
    let mut board = Board::new();
    (board.whole, board.clock) = (true, false);
    board.restart();
    board.on(Event::Connected);
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000)]));
    board.pass(1_500, 100);
    let probes: Vec<ClockProbe> = board.sent(Up::Clock);
    assert!(probes.len() >= 4, "asked anew after the first plan");
    // What the board's clock should show, or not.
    let answer = |probe: &ClockProbe, unix_ms: i64| ClockAnswer {
        sequence: probe.sequence,
        sent_mono_ns: probe.sent_mono_ns,
        arrived_unix_ns: unix_ms * 1_000_000,
        answered_unix_ns: unix_ms * 1_000_000,
    };
    let tell = |board: &mut Board, answer: ClockAnswer, signer: u8| {
        let payload = message::bytes(&answer.sign(&anchor().site, &anchor().speaker, &key(signer)));
        board.on(Event::Message { topic: down(Down::Time), payload });
        board.engine.trusted(now(board.now_ms, false)).is_some()
    };
    let last: Vec<&ClockProbe> = probes.iter().rev().take(3).collect();
    assert!(!tell(&mut board, answer(last[0], T0_MS + 60_000), 9), "somebody else's");
    let past_ms = T0_MS - 10 * DAY_MS;
    assert!(!tell(&mut board, answer(last[1], past_ms), 2), "before the plan was made");
    let now_ms = board.now_ms;
    board.engine.clock = Default::default();
    assert!(tell(&mut board, answer(last[2], now_ms), 2), "the dispatcher's");
}
