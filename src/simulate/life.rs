//! The life of one board: its event loop, with the modelled link between the connection and the engine.
//!
//! ```text
//! socket -> Link -> [taken when the line is free] -> [delivered when it arrives] -> engine -> the same way back
//! ```
//! A board that takes nothing lets its socket fill, so that the broker sees a slow consumer. Both queues are bounded.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::board::Board;
use super::counters::{Counters, Timed};
use super::fleet::{Flap, Orders};
use super::join::Member;
use super::linkmodel::{LinkModel, Pipe, Random};
use crate::controller::engine::{Effect, Event};
use crate::controller::link::{Link, LinkEvent, NextTransport};
use crate::controller::os;
use crate::protocol::topics::{self, Topic};

/// As in the controller's own loop, while anything is going on.
const TICK_NS: i64 = 100_000_000;
/// And while nothing is: no play, no content that lacks, nothing heard or said for a while.
const IDLE_TICK_NS: i64 = 1_000_000_000;
const IDLE_AFTER_NS: i64 = 3_000_000_000;
/// Messages on the line one way; with more the socket is not read, or what the engine says is dropped as [`Link`] does.
const ON_THE_WAY: usize = 256;
/// Events that may wait for a board on a plain network. A controller has room for 64, which for ten thousand boards and the same
/// 64 KiB chunk would be gigabytes; beyond it the socket holds them.
const ROOM: usize = 8;
/// A connection is made in so many round trips: TCP, TLS, MQTT.
const ROUND_TRIPS: i64 = 3;
/// How long a board may keep others from connecting for the first time.
const TURN: Duration = Duration::from_secs(20);
/// How long the goodbye may take.
const PARTING: Duration = Duration::from_secs(2);

pub(super) struct Life {
    board: Board,
    counters: Arc<Counters>,
    member: Member,
    transport: NextTransport,
    model: LinkModel,
    flap: Option<Flap>,
    /// Where this board stands among all, from 0 to 1: which flap is decided by it.
    rank: f64,
    random: Random,
    link: Option<Link>,
    events: Option<mpsc::Receiver<LinkEvent>>,
    down: Pipe,
    up: Pipe,
    incoming: VecDeque<(i64, Event)>,
    outgoing: VecDeque<(i64, Effect)>,
    online: bool,
    /// When the connection that is being made became possible.
    trying_since_ns: i64,
    ever_connected: bool,
    next_tick_ns: i64,
    stirred_ns: i64,
    loss_ns: Option<i64>,
    link_again_ns: Option<i64>,
    /// The mark after which a command was last timed.
    commanded_since_ns: i64,
}

impl Life {
    pub(super) fn new(
        board: Board,
        member: Member,
        model: LinkModel,
        mut random: Random,
        counters: Arc<Counters>,
    ) -> Self {
        let now_ns = os::mono_ns();
        let transport = Arc::new(Mutex::new(member.transport.clone()));
        Self {
            board,
            counters,
            member,
            transport,
            model,
            flap: None,
            rank: random.unit(),
            // Ticks are spread, so that not all boards wake in the same millisecond.
            next_tick_ns: now_ns + (random.unit() * TICK_NS as f64) as i64,
            random,
            link: None,
            events: None,
            down: model.down(),
            up: model.up(),
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
            online: false,
            trying_since_ns: now_ns,
            ever_connected: false,
            stirred_ns: now_ns,
            loss_ns: None,
            link_again_ns: None,
            commanded_since_ns: i64::MIN,
        }
    }

