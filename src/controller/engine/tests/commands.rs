//! Commands to a whole area: what is obeyed, and what is not.

use super::*;
use crate::domain::command::{Command, Order};
use crate::protocol::trust::SignedCommand;

/// A board with a plan whose dispatcher may dispatch emergencies.
fn board(occurrences: Vec<PlannedOccurrence>) -> (Board, Chief) {
    let mut board = Board::new();
    (board.whole, board.paced) = (true, true);
    let payload = plan(1, T0_MS, occurrences);
    let chief = chief(&serde_json::from_slice(&payload).unwrap());
    board.offer(raised(&payload));
    (board, chief)
}

fn raised(payload: &[u8]) -> Vec<u8> {
    altered(payload, |signed| signed.certificates[0] = for_emergencies(&signed.certificates[0]))
}

fn command(board: &Board, order: Order) -> Command {
    let valid_until_ms = match &order {
        Order::Emergency { occurrence, .. } => occurrence.end_ms,
        _ => board.now_ms + 60_000,
    };
    Command { site: "mau".parse().unwrap(), area: "66".parse().unwrap(), made_ms: board.now_ms, valid_until_ms, order }
}

fn emergency(start_ms: i64) -> Order {
    let occurrence = PlannedOccurrence { priority: Priority::Emergency, ..occurrence("khan-cap", start_ms) };
    Order::Emergency { occurrence, media: vec![describe(media_hash(MEDIA), MEDIA)] }
}

fn give(board: &mut Board, command: &Command, chief: Option<&Chief>, signer: u8) {
    let signed = SignedCommand {
        command: Envelope::sign(command, &key(signer)).unwrap(),
        certificates: chief.iter().map(|chief| chief.certificate.clone()).collect(),
        approvals: chief.iter().map(|chief| chief.approval.clone()).collect(),
        tickets: chief.iter().map(|chief| chief.ticket.clone()).collect(),
    };
    let topic = topics::command(&anchor().site, &command.area);
    board.on(Event::Message { topic, payload: serde_json::to_vec(&signed).unwrap() });
}

#[test]
fn an_emergency_takes_the_air_at_once_and_its_ticket_serves_once() {
    let plays = [T0_MS + 60_000, T0_MS + 70_000];
    let (mut board, chief) = board(plays.map(|start_ms| occurrence("s", start_ms)).into());
    board.pass(65_000, 100);
    assert_eq!(board.begun.len(), 1);
    let start_ms = board.now_ms + 400;
    let now = command(&board, emergency(start_ms));
    give(&mut board, &now, Some(&chief), 2);
    // A plan that was under way and knows nothing of it takes nothing back.
    board.offer(raised(&plan(2, board.now_ms, plays.map(|start_ms| occurrence("s", start_ms)).into())));
    give(&mut board, &now, Some(&chief), 2);
    board.pass(60_000, 100);
    assert_eq!(board.outcome("khan-cap", start_ms), (Outcome::Played, None));
    assert_eq!(board.outcome("s", plays[0]).1, Some(Reason::PreEmpted), "what was on gave way");
    assert_eq!(board.outcome("s", plays[1]), (Outcome::Late, None), "and what was to begin meanwhile came in later");
    let again_ms = board.now_ms + 400;
    let again = command(&board, emergency(again_ms));
    give(&mut board, &again, Some(&chief), 2);
    board.pass(30_000, 100);
    assert_eq!(board.outcome("khan-cap", again_ms), (Outcome::Missed, Some(Reason::NoTicket)));
}

#[test]
fn thousands_that_hear_an_emergency_do_not_all_answer_in_the_same_moment() {
    let (mut board, chief) = board(vec![]);
    board.on(Event::Connected);
    board.pass(5_000, 100);
    let (told, given_ms) = (board.sent::<message::State>(Up::State).len(), board.now_ms);
    assert!(told > 0);
    let now = command(&board, emergency(given_ms + 400));
    give(&mut board, &now, Some(&chief), 2);
    board.pass(1_000, 100);
    assert_eq!(board.begun.len(), 1, "it sounds");
    assert_eq!(board.sent::<message::State>(Up::State).len(), told);
    board.pass(2_500, 100);
    let states = board.sent::<message::State>(Up::State);
    assert!(states.len() > told && states.last().unwrap().detail.as_ref().unwrap().playing.is_some());
    // Also where names follow each other: of two seconds each tenth has its share.
    let moments = (1..=200).map(|n| {
        board.engine.anchor.speaker = format!("loa-{n:03}").parse().unwrap();
        board.engine.own_moment_ns(2_000) / 200_000_000
    });
    let mut tenths = [0; 10];
    moments.for_each(|tenth| tenths[tenth as usize] += 1);
    assert!(tenths.iter().all(|count| (5..50).contains(count)), "{tenths:?}");
}

