//! From a plan to its records: on time and once, over restarts, lost content, withdrawals and a device that hangs.

use super::*;

#[test]
fn fourteen_days_without_a_network_play_every_occurrence_once() {
    let mut board = Board::new();
    board.whole = true;
    let starts: Vec<i64> = (0..14 * 6).map(|n| T0_MS + 3_600_000 + n * 4 * 3_600_000).collect();
    board.offer(plan(1, T0_MS, starts.iter().map(|start| occurrence("s", *start)).collect()));
    // Every day the power fails once.
    for _ in 0..14 {
        board.pass(DAY_MS / 2, 500);
        board.restart();
        board.pass(DAY_MS / 2, 500);
    }
    assert_eq!(board.begun.len(), starts.len());
    for start_ms in starts {
        assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
    }
}

#[test]
fn without_a_clock_nothing_begins_and_the_reason_is_told_when_it_is_back() {
    let mut board = Board::new();
    board.whole = true;
    board.clock = false;
    board.restart();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000), occurrence("s", T0_MS + 300_000)]));
    board.pass(120_000, 100);
    assert!(board.begun.is_empty() && board.plays.is_empty());
    board.clock = true;
    board.pass(300_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ClockUntrusted)));
    assert_eq!(board.outcome("s", T0_MS + 300_000), (Outcome::Played, None));
}

#[test]
fn power_that_was_off_is_told_apart_from_content_that_was_not_there() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000), occurrence("s", T0_MS + 600_000)]));
    board.pass(90_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ContentMissing)));
    board.whole = true;
    board.now_ms = T0_MS + 700_000;
    board.restart();
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 600_000), (Outcome::Missed, Some(Reason::PoweredOff)));
    assert!(board.begun.is_empty());
}

#[test]
fn a_play_cut_by_the_power_is_told_and_not_begun_again() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(61_000, 100);
    let id = board.begun[0].clone();
    board.on(Event::Player(PlayerEvent::Sounding { occurrence: id, first_mono_ns: mono_ns(start_ms) }));
    board.pass(1_000, 100);
    board.restart();
    board.pass(20_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Partial, Some(Reason::Interrupted)));
    assert_eq!(board.begun.len(), 1);
}

#[test]
fn a_restart_just_before_the_start_still_plays() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(58_500, 100);
    assert_eq!(board.begun.len(), 1, "it is prepared ahead");
    board.player_works = true;
    board.restart();
    board.pass(20_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
}

#[test]
fn content_that_comes_during_the_slot_joins_in_step_and_counts_as_late() {
    let mut board = Board::new();
    let start_ms = T0_MS + 60_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.on(Event::Connected);
    board.pass(64_000, 100);
    assert!(board.begun.is_empty());
    deliver(&mut board);
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Late, None));
}

#[test]
fn wants_name_what_is_missing_are_repeated_and_end_when_all_is_here() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + DAY_MS)]));
    board.on(Event::Connected);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.len(), 1);
    assert_eq!(wants[0].missing.ones().collect::<Vec<_>>(), [0, 1, 2]);
    let topic = topics::chunk(&anchor().site, &media_hash(MEDIA), 1);
    board.on(Event::Message { topic: topic.clone(), payload: vec![8; 65_536] });
    board.on(Event::Message { topic, payload: MEDIA[65_536..131_072].to_vec() });
    board.pass(6_000, 100);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.last().unwrap().missing.ones().collect::<Vec<_>>(), [0, 2], "the forged chunk did not count");
    // After a restart what is on the disk is not asked for again.
    board.restart();
    let effects = board.engine.on(now(board.now_ms, true), Event::Connected);
    // Nor listened for: what goes out may be for others.
    let chunk = |index| Effect::Subscribe(topics::chunk(&anchor().site, &media_hash(MEDIA), index));
    assert!([0, 2].into_iter().all(|index| effects.contains(&chunk(index))), "{effects:?}");
    assert!(!effects.contains(&chunk(1)));
    board.perform(effects);
    let wants: Vec<Want> = board.sent(Up::Want);
    assert_eq!(wants.last().unwrap().missing.ones().collect::<Vec<_>>(), [0, 2]);
    deliver(&mut board);
    let before = board.sent::<Want>(Up::Want).len();
    board.pass(200_000, 500);
    assert_eq!(board.sent::<Want>(Up::Want).len(), before);
}

