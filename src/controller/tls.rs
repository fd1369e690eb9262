//! How a board connects: TLS 1.3 alone, to the center whose authority it pinned, showing its own certificate.
//!
//! A board checks who the center is, not where it is or what time it is: its certificate must come from the pinned authority and carry
//! the name that only centers get. So a center may move, and a board whose clock was lost still comes on line, from where it
//! gets the time.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::identity::Credentials;
use super::os;
use crate::protocol::enrolment::CENTER_NAME;

/// ring, named explicitly.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// For an enrolled board.
pub fn enrolled(ca_pem: &[u8], credentials: &Credentials) -> Result<Arc<ClientConfig>, String> {
    let verifier = PinnedCenter {
        inner: WebPkiServerVerifier::builder_with_provider(roots(ca_pem)?, provider())
            .build()
            .map_err(|e| e.to_string())?,
        name: ServerName::try_from(CENTER_NAME).map_err(|e| e.to_string())?,
        known_ms: credentials.made_ms,
    };
    let config = builder()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(credentials.chain.clone(), credentials.key()?);
    let mut config = config.map_err(|e| e.to_string())?;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// For a board that has a password: the broker's certificate must be for its host, from the authority given.
pub fn with_password(ca_pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    Ok(Arc::new(builder()?.with_root_certificates(roots(ca_pem)?).with_no_client_auth()))
}

/// For enrolment, where a code authenticates both sides: whoever is there, but nobody else, can read.
pub fn unverified() -> Result<Arc<ClientConfig>, String> {
    let verifier = Anybody { algorithms: provider().signature_verification_algorithms };
    let config = builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Whether a certificate comes from the pinned authority and is for connections of boards.
pub fn is_from(ca_pem: &[u8], credentials: &Credentials) -> Result<(), String> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, provider()).build().map_err(|e| e.to_string())?;
    let (end, rest) = credentials.chain.split_first().ok_or("there is no certificate")?;
    let made = UnixTime::since_unix_epoch(Duration::from_millis(credentials.made_ms.max(0).unsigned_abs()));
    verifier.verify_client_cert(end, rest, made).map(|_| ()).map_err(|e| e.to_string())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| e.to_string())
}

fn roots(ca_pem: &[u8]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("there is no certificate authority in it".into()) } else { Ok(Arc::new(roots)) }
}

/// Accepts whoever has the key of the certificate that is shown.
#[derive(Debug)]
struct Anybody {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".into())
}

/// Accepts the center whose authority is pinned, wherever it is.
#[derive(Debug)]
struct PinnedCenter {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
    /// When the center issued this board's certificate: what it shows has been valid then, or is newer.
    known_ms: i64,
}

impl ServerCertVerifier for PinnedCenter {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let known = UnixTime::since_unix_epoch(Duration::from_millis(self.known_ms.max(0).unsigned_abs()));
        let now = if os::system_clock_error_ns().is_some() { now } else { known };
        self.inner.verify_server_cert(end_entity, intermediates, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