#[test]
fn no_command_sounds_what_a_plan_could_not() {
    let (mut board, chief) = board(vec![]);
    board.pass(1_000, 100);
    let start_ms = board.now_ms + 400;
    let good = command(&board, emergency(start_ms));
    let longer = Command { valid_until_ms: good.valid_until_ms + 1, ..good.clone() };
    let elsewhere = Command { area: "01".parse().unwrap(), ..good.clone() };
    let other_site = Command { site: "khac".parse().unwrap(), ..good.clone() };
    let late = Command { made_ms: good.made_ms - 3_600_000, valid_until_ms: good.made_ms, ..good.clone() };
    let ahead = Command { made_ms: good.made_ms + 3_600_000, ..good.clone() };
    for wrong in [&longer, &elsewhere, &other_site, &late, &ahead] {
        give(&mut board, wrong, Some(&chief), 2);
    }
    give(&mut board, &good, Some(&chief), 9);
    board.on(Event::Message {
        topic: topics::command(&anchor().site, &"66".parse().unwrap()),
        payload: b"{\"command\": 1}".to_vec(),
    });
    board.pass(30_000, 100);
    assert!(board.plays.is_empty(), "{:?}", board.plays.keys());
    // Signed by the dispatcher, but by nobody who may order an emergency: told, and silent.
    let start_ms = board.now_ms + 400;
    let unsigned = command(&board, emergency(start_ms));
    give(&mut board, &unsigned, None, 2);
    board.pass(30_000, 100);
    assert_eq!(board.outcome("khan-cap", start_ms), (Outcome::Missed, Some(Reason::NotApproved)));
    assert!(board.begun.is_empty());
}

#[test]
fn what_is_on_stops_and_an_emergency_only_if_that_is_said() {
    let starts = [T0_MS + 60_000, T0_MS + 120_000];
    let (mut board, chief) = board(starts.map(|start_ms| occurrence("s", start_ms)).into());
    board.pass(63_000, 100);
    let stop = command(&board, Order::Stop { emergencies: false });
    give(&mut board, &stop, None, 2);
    board.pass(10_000, 100);
    assert_eq!(board.outcome("s", starts[0]).1, Some(Reason::Withdrawn));
    // The same once more, later, and after the power went: it is past.
    board.restart();
    board.pass(50_000, 100);
    give(&mut board, &stop, None, 2);
    let kept = board.now_ms;
    board.pass(20_000, 100);
    assert_eq!(board.outcome("s", starts[1]), (Outcome::Played, None), "{kept}");
    let start_ms = board.now_ms + 400;
    let urgent = command(&board, emergency(start_ms));
    give(&mut board, &urgent, Some(&chief), 2);
    board.pass(2_000, 100);
    let id = OccurrenceId::new(&"khan-cap".parse().unwrap(), start_ms);
    for emergencies in [false, true] {
        assert!(board.plays[&id].begun, "it is on");
        let stop = command(&board, Order::Stop { emergencies });
        give(&mut board, &stop, None, 2);
        board.pass(1_000, 100);
    }
    assert_eq!(board.outcome("khan-cap", start_ms), (Outcome::Partial, Some(Reason::Withdrawn)));
}

#[test]
fn volume_moves_until_told_otherwise_but_not_for_emergencies() {
    let (mut board, _) = board(vec![occurrence("s", T0_MS + 60_000)]);
    board.pass(1_000, 100);
    for (db, moved) in [(-6.0, Some(-6.0)), (-40.0, Some(-6.0)), (0.0, None)] {
        let volume = command(&board, Order::Volume { db });
        give(&mut board, &volume, None, 2);
        assert_eq!(board.engine.counters.volume_db, moved, "{db}");
        let urgent = PlannedOccurrence { priority: Priority::Emergency, ..occurrence("x", 0) };
        assert_eq!(board.engine.moved_db(&urgent), 0.0);
        assert_eq!(board.engine.moved_db(&occurrence("x", 0)), moved.unwrap_or(0.0));
        board.pass(1_000, 100);
    }
}

