//! The broker's outer door: TLS 1.3 with a certificate that is in force, and only then a way to the broker inside.
//!
//! The embedded broker's own TLS offers 1.2 and waits for ever for a first packet, so it listens in the clear on a loopback port that only
//! the center and this door use. What passes here carries the speaker's name with it: the broker's doorman asks the gate who is behind
//! a connection, and a connection that the gate ends is gone at once. Buffers exist only while something passes.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing::warn;

use super::accept::{self, PATIENCE, Place, Stream};
use super::app::App;
use super::tls;
use crate::domain::ids::SpeakerId;

/// A TLS record's worth.
const PIECE: usize = 16 * 1024;
/// A board that takes nothing for so long is given up; it will come again.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

/// Serves until aborted. `inside` is where the broker listens.
pub async fn run(app: Arc<App>, listener: TcpListener, inside: SocketAddr) -> Result<(), String> {
    let config = app.transport.broker_config()?;
    let denials = app.gate.denials.clone();
    let serve = move |stream, address, place, evicted| visit(app.clone(), inside, stream, address, place, evicted);
    accept::receive(listener, Some(config), "", denials, serve).await;
    Ok(())
}

async fn visit(
    app: Arc<App>,
    inside: SocketAddr,
    stream: Stream,
    address: SocketAddr,
    place: Place,
    mut evicted: oneshot::Receiver<()>,
) {
    let Stream::Tls(mut stream) = stream else { return };
    let Some(speaker) = admitted(&app, &stream, address).await else { return };
    // Only who has begun to speak is led inside, since the broker would wait for ever.
    let first = tokio::select! {
        first = tokio::time::timeout(PATIENCE, read_some(&mut stream)) => first,
        _ = &mut evicted => return,
    };
    let Ok(Ok(first)) = first else {
        return app.gate.denials.note(speaker.as_str(), "connected and said nothing");
    };
    drop(place);
    let (_live, ended) = app.gate.connect(&speaker);
    // Again, now that the gate would end this connection: it may have been disabled in between.
    if admitted(&app, &stream, address).await.is_none() {
        return;
    }
    let mut inner = match TcpStream::connect(inside).await {
        Ok(inner) => inner,
        Err(error) => return warn!("the broker inside does not answer: {error}"),
    };
    let Ok(from) = inner.local_addr() else { return };
    let _let_in = app.gate.let_in(from, &speaker);
    let _ = inner.set_nodelay(true);
    if inner.write_all(&first).await.is_err() {
        return;
    }
    tokio::select! {
        _ = carry_both(*stream, inner) => {}
        _ = ended => {}
    }
}

/// Whose connection this is, by the certificate it has shown; a renewed one takes the old one's place.
async fn admitted(
    app: &App,
    stream: &tokio_rustls::server::TlsStream<TcpStream>,
    address: SocketAddr,
) -> Option<SpeakerId> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    let fingerprint = tls::fingerprint(certificate);
    match app.gate.admit(&fingerprint) {
        Ok((speaker, is_next)) => {
            if is_next {
                let promoted = app.store.promote_certificate(&speaker, &fingerprint).await;
                let reloaded = app.gate.reload(&app.store, &speaker).await;
                if let Err(error) = promoted.and(reloaded) {
                    warn!("the renewed certificate of {speaker} cannot be put in force: {error}");
                }
            }
            Some(speaker)
        }
        Err(refusal) => {
            let name = tls::common_name(certificate).unwrap_or_default();
            app.gate.denials.note(&format!("{name:?} at {}", address.ip()), &refusal.to_string());
            None
        }
    }
}

async fn carry_both(outer: tokio_rustls::server::TlsStream<TcpStream>, inner: TcpStream) {
    let (outer_read, outer_write) = tokio::io::split(outer);
    let (inner_read, inner_write) = inner.into_split();
    tokio::select! {
        _ = carry(outer_read, inner_write) => {}
        _ = carry(inner_read, outer_write) => {}
    }
}

/// Carries one direction to its end.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    loop {
        let piece = read_some(&mut from).await?;
        let send = async {
            if piece.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&piece).await?;
            to.flush().await
        };
        tokio::time::timeout(SEND_PATIENCE, send).await??;
        if piece.is_empty() {
            return Ok(());
        }
    }
}

/// What has arrived; empty at the end. Memory is taken only once there is something.
async fn read_some(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); PIECE];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().to_vec()))
    })
    .await
}
