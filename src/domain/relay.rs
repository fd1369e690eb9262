//! Which stations may be relayed: addresses are held against the center's list of allowed hosts before they get into a programme.
//!
//! It decides by the text alone and resolves no name. Whoever connects must hold each address that a name resolves to against [`is_public`],
//! every time and after every redirection: a name on the list may come to point into the office's own network. The grammar is narrower
//! than a browser's (RFC 3986 and the WHATWG URL standard read some texts differently): what two readers could take for two hosts is refused.

use thiserror::Error;

/// Longest address of a stream in bytes.
pub const MAX_SOURCE_BYTES: usize = 500;
/// Most entries of a list.
const MAX_ENTRIES: usize = 500;
/// Line inputs of a speaker, such as `line:1`: no network, so no list.
const LINE: &str = "line:";

/// Hosts that may be relayed from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayHosts(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    host: String,
    /// Names below `host`, and not `host` itself.
    below: bool,
    /// `None` = the scheme's own.
    port: Option<u16>,
}

/// Why a source is not relayed from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RelayError {
    #[error("not a stream's address; write for example \"https://radio.example/vov1\" or \"line:1\"")]
    NotAnAddress,
    #[error("longer than {MAX_SOURCE_BYTES} bytes; write a shorter address")]
    TooLong,
    #[error(
        "it holds {0:?}, which an address that is read by all programs alike does not; write it plainly, such as \"https://radio.example/vov1\""
    )]
    Unclear(char),
    #[error("it holds a user name or password; write the address without what stands before the '@'")]
    UserInfo,
    #[error("it points into a stream ('#...'), which nobody can play; leave that out")]
    Fragment,
    #[error(
        "{0:?} is not a host's name as it stands in the DNS; write the name in a-z, 0-9 and '-' (Vietnamese letters in their xn-- form)"
    )]
    NotAName(String),
    #[error(
        "{0:?} is a machine's number in a private or special network, or not written plainly; write the station's name"
    )]
    NotPublic(String),
    #[error("port {0:?} is not a port; write 1 to 65535, or nothing")]
    NotAPort(String),
    #[error(
        "{0} may not be relayed here; the center's configuration names the stations that may: [relay] allow = [\"{0}\"]"
    )]
    NotAllowed(String),
}

impl RelayHosts {
    /// Reads a list such as `vov.vn`, `*.example.vn:8443`; the error names the entry and something that works.
    pub fn new<T: AsRef<str>>(entries: &[T]) -> Result<Self, String> {
        if entries.len() > MAX_ENTRIES {
            return Err(format!("{} hosts; at most {MAX_ENTRIES}", entries.len()));
        }
        let one = |text: &T| {
            let text = text.as_ref();
            Entry::new(text).map_err(|e| {
                format!("{text:?}: {e}; write a host such as \"vov.vn\", \"*.example.vn\" or \"vov.vn:8443\"")
            })
        };
        entries.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a programme may relay from `source`.
    pub fn check(&self, source: &str) -> Result<(), RelayError> {
        if is_line(source) {
            return Ok(());
        }
        let place = Place::read(source)?;
        let default_port = if place.encrypted { 443 } else { 80 };
        if self.0.iter().any(|entry| entry.covers(&place, default_port)) {
            Ok(())
        } else if place.port == default_port {
            Err(RelayError::NotAllowed(place.host))
        } else {
            Err(RelayError::NotAllowed(format!("{}:{}", place.host, place.port)))
        }
    }
}

/// Whether a source is a line input of the speaker.
pub fn is_line(source: &str) -> bool {
    let number = source.strip_prefix(LINE).unwrap_or_default();
    matches!(number.len(), 1..=2) && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Entry {
    fn new(text: &str) -> Result<Self, RelayError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (host, port) = host_and_port(name)?;
        // A whole country is no list.
        if below && !host.contains('.') {
            return Err(RelayError::NotAName(text.chars().take(80).collect()));
        }
        Ok(Self { host, below, port })
    }

    fn covers(&self, place: &Place, default_port: u16) -> bool {
        let named = match self.below {
            false => place.host == self.host,
            true => place.host.strip_suffix(&self.host).is_some_and(|rest| rest.ends_with('.')),
        };
        named && self.port.unwrap_or(default_port) == place.port
    }
}

/// Where a source is.
struct Place {
    encrypted: bool,
    host: String,
    port: u16,
}

impl Place {
    fn read(source: &str) -> Result<Self, RelayError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(RelayError::TooLong);
        }
        let (scheme, rest) = source.split_once("://").ok_or(RelayError::NotAnAddress)?;
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(RelayError::NotAnAddress),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(RelayError::UserInfo);
        }
        // A backslash is a slash to some; others are taken out in silence, or begin something else.
        let unclear =
            |c: char| !c.is_ascii_graphic() || matches!(c, '\\' | '<' | '>' | '"' | '^' | '`' | '{' | '|' | '}');
        if let Some(c) = path.chars().find(|c| unclear(*c)) {
            return Err(RelayError::Unclear(c));
        }
        if path.contains('#') {
            return Err(RelayError::Fragment);
        }
        let (host, port) = host_and_port(authority)?;
        Ok(Self { encrypted, host, port: port.unwrap_or(if encrypted { 443 } else { 80 }) })
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), RelayError> {
    let shown = || text.chars().take(80).collect::<String>();
    // IPv6 addresses, v4-mapped ones among them: no station is known by one.
    if text.starts_with('[') {
        return Err(RelayError::NotPublic(shown()));
    }
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => {
            let number = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
            (host, Some(number.ok_or_else(|| RelayError::NotAPort(port.chars().take(20).collect()))?))
        }
    };
    Ok((host_name(host)?, port))
}