#[test]
fn a_refresh_is_answered_once_at_a_time_of_its_own() {
    let (mut board, _) = board(vec![]);
    board.on(Event::Connected);
    board.pass(30_000, 100);
    board.sent.clear();
    let refresh = command(&board, Order::Refresh { spread_ms: 5_000 });
    give(&mut board, &refresh, None, 2);
    board.pass(5_100, 100);
    let states: Vec<message::State> = board.sent(Up::State);
    assert_eq!(states.len(), 1);
}

#[test]
fn what_may_not_sound_does_not_take_the_air_either() {
    let (mut board, chief) = board(vec![occurrence("s", T0_MS + 60_000)]);
    board.pass(62_000, 100);
    let start_ms = board.now_ms + 400;
    let urgent = command(&board, emergency(start_ms));
    let without = Chief { ticket: chief.approval.clone(), ..chief };
    give(&mut board, &urgent, Some(&without), 2);
    board.pass(30_000, 100);
    assert_eq!(board.outcome("khan-cap", start_ms), (Outcome::Missed, Some(Reason::NoTicket)));
    assert_eq!(board.outcome("s", T0_MS + 60_000), (Outcome::Played, None));
}

#[test]
fn an_emergency_is_heard_after_the_power_went_and_after_other_commands() {
    let (mut board, chief) = board(vec![]);
    board.whole = false;
    board.restart();
    board.pass(1_000, 100);
    // Its sound is not there yet when the power goes.
    let start_ms = board.now_ms + 400;
    let urgent = command(&board, emergency(start_ms));
    give(&mut board, &urgent, Some(&chief), 2);
    board.pass(1_000, 100);
    let volume = command(&board, Order::Volume { db: -3.0 });
    give(&mut board, &volume, None, 2);
    board.whole = true;
    board.restart();
    board.pass(1_000, 100);
    give(&mut board, &urgent, Some(&chief), 2);
    board.pass(20_000, 100);
    assert_eq!(board.outcome("khan-cap", start_ms), (Outcome::Late, None));
    // But not one that was stopped before this board came.
    let start_ms = board.now_ms + 400;
    let stopped = command(&board, emergency(start_ms));
    board.pass(200, 100);
    let stop = command(&board, Order::Stop { emergencies: true });
    give(&mut board, &stop, None, 2);
    let before = board.plays.len();
    give(&mut board, &stopped, Some(&chief), 2);
    board.pass(20_000, 100);
    assert_eq!(board.plays.len(), before);
}

#[test]
fn the_newest_emergency_wins_and_a_revocation_reaches_it() {
    let (mut board, first) = board(vec![]);
    board.pass(1_000, 100);
    let ticket = Ticket { ticket: "t2".parse().unwrap(), ..first.ticket.peek().unwrap() };
    let second = Chief {
        certificate: first.certificate.clone(),
        approval: first.approval.clone(),
        ticket: Envelope::sign(&ticket, &key(3)).unwrap(),
    };
    let starts = [board.now_ms + 400, board.now_ms + 5_400];
    let urgent = command(&board, emergency(starts[0]));
    give(&mut board, &urgent, Some(&first), 2);
    board.pass(5_000, 100);
    let newer = command(&board, emergency(starts[1]));
    give(&mut board, &newer, Some(&second), 2);
    board.pass(3_000, 100);
    assert_eq!(board.outcome("khan-cap", starts[0]), (Outcome::Partial, Some(Reason::PreEmpted)));
    // The key of the approver turns out to be stolen.
    let list = TrustList {
        version: 5,
        revoked: [key_id(&key(3).public())].into(),
        ..TrustList::unless_said("mau".parse().unwrap())
    };
    let payload = raised(&plan(3, board.now_ms, vec![]));
    board.offer(altered(&payload, |signed| signed.trust = Some(Envelope::sign(&list, &key(1)).unwrap())));
    board.pass(3_000, 100);
    assert_eq!(board.outcome("khan-cap", starts[1]), (Outcome::Partial, Some(Reason::Revoked)));
}
