//! The passwords by which some brokers know speakers: made here, kept only as hashes, in the form that Mosquitto reads.
//!
//! In that form the store alone gives an external broker's file at any time, whether a password was made today or last year. Passwords
//! are random and long, so the few rounds that Mosquitto's own tool takes are no weakness.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};

use super::datadir::random_text;

/// PBKDF2 with HMAC-SHA-512, in Mosquitto's numbering.
const MOSQUITTO: &str = "$7$";
/// What mosquitto_passwd takes; every version since 1.6 reads it.
const ROUNDS: u32 = 101;
/// Mosquitto 2.0 takes no other length.
const SALT_BYTES: usize = 12;
const HASH_BYTES: usize = 64;

/// A new password and what is kept of it.
pub fn make() -> Result<(String, String), String> {
    let password = random_text(18)?;
    let kept = hash(&password)?;
    Ok((password, kept))
}

/// What follows the name in Mosquitto's password file.
pub fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| "the system has no randomness".to_owned())?;
    let hash = STANDARD.encode(derived(password.as_bytes(), &salt, ROUNDS));
    Ok(format!("{MOSQUITTO}{ROUNDS}${}${hash}", STANDARD.encode(salt)))
}

/// Whether a broker can be given what is kept: what older versions kept can only be compared with.
pub fn is_portable(kept: &str) -> bool {
    kept.starts_with(MOSQUITTO)
}

/// Whether this is the password. Digests of secrets reveal nothing by when they begin to differ.
pub fn is_of(kept: &str, password: &[u8]) -> bool {
    let Some(rest) = kept.strip_prefix(MOSQUITTO) else {
        return kept == hex::encode(Sha256::digest(password));
    };
    let mut parts = rest.split('$');
    let (Some(rounds), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(rounds), Ok(salt)) = (rounds.parse::<u32>(), STANDARD.decode(salt)) else { return false };
    // Nobody but us writes these rows; a row that asks for an hour of work is still not obeyed.
    (1..=1_000_000).contains(&rounds) && STANDARD.encode(derived(password, &salt, rounds)) == hash
}

fn derived(password: &[u8], salt: &[u8], rounds: u32) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut hash);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mosquitto_passwd_writes_is_read_and_what_is_made_is_of_the_same_form() {
        // mosquitto_passwd 2.0.11 of the password "secret".
        let theirs = "$7$101$Wg4FGL3Jth0iGyFi$iTPj5ElIsXI08/S1fMDANR5gjPVRcufKe3sD8W8N9+8X5XboGKCE028j9WVOAyP0ajnhaL37zJXDtqD1j3b3Nw==";
        assert!(is_of(theirs, b"secret") && !is_of(theirs, b"Secret"));
        let (password, ours) = make().unwrap();
        assert!(is_of(&ours, password.as_bytes()) && !is_of(&ours, b"") && ours != hash(&password).unwrap());
        assert_eq!((ours.len(), is_portable(&ours)), (theirs.len(), true));
    }

    #[test]
    fn what_older_centers_kept_still_counts_and_rubbish_never_does() {
        let old = hex::encode(Sha256::digest(b"secret"));
        assert!(is_of(&old, b"secret") && !is_of(&old, b"x") && !is_portable(&old));
        for rubbish in
            ["", "$7$", "$7$0$AAAA$", "$7$101$AAAA", "$7$101$?$AAAA", "$7$9999999999$AAAA$AAAA", "$7$1$AAAA$AAAA$"]
        {
            assert!(!is_of(rubbish, b"") && !is_of(rubbish, b"secret"), "{rubbish}");
        }
    }
}