/// A host in lower case: a name of the DNS (RFC 1123) of two labels or more, or a public IPv4 address in its plain form.
fn host_name(host: &str) -> Result<String, RelayError> {
    let not_a_name = || RelayError::NotAName(host.chars().take(80).collect());
    let host_name = host.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host_name.len() > 253 || !host_name.split('.').all(is_label) {
        return Err(not_a_name());
    }
    let last = host_name.rsplit('.').next().unwrap_or_default();
    // Whatever ends like a number is read as an IPv4 address by some: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        let plain = plain_ipv4(&host_name).filter(|octets| is_public(octets));
        return plain.map(|_| host_name.clone()).ok_or(RelayError::NotPublic(host_name));
    }
    // Names without a dot, and these endings (RFC 6761, 6762, 8375, 9476), are for a network of one's own.
    const OWN: [&str; 9] = ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "arpa"];
    if !host_name.contains('.') || OWN.contains(&last) {
        return Err(RelayError::NotPublic(host_name));
    }
    Ok(host_name)
}

/// Four decimal numbers without leading zeros, and nothing else.
fn plain_ipv4(text: &str) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        *octet = part.parse().ok().filter(|number: &u8| number.to_string() == part)?;
    }
    parts.next().is_none().then_some(octets)
}

/// Whether an IPv4 (4 bytes) or IPv6 (16 bytes) address may lie outside: none of the private, shared, loopback, link-local, multicast,
/// documentation, benchmarking and reserved ranges (IANA special-purpose registries), and none that carries an IPv4 address in it.
pub fn is_public(address: &[u8]) -> bool {
    match *address {
        [0 | 10 | 127 | 224..=255, _, _, _] => false,
        [100, 64..=127, _, _] | [169, 254, _, _] | [172, 16..=31, _, _] | [192, 168, _, _] => false,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18..=19, _, _] | [198, 51, 100, _] | [203, 0, 113, _] => false,
        [_, _, _, _] => true,
        // Only 2000::/3 is given out; in it 2001::/23 (Teredo, ORCHID and others), 2001:db8::/32, 2002::/16 (6to4), 3fff::/20.
        [0x20, 0x01, 0x00..=0x01, ..] | [0x20, 0x01, 0x0d, 0xb8, ..] | [0x20, 0x02, ..] => false,
        [0x3f, 0xff, 0x00..=0x0f, ..] => false,
        [0x20..=0x3f, ..] => address.len() == 16,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> RelayHosts {
        RelayHosts::new(&["vov.vn", "*.example.vn:8443", "*.dai.example", "203.162.0.10:8000", "xn--i-xla.example"])
            .unwrap()
    }

    #[test]
    fn what_is_on_the_list_is_relayed() {
        for source in [
            "https://vov.vn/live/vov1.m3u8?token=a%20b&c=[1]",
            "http://vov.vn",
            "HTTPS://VOV.VN:443/",
            "http://vov.vn:80/x",
            "https://a.b.example.vn:8443/",
            "https://x.dai.example/y@z",
            "http://203.162.0.10:8000/stream",
            "https://xn--i-xla.example/",
            "line:1",
            "line:12",
        ] {
            assert_eq!(hosts().check(source), Ok(()), "{source}");
        }
    }

    #[test]
    fn what_is_not_on_the_list_is_refused_with_what_to_write_there() {
        for (source, host) in [
            ("https://radio.example/vov1", "radio.example"),
            ("https://vov.vn.evil.example/", "vov.vn.evil.example"),
            ("https://evilvov.vn/", "evilvov.vn"),
            ("https://www.vov.vn/", "www.vov.vn"),
            ("https://vov.vn:8443/", "vov.vn:8443"),
            ("https://vov.vn:80/", "vov.vn:80"),
            ("http://vov.vn:443/", "vov.vn:443"),
            ("https://example.vn:8443/", "example.vn:8443"),
            ("https://a.example.vn/", "a.example.vn"),
            ("https://dai.example/", "dai.example"),
            ("https://notdai.example/", "notdai.example"),
            ("http://203.162.0.10/", "203.162.0.10"),
        ] {
            assert_eq!(hosts().check(source), Err(RelayError::NotAllowed(host.into())), "{source}");
        }
        assert!(
            RelayHosts::default().check("https://vov.vn/").unwrap_err().to_string().contains("allow = [\"vov.vn\"]")
        );
    }

    #[test]
    fn tricks_are_refused_whatever_the_list_says() {
        use RelayError as E;
        let long = format!("https://vov.vn/{}", "x".repeat(500));
        type Expected = fn(&E) -> bool;
        let cases: &[(&str, Expected)] = &[
            ("ftp://vov.vn/", |e| *e == E::NotAnAddress),
            ("file:///etc/passwd", |e| *e == E::NotAnAddress),
            ("javascript:alert(1)", |e| *e == E::NotAnAddress),
            ("https:/vov.vn/", |e| *e == E::NotAnAddress),
            ("//vov.vn/", |e| *e == E::NotAnAddress),
            (" https://vov.vn/", |e| *e == E::NotAnAddress),
            ("line:", |e| *e == E::NotAnAddress),
            ("line:../x", |e| *e == E::NotAnAddress),
            ("", |e| *e == E::NotAnAddress),
            (&long, |e| *e == E::TooLong),
            ("https://vov.vn@evil.example/", |e| *e == E::UserInfo),
            ("https://user:pass@vov.vn/", |e| *e == E::UserInfo),
            ("https://vov.vn/#t=5", |e| *e == E::Fragment),
            ("https://vov.vn#@evil.example/", |e| *e == E::Fragment),
            ("https://vov.vn/\\..", |e| *e == E::Unclear('\\')),
            ("https://vov.vn/a b", |e| *e == E::Unclear(' ')),
            ("https://vov.vn/\r\nHost: x", |e| *e == E::Unclear('\r')),
            ("https://vov.vn/tiếng", |e| matches!(e, E::Unclear(_))),
            ("https://evil.example\\.vov.vn/", |e| matches!(e, E::NotAName(_))),
            ("https://vov%2evn/", |e| matches!(e, E::NotAName(_))),
            ("https://vov。vn/", |e| matches!(e, E::NotAName(_))),
            ("https://vоv.vn/", |e| matches!(e, E::NotAName(_))),
            ("https://vov.vn./", |e| matches!(e, E::NotAName(_))),
            ("https://.vov.vn/", |e| matches!(e, E::NotAName(_))),
            ("https://-vov.vn/", |e| matches!(e, E::NotAName(_))),
            ("https:///vov.vn/", |e| matches!(e, E::NotAName(_))),
            ("https://vov.vn:/", |e| matches!(e, E::NotAPort(_))),
            ("https://vov.vn:0/", |e| matches!(e, E::NotAPort(_))),
            ("https://vov.vn:00443/", |e| matches!(e, E::NotAPort(_))),
            ("https://vov.vn:65536/", |e| matches!(e, E::NotAPort(_))),
            ("https://vov.vn:80:80/", |e| matches!(e, E::NotAPort(_))),
            ("http://localhost/", |e| matches!(e, E::NotPublic(_))),
            ("http://a.localhost/", |e| matches!(e, E::NotPublic(_))),
            ("http://may-chu.local/", |e| matches!(e, E::NotPublic(_))),
            ("http://intranet/", |e| matches!(e, E::NotPublic(_))),
            ("http://127.0.0.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://127.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://2130706433/", |e| matches!(e, E::NotPublic(_))),
            ("http://0x7f000001/", |e| matches!(e, E::NotPublic(_))),
            ("http://0x7f.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://0177.0.0.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://203.162.0.010:8000/", |e| matches!(e, E::NotPublic(_))),
            ("http://10.0.0.5/", |e| matches!(e, E::NotPublic(_))),
            ("http://172.31.255.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://192.168.1.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://169.254.169.254/latest/meta-data", |e| matches!(e, E::NotPublic(_))),
            ("http://100.64.0.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://224.0.0.1/", |e| matches!(e, E::NotPublic(_))),
            ("http://0.0.0.0/", |e| matches!(e, E::NotPublic(_))),
            ("http://[::1]/", |e| matches!(e, E::NotPublic(_))),
            ("http://[::ffff:127.0.0.1]/", |e| matches!(e, E::NotPublic(_))),
            ("http://[fe80::1%25eth0]/", |e| matches!(e, E::NotPublic(_))),
            ("http://[2606:4700::1111]/", |e| matches!(e, E::NotPublic(_))),
        ];
        for (source, expected) in cases {
            let error = hosts().check(source).unwrap_err();
            assert!(expected(&error), "{source}: {error:?}");
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn a_list_with_a_slip_is_refused_with_the_entry() {
        for bad in
            ["*", "*.vn", "vov.vn/x", "https://vov.vn", "a.*.vn", "127.0.0.1", "localhost", "vov.vn:x", "", "đài.vn"]
        {
            let error = RelayHosts::new(&[bad]).unwrap_err();
            assert!(error.contains(bad) && error.contains("vov.vn"), "{bad}: {error}");
        }
        assert_eq!(RelayHosts::new(&["VOV.vn"]).unwrap().check("https://vov.vn/"), Ok(()));
    }

    #[test]
    fn only_addresses_that_are_given_out_are_public() {
        let six = |groups: [u16; 8]| groups.iter().flat_map(|group| group.to_be_bytes()).collect::<Vec<_>>();
        for public in
            [vec![1, 1, 1, 1], vec![203, 162, 0, 10], vec![172, 32, 0, 1], six([0x2606, 0x4700, 0, 0, 0, 0, 0, 1])]
        {
            assert!(is_public(&public), "{public:?}");
        }
        for special in [
            six([0, 0, 0, 0, 0, 0, 0, 1]),
            six([0, 0, 0, 0, 0, 0xffff, 0x0808, 0x0808]),
            six([0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1]),
            six([0xfd00, 0, 0, 0, 0, 0, 0, 1]),
            six([0xfe80, 0, 0, 0, 0, 0, 0, 1]),
            six([0xff02, 0, 0, 0, 0, 0, 0, 1]),
            six([0x2001, 0, 0, 0, 0, 0, 0, 1]),
            six([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
            six([0x2002, 0x7f00, 1, 0, 0, 0, 0, 1]),
            vec![192, 168, 0, 1],
            vec![255, 255, 255, 255],
            vec![0x20; 5],
            vec![],
        ] {
            assert!(!is_public(&special), "{special:?}");
        }
    }
}
