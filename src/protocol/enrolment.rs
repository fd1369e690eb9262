//! Enrolment: how a board and a center that never met authenticate each other by a one-time code, whatever carries their words.
//! Owns the code's form, the messages and what is authenticated in them; sends nothing, keeps nothing, makes no keys.
//!
//! A code is 80 random bits and 80 bits of SHA-256 over what the board is to pin. The first half, which both sides know and nobody
//! else, authenticates the request and the answer (HMAC-SHA256, RFC 2104); the second lets the board tell a center that merely
//! learnt the first half from the one that printed the code. So the connection underneath need not be trusted at all.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::limits::ENROLMENT_BYTES;
use crate::domain::approval::{PublicKey, key_text};
use crate::domain::ids::{AreaCode, SiteId, SpeakerId};

/// The name that a center's own certificate carries beside those of its host: boards check this one, so that a center which
/// moves to another address stays the same center.
pub const CENTER_NAME: &str = "center.loaxa.internal";
/// How long a code is good unless said otherwise.
pub const CODE_DAYS: u32 = 7;

const HALF: usize = 10;
/// Crockford's base32: no I, L, O, U, so that a code survives the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnrolmentError {
    #[error(
        "this is not an enrolment code: it has 8 groups of 4 letters and digits, such as 7K3M-...; read {0} characters"
    )]
    NotACode(usize),
    #[error("{0:?} does not occur in an enrolment code; check that character")]
    WrongCharacter(char),
    #[error("the answer does not come from the center that made this code; nothing was taken")]
    NotAuthentic,
    #[error(
        "the center that answered is not the one that made this code (other authority or other certificate authority); nothing was taken"
    )]
    OtherCenter,
    #[error("the center's answer cannot be read: {0}")]
    Unreadable(String),
}

/// What an operator reads to the person at the pole.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    secret: [u8; HALF],
    fingerprint: [u8; HALF],
}

/// What the center keeps of a code: enough to know its bearer, not enough to print it again.
#[derive(Clone, PartialEq, Eq)]
pub struct MacKey([u8; 32]);

impl Code {
    /// A code from fresh randomness, for whoever may pin these.
    pub fn new(secret: [u8; HALF], site: &SiteId, authority: &PublicKey, ca_der: &[u8]) -> Self {
        Self { secret, fingerprint: fingerprint(site, authority, ca_der) }
    }

    /// Under which the center finds it; says nothing about the secret.
    pub fn lookup(&self) -> String {
        hex::encode(&digest(&[b"loaxa enrolment lookup v1", &self.secret])[..16])
    }

    pub fn mac_key(&self) -> MacKey {
        MacKey(digest(&[b"loaxa enrolment mac v1", &self.secret]))
    }
}

impl MacKey {
    /// A key that no code has, to spend as much time on a stranger as on others.
    pub fn of_nobody() -> Self {
        Self([0; 32])
    }

    pub fn to_text(&self) -> String {
        hex::encode(self.0)
    }

    pub fn from_text(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    fn sign(&self, parts: &[&[u8]]) -> String {
        hex::encode(self.mac(parts).finalize().into_bytes())
    }

    fn holds(&self, parts: &[&[u8]], told: &str) -> bool {
        hex::decode(told).is_ok_and(|told| self.mac(parts).verify_slice(&told).is_ok())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.lookup())
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut bits, mut held, mut written) = (0u32, 0, 0);
        for byte in self.secret.iter().chain(&self.fingerprint) {
            (bits, held) = ((bits << 8) | u32::from(*byte), held + 8);
            while held >= 5 {
                held -= 5;
                if written > 0 && written % 4 == 0 {
                    f.write_str("-")?;
                }
                write!(f, "{}", char::from(ALPHABET[(bits >> held) as usize & 31]))?;
                written += 1;
            }
        }
        Ok(())
    }
}

impl FromStr for Code {
    type Err = EnrolmentError;

    /// Reads what a person typed: either case, with or without dashes and spaces, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, EnrolmentError> {
        let typed: Vec<char> =
            text.chars().filter(|c| !matches!(c, '-' | '–' | '_' | '.') && !c.is_whitespace()).collect();
        if typed.len() != HALF * 2 * 8 / 5 {
            return Err(EnrolmentError::NotACode(typed.len()));
        }
        let (mut bits, mut held, mut bytes) = (0u32, 0, vec![]);
        for typed in typed {
            let meant = match typed.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET.iter().position(|letter| char::from(*letter) == meant);
            (bits, held) = ((bits << 5) | value.ok_or(EnrolmentError::WrongCharacter(typed))? as u32, held + 5);
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
        }
        let half = |part: &[u8]| part.try_into().map_err(|_| EnrolmentError::NotACode(bytes.len()));
        Ok(Self { secret: half(&bytes[..HALF])?, fingerprint: half(&bytes[HALF..])? })
    }
}

