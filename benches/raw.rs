//! The floor: the same bytes in the same chunks through a broker to subscribers that do nothing but count, or do with them what boards do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loaxa::controller::store::hash_file;
use loaxa::protocol::chunks::chunk_hash;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use crate::harness::{adopt, wait_for};
use crate::{cpu_s, rss_kb};

/// What is delivered: a bulletin of this many bytes, in chunks of that many.
pub const BYTES: usize = 1 << 20;
pub const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub struct Fanout {
    /// From the first byte published to the last byte received.
    pub seconds: f64,
    /// Of the subscribers or boards: they live in this process, on the same cores.
    pub own_cpu_s: f64,
    /// Of the broker, and of the center where there is one.
    pub cpu_s: f64,
    /// Bytes published per byte of the file.
    pub bytes_per_needed: f64,
    pub kb_per_client: f64,
    /// The same once all is delivered.
    pub kb_after: f64,
}

/// What a subscriber does with what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Counts,
    /// Hashes each chunk and then the whole file, as a board must.
    Hashes,
}

pub fn mosquitto(clients: usize) -> Fanout {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("mosquitto.conf");
    let text =
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n");
    std::fs::write(&conf, text).unwrap();
    let child = std::process::Command::new("mosquitto")
        .arg("-c")
        .arg(&conf)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("mosquitto");
    let process = adopt(child);
    wait_for("mosquitto", 10, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    fan_out(port, process.id(), clients, Work::Counts)
}

/// The broker that is built into the center, bare: no center, no doorman, in a process of its own.
pub fn embedded(clients: usize, work: Work) -> Fanout {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child =
        std::process::Command::new(std::env::current_exe().unwrap()).args(["raw-broker", &port.to_string()]).spawn();
    let process = adopt(child.expect("this program starts once more"));
    wait_for("the bare broker", 10, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    fan_out(port, process.id(), clients, work)
}

/// What the process of [`embedded`] does.
pub fn serve_broker(port: u16) {
    use rmqtt::{context::ServerContext, net::Builder, server::MqttServer};
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let context = ServerContext::new().mqtt_max_sessions(20_000).busy_check_enable(false).build().await;
        let listener = Builder::new()
            .name("raw")
            .laddr(([127, 0, 0, 1], port).into())
            .nodelay(true)
            .allow_anonymous(true)
            .max_packet_size(1 << 20)
            .max_connections(20_000)
            .max_mqueue_len(200)
            .bind()
            .unwrap();
        MqttServer::new(context).listener(listener.tcp().unwrap()).build().run().await.unwrap();
    });
}

fn fan_out(port: u16, pid: u32, clients: usize, work: Work) -> Fanout {
    let (topic, filter) = ("chunk/0", "chunk/+");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let received = Arc::new(AtomicU64::new(0));
    let subscribed = Arc::new(AtomicU64::new(0));
    let idle_kb = rss_kb(pid);
    let whole = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(whole.path(), vec![0x55; BYTES]).unwrap();
    runtime.block_on(async {
        let mut keep = vec![];
        for n in 0..clients {
            let mut options = MqttOptions::new(format!("client-{n}"), "127.0.0.1", port);
            options.set_max_packet_size(1 << 20, 1 << 20);
            let (client, mut events) = AsyncClient::new(options, 4);
            client.subscribe(filter, QoS::AtMostOnce).await.unwrap();
            keep.push(client);
            let (received, subscribed) = (received.clone(), subscribed.clone());
            let whole = whole.path().to_owned();
            tokio::spawn(async move {
                let mut bytes = 0;
                loop {
                    match events.poll().await {
                        Ok(Event::Incoming(Packet::Publish(publish))) => {
                            bytes += publish.payload.len();
                            if work == Work::Hashes {
                                std::hint::black_box(chunk_hash(&publish.payload));
                            }
                            if work == Work::Hashes && bytes == BYTES {
                                std::hint::black_box(hash_file(&whole).unwrap());
                            }
                            received.fetch_add(publish.payload.len() as u64, Ordering::Relaxed);
                        }
                        Ok(Event::Incoming(Packet::SubAck(_))) => {
                            subscribed.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(_) => {}
                        Err(error) => panic!("a bare subscriber lost its connection: {error}"),
                    }
                }
            });
        }
        until("all to subscribe", || subscribed.load(Ordering::Relaxed) as usize == clients).await;
        let mut options = MqttOptions::new("publisher", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (publisher, mut events) = AsyncClient::new(options, 16);
        tokio::spawn(async move { while events.poll().await.is_ok() {} });
        let kb = || rss_kb(pid).saturating_sub(idle_kb) as f64 / clients as f64;
        let (kb_per_client, own) = (kb(), std::process::id());
        let (cpu, own_cpu, begun) = (cpu_s(pid), cpu_s(own), Instant::now());
        for _ in 0..BYTES / CHUNK {
            publisher.publish(topic, QoS::AtMostOnce, false, vec![0x55; CHUNK]).await.unwrap();
        }
        until("the last byte", || received.load(Ordering::Relaxed) as usize >= clients * BYTES).await;
        Fanout {
            seconds: begun.elapsed().as_secs_f64(),
            own_cpu_s: cpu_s(own) - own_cpu,
            cpu_s: cpu_s(pid) - cpu,
            bytes_per_needed: 1.0,
            kb_per_client,
            kb_after: kb(),
        }
    })
}

/// Waits for a condition that other tasks bring about; gives up after two minutes.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