    /// Lives until told to stop. Waits for its turn before it connects for the first time.
    pub(super) async fn live(mut self, turns: Arc<Semaphore>, mut orders: watch::Receiver<Orders>) {
        let turn = tokio::select! {
            turn = turns.acquire_owned() => turn.ok(),
            _ = orders.wait_for(|orders| orders.stop) => return,
        };
        let mut turn = turn.map(|permit| (permit, Instant::now() + TURN));
        let told = *orders.borrow_and_update();
        self.follow(told);
        self.link_up(os::mono_ns());
        loop {
            let now_ns = os::mono_ns();
            self.turn(now_ns);
            yield_turn(&mut turn, self.ever_connected);
            let due_ns = self.due_ns();
            let wait = Duration::from_nanos(u64::try_from(due_ns - os::mono_ns()).unwrap_or(0));
            let takes = self.takes(now_ns);
            tokio::select! {
                changed = orders.changed() => {
                    let told = *orders.borrow_and_update();
                    if changed.is_err() || told.stop {
                        break;
                    }
                    self.follow(told);
                }
                event = next(&mut self.events), if takes => match event {
                    Some(event) => self.arrived(os::mono_ns(), event),
                    None => self.events = None,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.part().await;
    }

    /// Whether the next message may be taken off the socket.
    fn takes(&self, now_ns: i64) -> bool {
        self.events.is_some() && self.down.free_at_ns() <= now_ns && self.incoming.len() < ON_THE_WAY
    }

    /// When something is to be done next.
    fn due_ns(&self) -> i64 {
        let line_ns = (self.events.is_some() && self.incoming.len() < ON_THE_WAY).then(|| self.down.free_at_ns());
        let now_ns = os::mono_ns();
        let all = [
            Some(self.next_tick_ns),
            self.incoming.front().map(|(at_ns, _)| *at_ns),
            self.outgoing.front().map(|(at_ns, _)| *at_ns),
            self.board.output_due_ns(),
            self.loss_ns,
            self.link_again_ns,
            // A free line needs no waking: then the socket itself wakes.
            line_ns.filter(|free_ns| *free_ns > now_ns),
        ];
        all.into_iter().flatten().min().unwrap_or(self.next_tick_ns)
    }

    /// What is due by now.
    fn turn(&mut self, now_ns: i64) {
        if self.link_again_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.link_up(now_ns);
        }
        if self.loss_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.lose(now_ns);
        }
        while self.incoming.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            if let Some((_, event)) = self.incoming.pop_front() {
                self.deliver(now_ns, event);
            }
        }
        for event in self.board.told(now_ns) {
            self.deliver(now_ns, Event::Player(event));
        }
        if self.next_tick_ns <= now_ns {
            self.deliver(now_ns, Event::Tick);
            self.board.note_clock(now_ns);
            let idle = self.board.is_idle() && now_ns - self.stirred_ns > IDLE_AFTER_NS;
            let gap_ns = if idle { IDLE_TICK_NS } else { TICK_NS };
            // Ticks that were missed are not made up for, as in the controller's loop.
            let on_time_ns = self.next_tick_ns + gap_ns;
            self.next_tick_ns = if on_time_ns > now_ns { on_time_ns } else { now_ns + gap_ns };
        }
        while self.outgoing.front().is_some_and(|(at_ns, _)| *at_ns <= now_ns) {
            if let (Some((_, effect)), Some(link)) = (self.outgoing.pop_front(), &self.link) {
                link.take(&effect);
            }
        }
    }

    /// Takes what came off the socket onto the modelled line.
    fn arrived(&mut self, now_ns: i64, event: LinkEvent) {
        let (event, bytes) = match event {
            LinkEvent::Connected => (Event::Connected, 0),
            LinkEvent::Disconnected => (Event::Disconnected, 0),
            LinkEvent::Message { topic, payload } => {
                // The first since the mark; it is told again while it lasts.
                let mark_ns = self.counters.mark_ns();
                if mark_ns > self.commanded_since_ns && is_command(&self.member, &topic) {
                    self.commanded_since_ns = mark_ns;
                    self.counters.note(Timed::Command, mark_ns, now_ns);
                }
                let bytes = topic.len() + payload.len();
                (Event::Message { topic, payload }, bytes)
            }
        };
        if self.model.is_plain() {
            return self.deliver(now_ns, event);
        }
        // The handshake itself was not delayed; it is made up for here.
        let before_ns = match event {
            Event::Connected => (2 * ROUND_TRIPS - 1) * i64::from(self.model.delay_ms) * 1_000_000,
            _ => 0,
        };
        let at_ns = self.down.admit(now_ns + before_ns, bytes, &mut self.random);
        self.incoming.push_back((at_ns, event));
    }

    fn deliver(&mut self, now_ns: i64, event: Event) {
        match &event {
            Event::Tick => {}
            Event::Connected => self.came_online(now_ns),
            Event::Disconnected => self.went_offline(now_ns),
            _ => self.stir(now_ns),
        }
        for effect in self.board.on(now_ns, event) {
            self.send(now_ns, effect);
        }
    }

    /// Something is going on: ticks come ten times a second again.
    fn stir(&mut self, now_ns: i64) {
        self.stirred_ns = now_ns;
        self.next_tick_ns = self.next_tick_ns.min(now_ns + TICK_NS);
    }

