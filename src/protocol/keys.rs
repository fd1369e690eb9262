//! Ed25519 keys, and how a private one is sealed under its owner's passphrase.
//!
//! Sealing: Argon2id (RFC 9106) derives a key that AES-256-GCM seals the 32-byte seed with; both exist in browsers, so the console
//! can open the same file. The memory-hard cost is OWASP's recommendation with room to spare.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::domain::approval::{PublicKey, key_text};
use crate::domain::ids::{KeyId, MediaHash};

/// A private key. It does not print itself and is wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", key_id(&self.public()))
    }
}

impl SigningKey {
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self::from_seed(&seed))
    }

    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// Strict verification: malleable signatures and weak keys are refused.
pub fn verify(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&key.0) else { return false };
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
    key.verify_strict(bytes, &signature).is_ok()
}

/// The fingerprint of a key: the first 16 bytes of its SHA-256 in hex.
pub fn key_id(key: &PublicKey) -> KeyId {
    let digest = Sha256::digest(key.0);
    #[expect(clippy::expect_used, reason = "hex digits are always a valid id")]
    hex::encode(&digest[..16]).parse().expect("hex is a valid key id")
}

pub fn media_hash(bytes: &[u8]) -> MediaHash {
    MediaHash(Sha256::digest(bytes).into())
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error("the passphrase is wrong, or the key file was changed")]
    WrongPassphrase,
    #[error("a passphrase needs at least {MIN_PASSPHRASE_CHARS} characters")]
    ShortPassphrase,
    #[error("this is not a sealed key file: {0}")]
    NotAKey(String),
    #[error("the system has no randomness to make a key from")]
    NoRandomness,
}

pub const MIN_PASSPHRASE_CHARS: usize = 8;

/// A private key under a passphrase, as it is kept in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKey {
    /// Always `loaxa-sealed-key-v1`.
    pub format: String,
    /// Whose key it is, for people.
    pub title: String,
    #[serde(with = "key_text")]
    pub public_key: PublicKey,
    /// Argon2id cost: memory in KiB and passes over it; one lane.
    pub memory_kib: u32,
    pub passes: u32,
    pub salt: String,
    pub nonce: String,
    pub sealed: String,
}

const FORMAT: &str = "loaxa-sealed-key-v1";
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

impl SealedKey {
    pub fn seal(key: &SigningKey, title: &str, passphrase: &str) -> Result<Self, KeyError> {
        if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(KeyError::ShortPassphrase);
        }
        let mut salt = [0; 16];
        let mut nonce = [0; 12];
        getrandom::fill(&mut salt).map_err(|_| KeyError::NoRandomness)?;
        getrandom::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        let public_key = key.public();
        let cipher = cipher(passphrase, &salt, MEMORY_KIB, PASSES)?;
        let seed = key.seed();
        let sealed = cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: &seed[..], aad: &public_key.0 })
            .map_err(|_| KeyError::NotAKey("it cannot be sealed".into()))?;
        Ok(Self {
            format: FORMAT.into(),
            title: title.into(),
            public_key,
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            salt: STANDARD.encode(salt),
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(sealed),
        })
    }

    pub fn open(&self, passphrase: &str) -> Result<SigningKey, KeyError> {
        let not_a_key = |what: &str| KeyError::NotAKey(what.to_owned());
        if self.format != FORMAT {
            return Err(not_a_key("unknown format"));
        }
        // A hostile file may not make us spend a machine's memory or an hour.
        if self.memory_kib > 1024 * 1024 || self.passes > 16 {
            return Err(not_a_key("its cost is out of range"));
        }
        let salt = STANDARD.decode(&self.salt).map_err(|_| not_a_key("salt"))?;
        let nonce: [u8; 12] =
            STANDARD.decode(&self.nonce).ok().and_then(|n| n.try_into().ok()).ok_or_else(|| not_a_key("nonce"))?;
        let sealed = STANDARD.decode(&self.sealed).map_err(|_| not_a_key("sealed"))?;
        let cipher = cipher(passphrase, &salt, self.memory_kib, self.passes)?;
        let seed = cipher
            .decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: &self.public_key.0 })
            .map(Zeroizing::new)
            .map_err(|_| KeyError::WrongPassphrase)?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.as_slice().try_into().map_err(|_| not_a_key("length"))?);
        let key = SigningKey::from_seed(&seed);
        if key.public() == self.public_key { Ok(key) } else { Err(not_a_key("public half")) }
    }
}

fn cipher(passphrase: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<Aes256Gcm, KeyError> {
    let params = Params::new(memory_kib, passes, 1, Some(32)).map_err(|e| KeyError::NotAKey(e.to_string()))?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(|e| KeyError::NotAKey(e.to_string()))?;
    Aes256Gcm::new_from_slice(&*key).map_err(|e| KeyError::NotAKey(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let key = SigningKey::from_seed(&[3; 32]);
        let sealed = SealedKey::seal(&key, "Nguyễn Thị Duyệt", "tám chữ cái").unwrap();
        assert_eq!(sealed.open("tám chữ cái").unwrap().public(), key.public());
        assert_eq!(sealed.open("tám chữ cai").unwrap_err(), KeyError::WrongPassphrase);
        let swapped = SealedKey { public_key: SigningKey::from_seed(&[4; 32]).public(), ..sealed.clone() };
        assert_eq!(swapped.open("tám chữ cái").unwrap_err(), KeyError::WrongPassphrase);
        let costly = SealedKey { memory_kib: u32::MAX, ..sealed };
        assert!(matches!(costly.open("tám chữ cái"), Err(KeyError::NotAKey(_))));
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        let key = SigningKey::from_seed(&[3; 32]);
        assert_eq!(SealedKey::seal(&key, "x", "ngắn").unwrap_err(), KeyError::ShortPassphrase);
    }
}