#[test]
fn a_disk_that_keeps_nothing_does_not_mean_an_endless_download() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + DAY_MS)]));
    board.on(Event::Connected);
    let mut wanted = 0;
    // The center answers every want; what has arrived whole turns out not to be kept.
    for _ in 0..3600 {
        board.pass(1_000, 1_000);
        let wants = board.sent::<Want>(Up::Want).len();
        if wants > wanted {
            wanted = wants;
            deliver(&mut board);
            board.on(Event::MediaChecked { media: media_hash(MEDIA), good: false });
        }
    }
    assert!(wanted <= 8, "{wanted} downloads in an hour");
}

#[test]
fn records_are_sent_until_they_are_acknowledged_over_restarts_too() {
    let mut board = Board::new();
    board.whole = true;
    let start_ms = T0_MS + 10_000;
    board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
    board.pass(30_000, 100);
    board.restart();
    board.on(Event::Connected);
    board.pass(25_000, 100);
    let reports: Vec<Report> = board.sent(Up::Report);
    assert!(reports.len() >= 3, "{}", reports.len());
    let occurrences = vec![reports[0].records[0].occurrence.clone()];
    board.on(Event::Message { topic: down(Down::Ack), payload: message::bytes(&Ack { occurrences }) });
    board.restart();
    board.on(Event::Connected);
    board.pass(60_000, 100);
    assert_eq!(board.sent::<Report>(Up::Report).len(), reports.len());
    assert_eq!(board.outcome("s", start_ms).0, Outcome::Played, "still remembered, so that it is never played again");
}

#[test]
fn a_newer_plan_replaces_and_a_lower_number_is_refused_even_after_a_restart() {
    let mut board = Board::new();
    board.whole = true;
    let old = plan(1, T0_MS, vec![occurrence("old", T0_MS + 60_000)]);
    board.offer(old.clone());
    board.offer(plan(2, T0_MS + 1_000, vec![occurrence("new", T0_MS + 60_000)]));
    board.restart();
    board.offer(old);
    board.pass(80_000, 100);
    assert_eq!(board.outcome("new", T0_MS + 60_000), (Outcome::Played, None));
    assert_eq!(board.plays.len(), 1);
}

#[test]
fn a_new_plan_leaves_what_is_on_the_air_alone_if_it_still_stands() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    let on_air = occurrence("s", start_ms);
    board.offer(plan(1, T0_MS, vec![on_air.clone()]));
    board.pass(62_000, 100);
    board.offer(plan(2, T0_MS + 62_000, vec![on_air, occurrence("s", T0_MS + 200_000)]));
    board.pass(1_000, 100);
    assert_eq!(board.begun.len(), 1);
    let id = board.begun[0].clone();
    board.finish(id, mono_ns(start_ms), 480_000);
    assert_eq!(board.outcome("s", start_ms), (Outcome::Played, None));
}

#[test]
fn an_edit_during_the_play_is_for_the_next_time() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let start_ms = T0_MS + 60_000;
    let on_air = occurrence("s", start_ms);
    board.offer(plan(1, T0_MS, vec![on_air.clone()]));
    board.pass(62_000, 100);
    let mut edited = on_air;
    edited.items[0].revision = 2;
    edited.volume_db = -10.0;
    let payload = plan(2, T0_MS + 62_000, vec![edited]);
    let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Stop(_))));
}

#[test]
fn slots_back_to_back_are_both_ready_before_they_start() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let (first_ms, second_ms) = (T0_MS + 60_000, T0_MS + 70_000);
    board.offer(plan(1, T0_MS, vec![occurrence("a", first_ms), occurrence("b", second_ms)]));
    board.pass(69_000, 100);
    assert_eq!(board.begun.len(), 2, "the second waits in the player while the first sounds");
    for (id, start_ms) in board.begun.clone().into_iter().zip([first_ms, second_ms]) {
        board.finish(id, mono_ns(start_ms), 480_000);
    }
    assert_eq!(board.outcome("a", first_ms), (Outcome::Played, None));
    assert_eq!(board.outcome("b", second_ms), (Outcome::Played, None));
}

