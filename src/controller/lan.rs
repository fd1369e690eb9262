//! Carries what neighbours tell each other over the local network: a thread with two sockets, which stamps each packet as it comes.
//!
//! Decides nothing ([`Neighbours`] does). A network without multicast, or none at all, costs a line in the log and nothing else.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use tracing::{debug, warn};

use super::neighbours::{Neighbours, Outgoing, Reference};
use super::os;
use crate::protocol::neighbour::{GROUP, PACKET_BYTES, PORT};

const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// The running exchange; ends when it is dropped.
#[derive(Debug)]
pub struct Lan {
    neighbours: Arc<Mutex<Neighbours>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Lan {
    /// `interface`: the address of the network to use; unspecified for the one that the system would take.
    pub fn start(neighbours: Neighbours, interface: Ipv4Addr) -> std::io::Result<Self> {
        let group = Ipv4Addr::from(GROUP);
        // Several programs of one machine may hear the group; each speaks from a socket of its own.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let hearing = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&hearing, true)?;
        bind(&hearing, &SocketAddrV4::new(group, PORT))?;
        let hearing = UdpSocket::from(hearing);
        hearing.join_multicast_v4(&group, &interface)?;
        let speaking = UdpSocket::bind((interface, 0))?;
        speaking.set_nonblocking(true)?;
        sockopt::set_ip_multicast_if(&speaking, &interface)?;
        speaking.set_multicast_ttl_v4(1)?;
        let (neighbours, stop) = (Arc::new(Mutex::new(neighbours)), Arc::new(AtomicBool::new(false)));
        let carrier = Carrier { neighbours: neighbours.clone(), hearing, speaking, failed: false };
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("lan".into()).spawn(move || carrier.run(&stopped))?;
        Ok(Self { neighbours, stop, thread: Some(thread) })
    }

    /// Tells what this board knows by itself, and asks what to go by instead.
    pub fn exchange(&self, known: Option<crate::protocol::neighbour::Known>) -> Option<Reference> {
        let mut neighbours = self.neighbours.lock().unwrap_or_else(PoisonError::into_inner);
        neighbours.know(known);
        neighbours.reference(os::mono_ns())
    }

    /// Whether nobody else is heard.
    pub fn is_alone(&self) -> bool {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner).is_alone()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Carrier {
    neighbours: Arc<Mutex<Neighbours>>,
    hearing: UdpSocket,
    speaking: UdpSocket,
    failed: bool,
}

impl Carrier {
    fn run(mut self, stopped: &AtomicBool) {
        os::make_thread_real_time();
        debug!("neighbours are looked for on the local network");
        while !stopped.load(Ordering::Relaxed) {
            let due = self.with(|neighbours| neighbours.turn(os::mono_ns()));
            due.into_iter().for_each(|outgoing| self.send(outgoing));
            let mut fds = [PollFd::new(&self.hearing, PollFlags::IN), PollFd::new(&self.speaking, PollFlags::IN)];
            if poll(&mut fds, Some(&TURN)).is_err() {
                std::thread::sleep(Duration::from_millis(50));
            }
            let answers: Vec<Outgoing> =
                [&self.hearing, &self.speaking].into_iter().flat_map(|socket| self.receive(socket)).collect();
            answers.into_iter().for_each(|outgoing| self.send(outgoing));
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Neighbours) -> T) -> T {
        work(&mut self.neighbours.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what has come in, as much as may have come in a moment.
    fn receive(&self, socket: &UdpSocket) -> Vec<Outgoing> {
        let mut packet = [0; PACKET_BYTES + 1];
        let mut answers = vec![];
        for _ in 0..64 {
            let Ok((bytes, from)) = socket.recv_from(&mut packet) else { break };
            let now_mono_ns = os::mono_ns();
            answers.extend(self.with(|neighbours| neighbours.heard(now_mono_ns, from, &packet[..bytes])));
        }
        answers
    }

    fn send(&mut self, (to, bytes): Outgoing) {
        let to = to.unwrap_or_else(|| SocketAddr::from((GROUP, PORT)));
        let sent = self.speaking.send_to(&bytes, to);
        if let (Err(error), false) = (&sent, self.failed) {
            warn!("neighbours cannot be told anything: {error}");
        }
        self.failed = sent.is_err();
    }
}
