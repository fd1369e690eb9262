//! Takes connections in and brings them through TLS, so that nobody who says nothing keeps others out. Knows no MQTT and no HTTP.
//!
//! Whoever connects has [`PATIENCE`] to finish the handshake, beside everybody else's. Where too many wait, the one that has
//! waited longest at the address with the most of them makes place: a flood of half-open sockets drives out itself, while an
//! honest newcomer, who is done within two round trips, gets in.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::warn;

use super::gate::Denials;

/// How long a visitor may take to show who it is.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of somebody who speaks in the clear, so that the answer is not lost with it.
const CLEAR_BYTES: u64 = 64 * 1024;
/// Visitors at the door, altogether and from one address; a whole mobile network may share an address.
const WAITING: usize = 1024;
const WAITING_PER_ADDRESS: usize = 256;

/// What came through: plain, or by TLS with what the peer has shown.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What HTTP needs of a stream.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Stream {
    pub fn boxed(self) -> Box<dyn Duplex> {
        match self {
            Self::Plain(stream) => Box::new(stream),
            Self::Tls(stream) => stream,
        }
    }
}

/// Those who have not shown yet who they are.
#[derive(Debug, Default)]
pub struct Waiting {
    numbers: AtomicU64,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    total: usize,
    by_address: HashMap<IpAddr, VecDeque<(u64, oneshot::Sender<()>)>>,
}

/// One visitor's place at the door, given back when dropped.
#[derive(Debug)]
pub struct Place {
    waiting: Arc<Waiting>,
    address: IpAddr,
    number: u64,
}

impl Waiting {
    /// A place, and what tells its holder that it was given to somebody else.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> (Place, oneshot::Receiver<()>) {
        let (evict, evicted) = oneshot::channel();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut places) = self.places.lock() {
            if places.by_address.get(&address).is_some_and(|here| here.len() >= WAITING_PER_ADDRESS) {
                places.evict(address);
            } else if places.total >= WAITING
                && let Some(crowded) = places.by_address.iter().max_by_key(|(_, here)| here.len()).map(|(ip, _)| *ip)
            {
                places.evict(crowded);
            }
            places.by_address.entry(address).or_default().push_back((number, evict));
            places.total += 1;
        }
        (Place { waiting: self.clone(), address, number }, evicted)
    }
}

impl Places {
    /// Drops the one that has waited longest at an address; its receiver hears of it.
    fn evict(&mut self, address: IpAddr) {
        let Some(here) = self.by_address.get_mut(&address) else { return };
        if here.pop_front().is_some() {
            self.total -= 1;
        }
        if here.is_empty() {
            self.by_address.remove(&address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut places) = self.waiting.places.lock() else { return };
        let Some(here) = places.by_address.get_mut(&self.address) else { return };
        let before = here.len();
        here.retain(|(number, _)| *number != self.number);
        let (gone, empty) = (before - here.len(), here.is_empty());
        places.total -= gone;
        if empty {
            places.by_address.remove(&self.address);
        }
    }
}

/// Accepts for ever. `serve` gets each connection that came through, with its place at the door, which it keeps until the visitor has
/// proven to be one; it is dropped when the place is needed by others. Who begins with a letter instead of TLS gets the answer
/// `in_clear`, where there is one.
pub async fn receive<F, S>(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    in_clear: &'static str,
    denials: Arc<Denials>,
    serve: S,
) where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Stream, SocketAddr, Place, oneshot::Receiver<()>) -> F + Clone + Send + 'static,
{
    let waiting = Arc::new(Waiting::default());
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let (socket, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of files, most likely; those who are served go on.
                warn!("a connection cannot be taken: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        let (place, mut evicted) = waiting.enter(network(address.ip()));
        let (acceptor, serve, denials) = (acceptor.clone(), serve.clone(), denials.clone());
        tokio::spawn(async move {
            let stream = match acceptor {
                None => Stream::Plain(socket),
                Some(acceptor) => {
                    let shaken = tokio::select! {
                        shaken = tokio::time::timeout(PATIENCE, shake(&acceptor, socket, in_clear)) => shaken,
                        _ = &mut evicted => return,
                    };
                    match shaken {
                        Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                        Ok(Err(error)) => return denials.note(&address.ip().to_string(), &format!("no TLS: {error}")),
                        Err(_) => return denials.note(&address.ip().to_string(), "no TLS: said nothing in time"),
                    }
                }
            };
            serve(stream, address, place, evicted).await;
        });
    }
}

async fn shake(acceptor: &TlsAcceptor, mut socket: TcpStream, in_clear: &str) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if !in_clear.is_empty() && socket.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase() {
        let _ = socket.read(&mut [0; 4096]).await?;
        socket.write_all(in_clear.as_bytes()).await?;
        socket.shutdown().await?;
        let _ = tokio::io::copy(&mut socket.take(CLEAR_BYTES), &mut tokio::io::sink()).await;
        return Err(io::Error::other("it spoke in the clear"));
    }
    acceptor.accept(socket).await
}

/// Whom an address is counted with: everybody in the same IPv6 /64, which is what one subscriber has at least.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_whole_ipv6_network_counts_once() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1") && !same("::1", "::2"));
        assert!(!same("10.0.0.1", "10.0.0.2") && !same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    }

    #[test]
    fn the_longest_waiting_of_the_most_crowded_address_makes_place() {
        let waiting = Arc::new(Waiting::default());
        let (flooder, honest): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut flood: Vec<_> = (0..WAITING_PER_ADDRESS).map(|_| waiting.enter(flooder)).collect();
        let (_place, mut calm) = waiting.enter(honest);
        assert!(flood[0].1.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        flood.push(waiting.enter(flooder));
        assert!(flood[0].1.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
        // From many addresses at once: the fullest one loses.
        let mut others = vec![];
        for n in 0..WAITING {
            others.push(waiting.enter(IpAddr::from([10, 1, (n >> 8) as u8, n as u8])));
        }
        assert!(calm.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        let places = waiting.places.lock().unwrap();
        assert!(places.total <= WAITING, "{}", places.total);
        assert_eq!(places.total, places.by_address.values().map(VecDeque::len).sum::<usize>());
        drop(places);
        drop((flood, others, _place));
        assert_eq!(waiting.places.lock().unwrap().total, 0);
        assert!(waiting.places.lock().unwrap().by_address.is_empty());
    }
}
