//! The way to the center, one step after the other: name, connection, TLS with this board's own certificate. Says nothing to the broker.

use std::io::{ErrorKind, Read as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{Lang, Patient, Said};
use crate::controller::config::{Broker, Config};
use crate::controller::identity::{self, Credentials};
use crate::controller::tls;

const CONNECTING: Duration = Duration::from_secs(5);
/// A center that does not know this certificate says so right after the handshake.
const REFUSING: Duration = Duration::from_millis(800);

pub(super) fn link(patient: &Patient) -> Said {
    let (lang, config) = (patient.lang, patient.config);
    let broker = match config.broker() {
        Ok(broker) => broker,
        Err(_) if config.center.mqtt.is_empty() => {
            return Said::fault(
                lang.say("chưa biết trung tâm ở đâu", "it is not known where the center is"),
                lang.say("đăng ký bo mạch, hoặc điền center.mqtt", "enrol this board, or fill in center.mqtt"),
            );
        }
        Err(problem) => {
            return Said::fault(problem, lang.say("sửa center.mqtt trong tệp cấu hình", "mend center.mqtt"));
        }
    };
    let reached = match connect(&broker, lang) {
        Ok(stream) if broker.tls => shake_hands(config, &broker, stream, lang),
        Ok(_) => Ok(()),
        Err(said) => Err(said),
    };
    if let Err(said) = reached {
        return said;
    }
    let Broker { host, port, .. } = &broker;
    match patient.status.as_ref().map(|status| status.connected) {
        Some(false) => Said::fault(
            lang.say(
                format!("{host}:{port} trả lời, nhưng bộ điều khiển chưa đăng nhập được"),
                format!("{host}:{port} answers, but the controller is not signed in"),
            ),
            lang.say(
                "đợi một phút rồi hỏi lại; nếu vẫn vậy, cụm loa có thể đã bị khóa ở trung tâm",
                "wait a minute and ask again; if it stays so, the speaker may be disabled at the center",
            ),
        ),
        Some(true) => {
            Said::good(lang.say(format!("đã kết nối với {host}:{port}"), format!("connected to {host}:{port}")))
        }
        None => Said::good(
            lang.say(format!("trung tâm ở {host}:{port} trả lời"), format!("the center at {host}:{port} answers")),
        ),
    }
}

fn connect(broker: &Broker, lang: Lang) -> Result<TcpStream, Said> {
    let Broker { host, port, .. } = broker;
    let addresses = (host.as_str(), *port).to_socket_addrs().map_err(|error| {
        Said::fault(
            lang.say(
                format!("DNS: không tìm được tên {host} ({error})"),
                format!("DNS: {host} is not known ({error})"),
            ),
            lang.say(
                "kiểm tra cáp mạng hoặc SIM 4G, rồi DNS (resolvectl)",
                "look at the cable or the 4G SIM, then at DNS (resolvectl)",
            ),
        )
    })?;
    let mut problem = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECTING) {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = Some(error),
        }
    }
    let refused = problem.as_ref().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    let problem = problem.map_or_else(String::new, |error| error.to_string());
    Err(Said::fault(
        lang.say(
            format!("TCP: {host}:{port} không trả lời ({problem})"),
            format!("TCP: {host}:{port} does not answer ({problem})"),
        ),
        if refused {
            lang.say(
                "mạng thông; máy chủ trung tâm chưa chạy, hoặc sai cổng",
                "the network is there; the center does not run, or the port is wrong",
            )
        } else {
            lang.say(
                "kiểm tra cáp mạng hoặc SIM 4G, và tường lửa",
                "look at the cable or the 4G SIM, and at firewalls on the way",
            )
        },
    ))
}

/// The same TLS as the controller speaks.
fn settings(config: &Config) -> Result<Arc<ClientConfig>, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    if !config.center.password.is_empty() {
        return tls::with_password(&read(Path::new(&config.center.ca))?);
    }
    let dir = identity::dir(config);
    tls::enrolled(&read(&dir.join("ca.pem"))?, &Credentials::load(&dir)?)
}

fn shake_hands(config: &Config, broker: &Broker, stream: TcpStream, lang: Lang) -> Result<(), Said> {
    let fault = |problem: String, vietnamese: &str, english: &str| {
        Err(Said::fault(format!("TLS: {problem}"), lang.say(vietnamese, english)))
    };
    let named = || ServerName::try_from(broker.host.clone()).map_err(|error| error.to_string());
    let opened = settings(config)
        .and_then(|settings| ClientConnection::new(settings, named()?).map_err(|error| error.to_string()));
    let connection = match opened {
        Ok(connection) => connection,
        Err(problem) => {
            return fault(
                problem,
                "chứng thư không dùng được: đăng ký lại",
                "the certificate is no good: enrol this board again",
            );
        }
    };
    let limited = stream.set_read_timeout(Some(CONNECTING)).and_then(|()| stream.set_write_timeout(Some(CONNECTING)));
    let mut talk = StreamOwned::new(connection, stream);
    let shaken = limited.and_then(|()| {
        while talk.conn.is_handshaking() {
            talk.conn.complete_io(&mut talk.sock)?;
        }
        wait_for_refusal(&mut talk)
    });
    let Err(error) = shaken else { return Ok(()) };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => fault(
            lang.say(
                format!("máy trả lời không phải trung tâm đã ghim ({why})"),
                format!("what answers is not the pinned center ({why})"),
            ),
            "sai địa chỉ, hoặc trung tâm đã làm lại: hỏi trung tâm, đăng ký lại",
            "a wrong address, or the center was made anew: ask there, enrol again",
        ),
        Some(rustls::Error::AlertReceived(alert)) => fault(
            lang.say(
                format!("trung tâm không nhận chứng thư của bo mạch ({alert:?})"),
                format!("the center refuses this board's certificate ({alert:?})"),
            ),
            "cụm loa bị khóa, hoặc bo mạch khác đã thay: đăng ký lại",
            "the speaker is disabled, or another board took its place: enrol again",
        ),
        Some(other) => fault(other.to_string(), "hỏi trung tâm", "ask the center"),
        None if error.kind() == ErrorKind::UnexpectedEof => fault(
            lang.say("trung tâm ngắt kết nối ngay sau khi bắt tay", "the center hung up after the handshake"),
            "cụm loa bị khóa, hoặc bo mạch khác đã thay: đăng ký lại",
            "the speaker is disabled, or another board took its place: enrol again",
        ),
        None => fault(
            error.to_string(),
            "cổng này không nói TLS, hoặc đường truyền quá chậm",
            "that port does not speak TLS, or the line is too slow",
        ),
    }
}

/// In TLS 1.3 the other end judges a client's certificate after the client has done its part.
fn wait_for_refusal(talk: &mut StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<()> {
    talk.sock.set_read_timeout(Some(REFUSING))?;
    match talk.read(&mut [0]) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(error) => return Err(error),
    }
    talk.conn.send_close_notify();
    let _ = talk.conn.complete_io(&mut talk.sock);
    Ok(())
}
