//! The second factor: codes by time (RFC 6238: SHA-1, 6 digits, 30 s, as every authenticator app speaks it) and recovery codes.
//!
//! The secret rests sealed under a key of its own file, so that a copy of the database alone makes no codes.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Secret, Totp};
use zeroize::Zeroizing;

pub const RECOVERY_CODES: usize = 10;
/// Without what is easily misread: no 0, 1, i, l, o, u.
const LETTERS: &[u8; 30] = b"23456789abcdefghjkmnpqrstvwxyz";

/// What seals the secrets, from the data directory.
pub struct SealingKey(Aes256Gcm);

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey")
    }
}

impl SealingKey {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Sealed for one account: another's row cannot hold it.
    fn seal(&self, account: &str, secret: &[u8]) -> Result<String, String> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(|_| "the system has no randomness".to_owned())?;
        let payload = Payload { msg: secret, aad: account.as_bytes() };
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).map_err(|_| "it cannot be sealed".to_owned())?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    fn open(&self, account: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(12)?;
        let nonce: [u8; 12] = nonce.try_into().ok()?;
        let payload = Payload { msg: sealed, aad: account.as_bytes() };
        self.0.decrypt(&Nonce::from(nonce), payload).ok().map(Zeroizing::new)
    }
}

/// A new secret: as it is kept, and as it is told to its owner.
pub struct Proposal {
    pub sealed: String,
    /// Base32, to be typed.
    pub secret: String,
    /// `otpauth://`, to be photographed.
    pub uri: String,
}

pub fn propose(key: &SealingKey, account: &str, issuer: &str) -> Result<Proposal, String> {
    let mut secret = Zeroizing::new([0; 20]);
    getrandom::fill(&mut *secret).map_err(|_| "the system has no randomness".to_owned())?;
    let shown = Secret::from(*secret).to_base32();
    let issuer = escaped(issuer);
    let uri = format!("otpauth://totp/{issuer}:{account}?secret={shown}&issuer={issuer}");
    Ok(Proposal { sealed: key.seal(account, &*secret)?, secret: shown, uri })
}

/// The step that `code` is the code of, if it is one of now, of the half minute before or of the one after.
pub fn step(key: &SealingKey, account: &str, sealed: &str, code: &str, now_ms: i64) -> Option<u64> {
    let secret = key.open(account, sealed)?;
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    generator(&secret)?.check(&code, u64::try_from(now_ms / 1000).ok()?)
}

fn generator(secret: &[u8]) -> Option<Totp> {
    Builder::new().with_secret(secret).build().ok()
}

/// New recovery codes, to be shown once, and what is kept of them.
pub fn recovery_codes() -> Result<(Vec<String>, Vec<String>), String> {
    let mut codes = vec![];
    while codes.len() < RECOVERY_CODES {
        let mut code = String::new();
        while code.len() < 16 {
            let mut byte = [0];
            getrandom::fill(&mut byte).map_err(|_| "the system has no randomness".to_owned())?;
            // 240 = 8 x 30: what is above would make some letters likelier.
            if byte[0] < 240 {
                code.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
            }
        }
        codes.push(format!("{}-{}-{}-{}", &code[..4], &code[4..8], &code[8..12], &code[12..]));
    }
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    Ok((codes, hashes))
}

/// What is kept of a recovery code. It holds 78 bits of chance, so a plain hash is enough.
pub fn recovery_hash(code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex::encode(Sha256::digest(code.to_ascii_lowercase().as_bytes()))
}

fn escaped(text: &str) -> String {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|b| if safe(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("lan", b"12345678901234567890").unwrap();
        // Appendix B, SHA-1, cut to six digits.
        let cases = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ];
        for (at_s, code) in cases {
            let step = |code: &str, at_s: i64| step(&key, "lan", &sealed, code, at_s * 1000);
            assert_eq!(step(code, at_s), Some(at_s as u64 / 30), "{at_s}");
            assert_eq!(step(&format!(" {} {} ", &code[..3], &code[3..]), at_s), Some(at_s as u64 / 30));
            assert_eq!(step(code, at_s + 30), Some(at_s as u64 / 30), "half a minute late is the same step");
            assert_eq!(step(code, at_s + 90), None, "too late");
            assert_eq!(step(code, at_s - 61), None, "too early");
        }
        for bad in ["", "28708", "2870820", "abcdef", "287083"] {
            assert_eq!(step(&key, "lan", &sealed, bad, 59_000), None, "{bad:?}");
        }
    }

    #[test]
    fn a_sealed_secret_is_one_accounts_under_one_key() {
        let key = SealingKey::new(&[7; 32]);
        let Proposal { sealed, secret, uri } = propose(&key, "lan", "Trung tâm mẫu").unwrap();
        assert_eq!(secret.len(), 32);
        assert_eq!(
            uri,
            format!(
                "otpauth://totp/Trung%20t%C3%A2m%20m%E1%BA%ABu:lan?secret={secret}&issuer=Trung%20t%C3%A2m%20m%E1%BA%ABu"
            )
        );
        assert_eq!(key.open("lan", &sealed).unwrap().len(), 20);
        assert!(key.open("minh", &sealed).is_none() && SealingKey::new(&[8; 32]).open("lan", &sealed).is_none());
        assert!(key.open("lan", "").is_none() && key.open("lan", "AAAA").is_none());
    }

    #[test]
    fn recovery_codes_read_back_however_they_are_typed() {
        let (codes, hashes) = recovery_codes().unwrap();
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        assert_eq!(recovery_hash(&codes[3].to_uppercase().replace('-', " ")), hashes[3]);
        let mut once = codes.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), RECOVERY_CODES);
    }
}