/// The authority's key as people compare it, by eye or over the telephone: 16 bytes of its SHA-256 in groups.
pub fn authority_fingerprint(authority: &PublicKey) -> String {
    let digits = hex::encode(&Sha256::digest(authority.0)[..16]);
    let groups = digits.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

/// What a code commits to: the site, the authority that alone can make a speaker talk, and the authority of the transport.
fn fingerprint(site: &SiteId, authority: &PublicKey, ca_der: &[u8]) -> [u8; HALF] {
    let whole = digest(&[b"loaxa enrolment v1", site.as_str().as_bytes(), &authority.0, ca_der]);
    let mut short = [0; HALF];
    short.copy_from_slice(&whole[..HALF]);
    short
}

/// SHA-256 over parts, each with its length in 8 bytes before it.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// What a board asks with. The certificate request (PKCS #10, DER) proves that it has the key; its name in there is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Request {
    pub lookup: String,
    /// 16 random bytes in hex, so that an old answer is not taken for a new one.
    pub nonce: String,
    /// Base64.
    pub csr: String,
    /// HMAC-SHA256 in hex.
    pub mac: String,
}

impl Request {
    pub fn new(code: &Code, nonce: [u8; 16], csr_der: &[u8]) -> Self {
        let (lookup, nonce, csr) = (code.lookup(), hex::encode(nonce), STANDARD.encode(csr_der));
        let mac = code.mac_key().sign(&Self::parts(&lookup, &nonce, &csr));
        Self { lookup, nonce, csr, mac }
    }

    fn parts<'a>(lookup: &'a str, nonce: &'a str, csr: &'a str) -> [&'a [u8]; 4] {
        [b"loaxa enrolment request v1", lookup.as_bytes(), nonce.as_bytes(), csr.as_bytes()]
    }

    /// Whether it was made by someone who has the code.
    pub fn is_authentic(&self, key: &MacKey) -> bool {
        key.holds(&Self::parts(&self.lookup, &self.nonce, &self.csr), &self.mac)
    }

    /// What tells the same request again from another one with the same code.
    pub fn digest(&self) -> String {
        hex::encode(digest(&Self::parts(&self.lookup, &self.nonce, &self.csr)))
    }

    pub fn csr_der(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.csr).ok()
    }
}

/// What a speaker pins for good. A field that an older board does not know is ignored by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    pub site: SiteId,
    pub speaker: SpeakerId,
    /// From the widest unit down to its own.
    pub areas: Vec<AreaCode>,
    #[serde(with = "key_text")]
    pub authority: PublicKey,
    /// The versions of the areas' lawful hours now; older ones will not be taken.
    #[serde(default)]
    pub hours: BTreeMap<AreaCode, u64>,
    /// The version of the authority's trust list now, likewise.
    #[serde(default)]
    pub trust: u64,
}

/// What a board is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    #[serde(flatten)]
    pub pinned: Pinned,
    /// The transport's certificate authority, PEM.
    pub ca: String,
    /// The board's own certificate, PEM.
    pub certificate: String,
    pub made_ms: i64,
    pub valid_until_ms: i64,
    /// Where the broker and the center are; a URL without a host means: where you found me.
    pub mqtt: String,
    pub http: String,
}

/// An answer as it travels: bytes as they were authenticated, together with the nonce of the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct SealedAnswer {
    /// The answer's JSON in base64.
    pub payload: String,
    pub mac: String,
}

impl SealedAnswer {
    pub fn new(key: &MacKey, nonce: &str, answer: &Answer) -> Self {
        let payload = STANDARD.encode(serde_json::to_vec(answer).unwrap_or_default());
        let mac = key.sign(&Self::parts(nonce, &payload));
        Self { payload, mac }
    }

