//! What a board says of itself, and how seldom it says it.

use super::*;
use crate::controller::engine::media::{Library, NextUse};
use crate::domain::ids::MediaHash;
use crate::domain::moved::Moved;
use crate::domain::plan::MediaRef;
use crate::protocol::limits::MISSING_TOLD;
use crate::protocol::message::{State, StateDetail};

fn details(board: &Board) -> Vec<StateDetail> {
    board.sent::<State>(Up::State).into_iter().filter_map(|state| state.detail).collect()
}

#[test]
fn what_is_missing_is_told_once_until_it_is_here() {
    let mut board = Board::new();
    board.offer(plan(1, T0_MS, vec![occurrence("s", T0_MS + DAY_MS)]));
    board.on(Event::Connected);
    board.pass(50_000, 100);
    let told = details(&board);
    let last = told.last().unwrap();
    assert_eq!((last.media_wanted, last.media_ready, &last.missing[..]), (1, 0, &[media_hash(MEDIA).prefix()][..]));
    // Trusting its clock may be news; nothing else was.
    assert!(told.len() <= 2, "{} states in 50 s without news", told.len());
    let before = told.len();
    deliver(&mut board);
    board.pass(1_000, 100);
    let told = details(&board);
    assert_eq!(told.len(), before + 1, "news is told, once");
    assert_eq!((told[before].media_ready, &told[before].missing[..]), (1, &[][..]));
    board.pass(120_000, 100);
    assert_eq!(details(&board).len(), before + 3, "then only the heartbeat");
}

#[test]
fn the_first_of_many_missing_files_are_named_in_the_order_of_their_use() {
    let media = |n: u8| MediaRef { hash: MediaHash([n; 32]), bytes: 1, chunk_bytes: 1, chunks: vec!["x".into()] };
    let mut library = Library::default();
    library.need((0..40).map(media).collect(), &mut vec![]);
    let next = |n: u8| NextUse { media: MediaHash([n; 32]), due_ms: 0, urgent: false };
    let mut uses: Vec<NextUse> = (0..30).rev().map(next).collect();
    library.note_missing(&uses, 1);
    let expected: Vec<_> = uses.iter().map(|next| next.media.prefix()).take(MISSING_TOLD).collect();
    assert_eq!(library.missing(), expected);
    library.found(&uses[0].media, true, Bitmap::with_len(1));
    library.checked(&uses[1].media, true, 0);
    library.note_missing(&uses, 1);
    assert_eq!(library.missing()[0], uses[2].media.prefix());
    // Another order of use alone changes it too; what has no use left comes last.
    uses.truncate(3);
    uses.reverse();
    library.note_missing(&uses, 2);
    assert_eq!(library.missing()[..2], [uses[0].media.prefix(), MediaHash([0; 32]).prefix()]);
}

#[test]
fn subscriptions_are_made_once_more_after_a_connection() {
    let mut board = Board::new();
    board.on(Event::Connected);
    let mut renewed = vec![];
    for _ in 0..130 {
        board.now_ms += 100;
        let effects = board.engine.on(now(board.now_ms, true), Event::Tick);
        renewed.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Subscribe(filter) => Some(filter),
            _ => None,
        }));
    }
    assert_eq!(renewed, board.engine.subscriptions());
}

#[test]
fn a_board_that_was_moved_listens_to_its_new_units_and_tells_where_it_stands() {
    let moved = |version: u64| TrustList {
        version,
        moved: vec![Moved {
            since: version,
            areas: vec!["66".parse().unwrap()],
            speakers: vec![],
            below: vec!["vn".parse().unwrap()],
            hours: Default::default(),
        }],
        ..TrustList::unless_said("mau".parse().unwrap())
    };
    let mut board = Board::new();
    board.whole = true;
    let start_ms = T0_MS + 60_000;
    let bytes = plan(1, T0_MS, vec![occurrence("s", start_ms)]);
    board.pass(2_000, 100);
    board.offer(altered(&bytes, |signed| signed.trust = Some(Envelope::sign(&moved(3), &key(1)).unwrap())));
    let command = |area: &str| topics::command(&"mau".parse().unwrap(), &area.parse().unwrap());
    assert!(
        board.engine.subscriptions().contains(&command("vn")) && board.engine.subscriptions().contains(&command("66"))
    );
    board.pass(90_000, 100);
    assert_eq!(
        board.outcome("s", start_ms),
        (Outcome::Played, None),
        "what was approved for its unit goes on counting"
    );
    let areas = board.engine.detail(Now { mono_ns: 0, system: None }).areas;
    assert_eq!(areas.iter().map(|area| area.as_str()).collect::<Vec<_>>(), ["vn", "66"]);
    // Its own plan says so after a restart, too.
    board.restart();
    assert!(board.engine.subscriptions().contains(&command("vn")));
}
