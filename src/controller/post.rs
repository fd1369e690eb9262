//! One HTTP POST to a center that is not known yet: small, with limits, by TLS that is encrypted but not verified. Trusts nothing of
//! what comes back; who asks has to authenticate it. HTTP/1.0, so that an answer is neither chunked nor followed by another.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::tls;

const PATIENCE: Duration = Duration::from_secs(20);
/// The head comes on top.
const HEAD_BYTES: u64 = 16 * 1024;

/// Where a center is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub host: String,
    port: u16,
    tls: bool,
    /// Without a slash at its end.
    path: String,
}

impl Url {
    /// Reads `https://host[:port][/path]`, or `http://`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?}: write the center's address, such as https://loa.xa.vn:8080");
        let (rest, tls) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (rest, true),
            (None, Some(rest)) => (rest, false),
            (None, None) => return Err(wrong()),
        };
        let (place, path) =
            rest.split_once('/').map_or((rest, String::new()), |(place, path)| (place, format!("/{path}")));
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (place, if tls { 443 } else { 80 }),
        };
        let strange = |c: char| c.is_whitespace() || c.is_control() || c == '@';
        if host.is_empty() || text.chars().any(strange) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, tls, path: path.trim_end_matches('/').to_owned() })
    }

    /// Posts JSON to a path below; gives the status and the body, which may have so many bytes.
    pub fn post(&self, path: &str, json: &str, limit: usize) -> Result<(u16, String), String> {
        let head = format!(
            "POST {}{path} HTTP/1.0\r\nhost: {}:{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.path,
            self.host,
            self.port,
            json.len()
        );
        let socket = self.connect().map_err(|e| e.to_string())?;
        let request = [head.as_bytes(), json.as_bytes()].concat();
        let answer = if self.tls {
            let name =
                ServerName::try_from(self.host.trim_matches(['[', ']']).to_owned()).map_err(|e| e.to_string())?;
            let session = ClientConnection::new(tls::unverified()?, name).map_err(|e| e.to_string())?;
            exchange(StreamOwned::new(session, socket), &request, limit)
        } else {
            exchange(socket, &request, limit)
        };
        read_answer(&answer.map_err(|e| e.to_string())?, limit)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut problem = io::Error::other(format!("{} has no address", self.host));
        for address in (self.host.trim_matches(['[', ']']), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(PATIENCE))?;
                    socket.set_write_timeout(Some(PATIENCE))?;
                    return Ok(socket);
                }
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = vec![];
    match stream.take(limit as u64 + HEAD_BYTES).read_to_end(&mut answer) {
        // Many close without saying goodbye; whether all is there, the length tells.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

fn read_answer(answer: &[u8], limit: usize) -> Result<(u16, String), String> {
    let no_http = || "what answers there does not speak HTTP".to_owned();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(no_http)?;
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| no_http())?;
    let body = &answer[end + 4..];
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok()).ok_or_else(no_http)?;
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    if body.len() > limit || length.is_some_and(|length| length != body.len()) {
        return Err("the answer broke off, or is longer than any honest one".into());
    }
    String::from_utf8(body.to_vec()).map(|body| (status, body)).map_err(|_| no_http())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        let read = |text| Url::parse(text).map(|url| (url.host, url.port, url.tls, url.path));
        assert_eq!(read("https://loa.xa.vn:8080/").unwrap(), ("loa.xa.vn".into(), 8080, true, String::new()));
        assert_eq!(read("http://[::1]:80/loa/").unwrap(), ("[::1]".into(), 80, false, "/loa".into()));
        assert_eq!(read("https://10.0.0.1").unwrap(), ("10.0.0.1".into(), 443, true, String::new()));
        for bad in [
            "loa.xa.vn",
            "https://",
            "https://:80",
            "https://a:b",
            "ftp://a",
            "https://a b",
            "https://a/\r\nx: y",
            "https://u@h",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_is_taken_whole_or_not_at_all() {
        let read = |text: &str| read_answer(text.as_bytes(), 10);
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Ok((200, "{}".into())));
        assert_eq!(read("HTTP/1.0 403 No\r\n\r\nwhy"), Ok((403, "why".into())));
        for bad in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\n\r\n12345678901",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
