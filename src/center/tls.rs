//! The center's own certificate authority and what it issues: the server's certificate, and one for each speaker's connection.
//! It secures the transport and gives connections names; it can never make a speaker talk, which only the authority's signatures do.
//!
//! ```text
//! tls/ca.pem      the authority of the transport, which boards pin
//! tls/ca.key      its key, readable by the owner alone
//! tls/server.pem  the certificate of the broker and of [`CENTER_NAME`], for boards and for this machine
//! tls/server.key
//! tls/page.pem    the certificate of page and API for everybody else, short enough for browsers
//! tls/page.key
//! ```
//!
//! The latter two are made again at a start when they near their end or when names change.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::config::Tls;
use super::datadir::{write_secret, write_whole};
use crate::domain::DAY_MS;
use crate::domain::ids::{SiteId, SpeakerId};
use crate::protocol::enrolment::CENTER_NAME;
use crate::protocol::limits::CSR_BYTES;

/// For boards, who check neither host nor, without a clock, the date.
const SERVER_DAYS: i64 = 800;
/// For browsers, beginning a day ago: Apple's take at most 825 days from beginning to end, others 398 of public ones.
const PAGE_DAYS: i64 = 397;
/// So long before its end each of the server's certificates is made again at the next start.
const SERVER_SPARE_DAYS: i64 = 30;
/// Everything that boards see or show begins on this day, long ago: a board whose clock was lost must not find it "not yet valid".
const BEGINS: (i32, u8, u8) = (2024, 1, 1);
const CA_ENDS: (i32, u8, u8) = (2074, 1, 1);

/// ring, named explicitly everywhere: with two providers linked none would be the default.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// For libraries that ask for the process's default.
pub fn install_provider() {
    // Somebody may have done so before; it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The authority of the transport, able to issue.
pub struct TransportAuthority {
    site: SiteId,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    dir: PathBuf,
}

impl std::fmt::Debug for TransportAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TransportAuthority({})", self.dir.display())
    }
}

/// A certificate that was just issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub pem: String,
    pub fingerprint: String,
    pub serial: String,
    pub valid_until_ms: i64,
}