    fn parts<'a>(nonce: &'a str, payload: &'a str) -> [&'a [u8]; 3] {
        [b"loaxa enrolment answer v1", nonce.as_bytes(), payload.as_bytes()]
    }

    /// What it says, if it answers this request and comes from the center that made the code.
    pub fn open(&self, code: &Code, request: &Request) -> Result<Answer, EnrolmentError> {
        if self.payload.len() > ENROLMENT_BYTES
            || !code.mac_key().holds(&Self::parts(&request.nonce, &self.payload), &self.mac)
        {
            return Err(EnrolmentError::NotAuthentic);
        }
        let unreadable = |e: &dyn fmt::Display| EnrolmentError::Unreadable(e.to_string());
        let bytes = STANDARD.decode(&self.payload).map_err(|e| unreadable(&e))?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| unreadable(&e))?;
        let ca = CertificateDer::from_pem_slice(answer.ca.as_bytes()).map_err(|e| unreadable(&e))?;
        if fingerprint(&answer.pinned.site, &answer.pinned.authority, &ca) != code.fingerprint {
            return Err(EnrolmentError::OtherCenter);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> SiteId {
        "mau".parse().unwrap()
    }

    fn ca_pem(byte: u8) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode([byte; 40]))
    }

    fn answer(ca: u8) -> Answer {
        Answer {
            pinned: Pinned {
                site: site(),
                speaker: "a".parse().unwrap(),
                areas: vec!["66".parse().unwrap()],
                authority: PublicKey([1; 32]),
                hours: BTreeMap::from([("66".parse().unwrap(), 3)]),
                trust: 5,
            },
            ca: ca_pem(ca),
            certificate: "PEM".into(),
            made_ms: 1,
            valid_until_ms: 2,
            mqtt: "mqtts://h:1".into(),
            http: "https://h:2".into(),
        }
    }

    fn code() -> Code {
        Code::new([0xA7; HALF], &site(), &PublicKey([1; 32]), &[9; 40])
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = code();
        let text = code.to_string();
        assert_eq!(text.len(), 39);
        assert_eq!(text.split('-').count(), 8);
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [text.clone(), text.replace('-', ""), sloppy, format!("  {text}\n")] {
            assert_eq!(typed.parse::<Code>(), Ok(code.clone()), "{typed:?}");
        }
        assert_eq!("7K3M".parse::<Code>(), Err(EnrolmentError::NotACode(4)));
        assert_eq!(text.replacen(&text[..1], "U", 1).parse::<Code>(), Err(EnrolmentError::WrongCharacter('U')));
        assert_ne!(code.lookup(), Code::new([0xA8; HALF], &site(), &PublicKey([1; 32]), &[9; 40]).lookup());
        assert!(!format!("{code:?} {:?}", code.mac_key()).contains(&text[..9]));
    }

    #[test]
    fn every_code_reads_back() {
        for seed in 0..=255u8 {
            let secret: [u8; HALF] = std::array::from_fn(|i| seed.wrapping_mul(31).wrapping_add(i as u8 * 7));
            let code = Code::new(secret, &site(), &PublicKey([seed; 32]), &[seed]);
            assert_eq!(code.to_string().parse::<Code>(), Ok(code));
        }
    }

    #[test]
    fn only_the_bearer_of_the_code_asks_and_only_its_center_answers() {
        let code = code();
        let request = Request::new(&code, [5; 16], b"csr");
        let key = MacKey::from_text(&code.mac_key().to_text()).unwrap();
        assert!(request.is_authentic(&key));
        for forged in [
            Request { csr: STANDARD.encode(b"other"), ..request.clone() },
            Request { nonce: hex::encode([6; 16]), ..request.clone() },
            Request { mac: String::new(), ..request.clone() },
        ] {
            assert!(!forged.is_authentic(&key), "{forged:?}");
        }
        let sealed = SealedAnswer::new(&key, &request.nonce, &answer(9));
        assert_eq!(sealed.open(&code, &request), Ok(answer(9)));
        // Another question's answer, a tampered one, a stranger's, and one from a center with the secret but other keys.
        let other = Request::new(&code, [6; 16], b"csr");
        assert_eq!(sealed.open(&code, &other), Err(EnrolmentError::NotAuthentic));
        let tampered = SealedAnswer { payload: sealed.payload.replacen('e', "f", 1), ..sealed.clone() };
        assert_eq!(tampered.open(&code, &request), Err(EnrolmentError::NotAuthentic));
        let stranger = SealedAnswer::new(&MacKey([0; 32]), &request.nonce, &answer(9));
        assert_eq!(stranger.open(&code, &request), Err(EnrolmentError::NotAuthentic));
        let lying = SealedAnswer::new(&key, &request.nonce, &answer(8));
        assert_eq!(lying.open(&code, &request), Err(EnrolmentError::OtherCenter));
        let mut other_authority = answer(9);
        other_authority.pinned.authority = PublicKey([2; 32]);
        let lying = SealedAnswer::new(&key, &request.nonce, &other_authority);
        assert_eq!(lying.open(&code, &request), Err(EnrolmentError::OtherCenter));
    }
}
