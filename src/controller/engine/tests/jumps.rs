//! The board's time is set while it runs, forward or back: nothing plays twice, and what was jumped over is accounted for.

use super::*;

/// Time goes on by `ms` while the system clock, which is trusted here, is off by `skew_ms`.
fn pass_skewed(board: &mut Board, ms: i64, skew_ms: i64) {
    board.skew_ms = skew_ms;
    board.pass(ms, 100);
}

fn board(starts_s: &[i64]) -> Board {
    let mut board = Board::new();
    board.whole = true;
    board.offer(plan(1, T0_MS, starts_s.iter().map(|start_s| occurrence("s", T0_MS + start_s * 1000)).collect()));
    board
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_play_again() {
    let mut board = board(&[60, 600]);
    pass_skewed(&mut board, 120_000, 0);
    assert_eq!(board.begun.len(), 1);
    // It is half a minute before the first start once more.
    pass_skewed(&mut board, 200_000, -90_000);
    assert_eq!(board.begun.len(), 1, "{:?}", board.begun);
    pass_skewed(&mut board, 500_000, -90_000);
    assert_eq!(board.begun.len(), 2, "the next one plays at its time by the new clock");
    for start_s in [60, 600] {
        assert_eq!(board.outcome("s", T0_MS + start_s * 1000), (Outcome::Played, None));
    }
}

#[test]
fn what_a_clock_that_is_set_forward_jumps_over_is_missed_and_told() {
    let mut board = board(&[60, 300, 900]);
    pass_skewed(&mut board, 120_000, 0);
    pass_skewed(&mut board, 200_000, 480_000);
    assert_eq!(board.begun.len(), 1, "{:?}", board.begun);
    let (outcome, reason) = board.outcome("s", T0_MS + 300_000);
    assert!(outcome == Outcome::Missed && reason.is_some(), "{outcome:?} {reason:?}");
    pass_skewed(&mut board, 200_000, 480_000);
    assert_eq!(board.outcome("s", T0_MS + 900_000), (Outcome::Played, None));
}

#[test]
fn a_system_clock_that_nobody_keeps_may_jump_as_it_likes() {
    // The shell hands on only what is kept: monotonic time and what was learnt from the center go on.
    let mut board = board(&[60, 300]);
    board.engine.clock.add(Bound::around(T0_MS * 1_000_000 - mono_ns(T0_MS), 5_000_000, mono_ns(T0_MS)));
    board.clock = false;
    board.pass(400_000, 100);
    for start_s in [60, 300] {
        assert_eq!(board.outcome("s", T0_MS + start_s * 1000), (Outcome::Played, None));
    }
}

#[test]
fn a_full_disk_stops_the_asking_and_what_is_on_it_counts_when_there_is_room() {
    let mut board = board(&[3600]);
    board.whole = false;
    board.restart();
    board.on(Event::Connected);
    let wants = |board: &Board| board.sent::<Want>(Up::Want).len();
    board.pass(1_000, 100);
    assert_eq!(wants(&board), 1);
    board.on(Event::StoreFailed("full".into()));
    board.pass(600_000, 100);
    assert_eq!(wants(&board), 1, "nothing is asked for that could not be kept");
    let chunk = |index: u32| Event::Message {
        topic: topics::chunk(&anchor().site, &media_hash(MEDIA), index),
        payload: MEDIA[index as usize * 65_536..].iter().copied().take(65_536).collect(),
    };
    board.on(chunk(0));
    assert_eq!(board.chunks.count(), 0, "nor taken");
    board.on(Event::StoreWorks);
    board.pass(1_000, 100);
    assert_eq!(wants(&board), 2);
    (0..3).for_each(|index| board.on(chunk(index)));
    assert!(board.whole);
}