/// SHA-256 of a certificate's DER in hex: what the store knows a connection's certificate by.
pub fn fingerprint(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

impl TransportAuthority {
    /// Reads the authority of a data directory, or makes it where there was never one.
    pub fn open(root: &Path, site: &SiteId) -> Result<Self, String> {
        let dir = root.join("tls");
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !certificate.is_file() {
            make_authority(&dir, site)?;
        }
        let pem = read(&certificate)?;
        let damaged = |e: &dyn std::fmt::Display| {
            format!(
                "{} cannot be used ({e}); put it back from a copy: a new one would cut off every speaker",
                certificate.display()
            )
        };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| damaged(&e))?;
        let key = KeyPair::from_pem(&read(&key)?).map_err(|e| damaged(&e))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|e| damaged(&e))?;
        Ok(Self { site: site.clone(), issuer, pem, der, dir })
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Signs a certificate for a speaker's connection. From the request only the key is taken, once it has proven itself.
    pub fn issue(&self, csr_der: &[u8], speaker: &SpeakerId, valid_until_ms: i64) -> Result<Issued, String> {
        if csr_der.len() > CSR_BYTES {
            return Err(format!("the certificate request is longer than {CSR_BYTES} bytes"));
        }
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
            .map_err(|e| format!("the certificate request cannot be used: {e}"))?;
        let mut params = self.params(speaker.as_str(), valid_until_ms)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = params.serial_number.as_ref().map(|serial| hex::encode(serial.to_bytes())).unwrap_or_default();
        let certificate = self.sign(&params, &request.public_key)?;
        Ok(Issued { fingerprint: fingerprint(certificate.der()), pem: certificate.pem(), serial, valid_until_ms })
    }

    fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<rcgen::Certificate, String> {
        params.signed_by(key, &self.issuer).map_err(|e| format!("a certificate cannot be issued: {e}"))
    }

    fn params(&self, name: &str, until_ms: i64) -> Result<CertificateParams, String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, format!("loaxa {}", self.site));
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(BEGINS.0, BEGINS.1, BEGINS.2);
        params.not_after = day_of(until_ms);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let mut serial = [0; 16];
        getrandom::fill(&mut serial).map_err(|_| "the system has no randomness".to_owned())?;
        serial[0] &= 0x7f;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        Ok(params)
    }

    /// Makes the server's certificates where there are none for these names, or they near their end.
    pub fn ensure_server(&self, names: &[String], now_ms: i64) -> Result<(), String> {
        let names = names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let names: Vec<_> = names.collect();
        let world: Vec<_> = names.iter().filter(|name| *name != CENTER_NAME).cloned().collect();
        let begins = date_time_ymd(BEGINS.0, BEGINS.1, BEGINS.2);
        self.ensure("server", &names, begins, now_ms + SERVER_DAYS * DAY_MS, now_ms)?;
        let yesterday_ms = now_ms - DAY_MS;
        self.ensure("page", &world, day_of(yesterday_ms), yesterday_ms + PAGE_DAYS * DAY_MS, now_ms)
    }

    fn ensure(
        &self,
        file: &str,
        names: &[String],
        begins: time::OffsetDateTime,
        until_ms: i64,
        now_ms: i64,
    ) -> Result<(), String> {
        if self.server_is_good(file, names, now_ms).unwrap_or(false) {
            return Ok(());
        }
        let named = CertificateParams::new(names)
            .map_err(|e| format!("tls.names {names:?}: {e}; write host names or IP addresses"))?;
        let mut params = self.params(CENTER_NAME, until_ms)?;
        params.not_before = begins;
        params.subject_alt_names = named.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let certificate = self.sign(&params, &key)?;
        // Key first and both anew: a crash in between leaves a pair that does not match, which is made again.
        replace_secret(&self.dir.join(format!("{file}.key")), &key.serialize_pem())?;
        let path = self.dir.join(format!("{file}.pem"));
        write_whole(&path, certificate.pem().as_bytes()).map_err(|e| cannot_write(&path, &e))
    }

    fn server_is_good(&self, file: &str, names: &[String], now_ms: i64) -> Result<bool, String> {
        let pem = read(&self.dir.join(format!("{file}.pem")))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| e.to_string())?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|e| e.to_string())?;
        let (_, ca) = X509Certificate::from_der(&self.der).map_err(|e| e.to_string())?;
        let spare_s = (now_ms + SERVER_SPARE_DAYS * DAY_MS) / 1000;
        let validity = certificate.validity();
        let in_time = validity.not_before.timestamp() <= now_ms / 1000 && validity.not_after.timestamp() > spare_s;
        let alternatives = certificate.subject_alternative_name().map_err(|e| e.to_string())?;
        let mut has: Vec<String> =
            alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(name_text).collect();
        let mut wanted = names.to_vec();
        has.sort();
        wanted.sort();
        let ours = certificate.verify_signature(Some(ca.public_key())).is_ok();
        Ok(in_time && ours && has == wanted && self.server_pair(file).is_ok())
    }

    /// When the certificates that this center shows or issues by end, by the names of their files; those that can be read.
    pub fn ends(&self, tls: &Tls) -> Vec<(&'static str, i64)> {
        let files = [("server", self.dir.join("server.pem")), ("page", self.page(tls))];
        let mut ends: Vec<_> = ends_ms(&self.der).map(|ends_ms| ("ca", ends_ms)).into_iter().collect();
        for (name, path) in files {
            let der = read(&path).ok().and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
            ends.extend(der.and_then(|der| ends_ms(&der)).map(|ends_ms| (name, ends_ms)));
        }
        ends
    }

    fn page(&self, tls: &Tls) -> PathBuf {
        if tls.certificate.is_empty() { self.dir.join("page.pem") } else { PathBuf::from(&tls.certificate) }
    }

    fn server_pair(&self, file: &str) -> Result<CertifiedKey, String> {
        certified(&self.dir.join(format!("{file}.pem")), &self.dir.join(format!("{file}.key")))
    }

    /// For the broker: whoever connects must show a certificate that this authority issued. TLS 1.3 alone.
    pub fn broker_config(&self) -> Result<Arc<ServerConfig>, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(|e| e.to_string())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| e.to_string())?;
        let pair = Arc::new(self.server_pair("server")?);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| e.to_string())?;
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(Certificates { own: pair.clone(), given: pair }));
        // Sessions are not resumed: a certificate that was refused meanwhile must be shown again.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(Arc::new(config))
    }

    /// For API and page: the given certificate or the page's for the world, the boards' for those who ask for [`CENTER_NAME`]. TLS 1.3 alone.
    pub fn http_config(&self, tls: &Tls) -> Result<Arc<ServerConfig>, String> {
        let own = Arc::new(self.server_pair("server")?);
        let given = match (tls.certificate.as_str(), tls.key.as_str()) {
            ("", "") => Arc::new(self.server_pair("page")?),
            (certificate, key) if !certificate.is_empty() && !key.is_empty() => Arc::new(
                certified(Path::new(certificate), Path::new(key)).map_err(|e| format!("tls.certificate: {e}"))?,
            ),
            _ => return Err("tls.certificate and tls.key belong together: give both, or neither".into()),
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| e.to_string())?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Certificates { own, given }));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn ends_ms(der: &[u8]) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    certificate.validity().not_after.timestamp().checked_mul(1000)
}