    fn send(&mut self, now_ns: i64, effect: Effect) {
        self.stir(now_ns);
        if self.model.is_plain() {
            if let Some(link) = &self.link {
                link.take(&effect);
            }
            return;
        }
        let bytes = match &effect {
            Effect::Publish { topic, payload, .. } => topic.len() + payload.len(),
            Effect::Subscribe(filter) | Effect::Unsubscribe(filter) => filter.len(),
            _ => 0,
        };
        if self.outgoing.len() < ON_THE_WAY {
            let at_ns = self.up.admit(now_ns, bytes, &mut self.random);
            self.outgoing.push_back((at_ns, effect));
        }
    }

    fn came_online(&mut self, now_ns: i64) {
        self.stir(now_ns);
        let kind = if self.ever_connected { Timed::Reconnect } else { Timed::Connect };
        self.counters.note(kind, self.trying_since_ns, now_ns);
        self.counters.connections.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.online, true) {
            self.counters.connected.fetch_add(1, Relaxed);
        }
        if !std::mem::replace(&mut self.ever_connected, true) {
            self.counters.ever_connected.fetch_add(1, Relaxed);
        }
        self.next_loss(now_ns);
    }

    fn went_offline(&mut self, now_ns: i64) {
        self.stir(now_ns);
        self.trying_since_ns = now_ns;
        self.loss_ns = None;
        self.outgoing.clear();
        if std::mem::replace(&mut self.online, false) {
            self.counters.connected.fetch_sub(1, Relaxed);
        }
    }

    /// The cable is torn: what is on the way is lost, and the broker hears no goodbye.
    fn lose(&mut self, now_ns: i64) {
        (self.link, self.events, self.loss_ns) = (None, None, None);
        self.incoming.clear();
        self.counters.losses.fetch_add(1, Relaxed);
        self.deliver(now_ns, Event::Disconnected);
        let outage_ns = match self.flap {
            Some(flap) => (self.random.between(flap.outage_s.0, flap.outage_s.1) * 1e9) as i64,
            None => self.model.outage_ns(&mut self.random),
        };
        self.link_again_ns = Some(now_ns + outage_ns);
    }

    fn link_up(&mut self, now_ns: i64) {
        self.link_again_ns = None;
        self.trying_since_ns = now_ns;
        (self.down, self.up) = (self.model.down(), self.model.up());
        let (member, will) = (&self.member, self.board.will.clone());
        let room = if self.model.is_plain() { ROOM } else { 1 };
        let (link, events) = Link::start_with(
            &member.broker,
            self.transport.clone(),
            &member.anchor.speaker,
            &member.password,
            will,
            room,
        );
        (self.link, self.events) = (Some(link), Some(events));
    }

    fn follow(&mut self, orders: Orders) {
        let flap = orders.flap.filter(|flap| self.rank < flap.fraction);
        if flap != self.flap {
            self.flap = flap;
            self.next_loss(os::mono_ns());
        }
    }

    fn next_loss(&mut self, now_ns: i64) {
        let holds_ns = match self.flap {
            Some(flap) => Some((self.random.exponential(flap.every_s) * 1e9) as i64),
            None => self.model.holds_ns(&mut self.random),
        };
        self.loss_ns = holds_ns.filter(|_| self.online).map(|holds_ns| now_ns.saturating_add(holds_ns));
    }

    /// Leaves in good order, as a controller does.
    async fn part(mut self) {
        let Some(link) = self.link.take() else { return };
        if !self.online {
            return;
        }
        link.take(&self.board.goodbye());
        link.disconnect();
        let _ = tokio::time::timeout(PARTING, async {
            while let Some(event) = next(&mut self.events).await {
                if matches!(event, LinkEvent::Disconnected) {
                    break;
                }
            }
        })
        .await;
        self.counters.connected.fetch_sub(1, Relaxed);
    }
}

fn is_command(member: &Member, topic: &str) -> bool {
    matches!(topics::parse(&member.anchor.site, topic), Some(Topic::Command(_)))
}

/// Lets the next board connect, once this one has or has had its time.
fn yield_turn(turn: &mut Option<(OwnedSemaphorePermit, Instant)>, connected: bool) {
    if turn.as_ref().is_some_and(|(_, until)| connected || Instant::now() > *until) {
        *turn = None;
    }
}

/// What the link says next; never, while there is none.
async fn next(events: &mut Option<mpsc::Receiver<LinkEvent>>) -> Option<LinkEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