#[test]
fn a_device_that_hangs_does_not_hold_the_air_for_ever() {
    let mut board = Board::new();
    board.whole = true;
    board.player_works = false;
    let (first_ms, second_ms) = (T0_MS + 60_000, T0_MS + 120_000);
    board.offer(plan(1, T0_MS, vec![occurrence("s", first_ms), occurrence("s", second_ms)]));
    board.pass(61_000, 100);
    let id = board.begun[0].clone();
    board.on(Event::Player(PlayerEvent::Sounding { occurrence: id, first_mono_ns: mono_ns(first_ms) }));
    board.pass(30_000, 100);
    assert_eq!(board.outcome("s", first_ms), (Outcome::Partial, Some(Reason::OutputFailed)));
    board.player_works = true;
    board.pass(60_000, 100);
    assert_eq!(board.outcome("s", second_ms), (Outcome::Played, None));
}

#[test]
fn a_plan_lost_between_two_writes_is_taken_again() {
    let mut board = Board::new();
    board.whole = true;
    let bytes = plan(3, T0_MS, vec![occurrence("s", T0_MS + 60_000)]);
    board.offer(bytes.clone());
    board.plan = None;
    board.restart();
    board.offer(plan(2, T0_MS, vec![]));
    board.offer(bytes);
    board.pass(80_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Played, None));
}

#[test]
fn what_was_over_when_a_new_plan_was_made_is_still_accounted_for() {
    let mut board = Board::new();
    board.clock = false;
    board.restart();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + 60_000)]));
    board.pass(80_000, 100);
    board.offer(plan(2, T0_MS + 79_000, vec![]));
    board.clock = true;
    board.pass(1_000, 100);
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Missed, Some(Reason::ClockUntrusted)));
}

#[test]
fn what_is_withdrawn_is_stopped_before_its_start_and_on_the_air() {
    for (after_ms, heard, expected) in [(58_500, 0, Outcome::Missed), (63_000, 144_000, Outcome::Partial)] {
        let mut board = Board::new();
        board.whole = true;
        board.player_works = false;
        let start_ms = T0_MS + 60_000;
        board.offer(plan(1, T0_MS, vec![occurrence("s", start_ms)]));
        board.pass(after_ms, 100);
        let id = board.begun[0].clone();
        if heard > 0 {
            board.on(Event::Player(PlayerEvent::Sounding { occurrence: id.clone(), first_mono_ns: mono_ns(start_ms) }));
        }
        let payload = plan(2, T0_MS + after_ms, vec![]);
        let effects = board.engine.on(now(board.now_ms, true), Event::Message { topic: down(Down::Plan), payload });
        assert!(effects.contains(&Effect::Stop(id.clone())));
        board.perform(effects);
        let summary = Summary { stopped: true, heard_frames: heard, wanted_frames: 480_000, ..Summary::default() };
        board.on(Event::Player(PlayerEvent::Finished { occurrence: id, summary }));
        assert_eq!(board.outcome("s", start_ms), (expected, Some(Reason::Withdrawn)));
    }
}

#[test]
fn birth_numbers_rise_over_connections_and_restarts() {
    let mut board = Board::new();
    let mut births = vec![];
    for _ in 0..3 {
        for _ in 0..2 {
            births.push(board.engine.next_birth());
            board.on(Event::Connected);
            board.on(Event::Disconnected);
        }
        board.restart();
    }
    assert!(births.windows(2).all(|pair| pair[0] < pair[1]), "{births:?}");
}

#[test]
fn hostile_messages_change_nothing() {
    let mut board = Board::new();
    let other: SpeakerId = "b".parse().unwrap();
    let topics = [
        down(Down::Plan),
        down(Down::Ack),
        down(Down::Time),
        topics::down(&anchor().site, &other, Down::Plan),
        topics::chunk(&anchor().site, &media_hash(MEDIA), u32::MAX),
        "loaxa/1/mau/nonsense".into(),
    ];
    let payloads: [&[u8]; 6] = [
        b"",
        b"null",
        b"{\"occurrences\":[\"../../etc@1\"]}",
        br#"{"sequence":1,"sent_mono_ns":-9223372036854775808,"arrived_unix_ns":9223372036854775807,"answered_unix_ns":-9223372036854775808}"#,
        br#"{"sequence":1,"sent_mono_ns":9223372036854775807,"arrived_unix_ns":-9223372036854775808,"answered_unix_ns":9223372036854775807}"#,
        &[0xff; 70_000],
    ];
    for topic in &topics {
        for payload in payloads {
            board.on(Event::Message { topic: topic.clone(), payload: payload.to_vec() });
        }
    }
    board.pass(1_000, 100);
    assert!(board.plays.is_empty() && board.plan.is_none());
}