/// The names that the server's certificate carries: this machine's, and those of the configuration.
pub fn server_names(tls: &Tls) -> Vec<String> {
    let mut names: Vec<String> = [CENTER_NAME, "localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(host_name());
    names.extend(tls.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// This machine's name, if it is one that others may use.
pub fn host_name() -> Option<String> {
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    is_name.then_some(host)
}

/// Which certificate a visitor is shown.
#[derive(Debug)]
struct Certificates {
    own: Arc<CertifiedKey>,
    given: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let own = hello.server_name() == Some(CENTER_NAME);
        Some(if own { self.own.clone() } else { self.given.clone() })
    }
}

/// How the center reaches an external broker: trusting the authority in `ca_pem` for the host's own name.
pub fn client_config(ca_pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| e.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Whom a certificate names, for the log.
pub fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.chars().take(64).collect())
}

fn make_authority(dir: &Path, site: &SiteId) -> Result<(), String> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| cannot_write(dir, &e))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, format!("loaxa {site}"));
    params.distinguished_name.push(DnType::CommonName, format!("loaxa {site} transport"));
    params.not_before = date_time_ymd(BEGINS.0, BEGINS.1, BEGINS.2);
    params.not_after = date_time_ymd(CA_ENDS.0, CA_ENDS.1, CA_ENDS.2);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(|e| e.to_string())?;
    let certificate = params.self_signed(&key).map_err(|e| e.to_string())?;
    // The certificate last: its presence says that the key is there.
    replace_secret(&dir.join("ca.key"), &key.serialize_pem())?;
    let path = dir.join("ca.pem");
    write_whole(&path, certificate.pem().as_bytes()).map_err(|e| cannot_write(&path, &e))
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let failed = |path: &Path, e: &dyn std::fmt::Display| format!("{} cannot be used: {e}", path.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(read(certificate)?.as_bytes()).collect();
    let chain = chain.map_err(|e| failed(certificate, &e))?;
    let der = PrivateKeyDer::from_pem_slice(read(key)?.as_bytes()).map_err(|e| failed(key, &e))?;
    CertifiedKey::from_der(chain, der, &provider()).map_err(|e| failed(certificate, &e))
}

fn name_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|ip| IpAddr::from(ip).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The end of a validity; certificates count in seconds.
fn day_of(ms: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(ms.div_euclid(1000))
        .unwrap_or(date_time_ymd(CA_ENDS.0, CA_ENDS.1, CA_ENDS.2))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// Writes a secret in place of an older one, whole.
fn replace_secret(path: &Path, text: &str) -> Result<(), String> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    write_secret(&fresh, text).and_then(|()| fs::rename(&fresh, path)).map_err(|e| cannot_write(path, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_certificate_is_made_again_when_it_must_be_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let site: SiteId = "mau".parse().unwrap();
        let authority = TransportAuthority::open(dir.path(), &site).unwrap();
        let names = |more: &[&str]| {
            server_names(&Tls { names: more.iter().map(|n| (*n).to_owned()).collect(), ..Tls::default() })
        };
        let file = || fs::read_to_string(dir.path().join("tls/server.pem")).unwrap();
        let now_ms = 1_790_000_000_000;
        authority.ensure_server(&names(&[]), now_ms).unwrap();
        let first = file();
        authority.ensure_server(&names(&[]), now_ms + 700 * DAY_MS).unwrap();
        assert_eq!(file(), first);
        authority.ensure_server(&names(&["loa.xa.vn", "10.0.0.7"]), now_ms).unwrap();
        let second = file();
        assert_ne!(second, first);
        authority.ensure_server(&names(&["loa.xa.vn", "10.0.0.7"]), now_ms + 780 * DAY_MS).unwrap();
        assert_ne!(file(), second);
        // For browsers: without the boards' name, not from long ago, and shorter than the shortest limit.
        let page = || {
            let pem = fs::read(dir.path().join("tls/page.pem")).unwrap();
            CertificateDer::from_pem_slice(&pem).unwrap()
        };
        let now_ms = now_ms + 800 * DAY_MS;
        authority.ensure_server(&names(&["loa.xa.vn"]), now_ms).unwrap();
        let shown = page();
        let (_, certificate) = X509Certificate::from_der(&shown).unwrap();
        let (from, until) =
            (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        assert_eq!((now_ms / 1000 - from, until - from), (86_400, 397 * 86_400));
        let alternatives = certificate.subject_alternative_name().unwrap().unwrap();
        let carried: Vec<_> = alternatives.value.general_names.iter().filter_map(name_text).collect();
        assert!(carried.contains(&"loa.xa.vn".to_owned()) && !carried.contains(&CENTER_NAME.to_owned()), "{carried:?}");
        authority.ensure_server(&names(&["loa.xa.vn"]), now_ms + 365 * DAY_MS).unwrap();
        assert_eq!(page(), shown);
        authority.ensure_server(&names(&["loa.xa.vn"]), now_ms + 367 * DAY_MS).unwrap();
        assert_ne!(page(), shown);
        // The authority stays what it was.
        let again = TransportAuthority::open(dir.path(), &site).unwrap();
        assert_eq!(again.pem(), authority.pem());
        assert!(authority.ensure_server(&["không phải tên".to_owned()], now_ms).unwrap_err().contains("tls.names"));
    }

    #[test]
    fn from_a_request_only_the_key_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let authority = TransportAuthority::open(dir.path(), &"mau".parse().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "b");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let csr = params.serialize_request(&key).unwrap();
        let issued = authority.issue(csr.der(), &"a".parse().unwrap(), 1_800_000_000_000).unwrap();
        let der = CertificateDer::from_pem_slice(issued.pem.as_bytes()).unwrap();
        assert_eq!(common_name(&der).unwrap(), "a");
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert!(!certificate.is_ca());
        assert!(certificate.subject_alternative_name().unwrap().is_none());
        assert_eq!(certificate.validity().not_after.timestamp(), 1_800_000_000);
        // A request that was tampered with proves nothing.
        let mut bytes = csr.der().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(authority.issue(&bytes, &"a".parse().unwrap(), 1_800_000_000_000).is_err());
    }
}
