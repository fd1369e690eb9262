//! Passwords: which ones are taken, and how they are kept. They are hashed a few at a time, so that a flood of sign-ins eats no memory.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

pub const MIN_CHARS: usize = 12;
pub const MAX_CHARS: usize = 128;

/// Hashes at once; each takes 19 MiB (OWASP: Argon2id, 19 MiB, 2 passes, 1 lane; the crate's default).
const AT_ONCE: usize = 2;
/// Who has waited this long for a turn is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// What people choose first, and the words of this trade, in lower case. What is left of a password without them must still be one.
const COMMON: [&str; 40] = [
    "password",
    "matkhau",
    "mậtkhẩu",
    "qwerty",
    "azerty",
    "asdfgh",
    "zxcvbn",
    "iloveyou",
    "welcome",
    "letmein",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "superman",
    "master",
    "admin",
    "administrator",
    "root",
    "login",
    "abc",
    "aaaaaa",
    "111111",
    "000000",
    "666666",
    "888888",
    "123456789",
    "0123456789",
    "987654321",
    "123456",
    "123123",
    "12345",
    "1234",
    "vietnam",
    "hanoi",
    "saigon",
    "loaxa",
    "truyenthanh",
];
/// Characters that must be left of a password without the words above and the names of account and site.
const LEFT: usize = 6;

/// The same letters typed by different keyboards (Unicode composed or not) are the same password.
fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfkc().collect())
}

/// Whether this may be a password for somebody with these names. Length counts, composition does not.
pub fn check(password: &str, names: &[&str]) -> Result<(), String> {
    let password = normal(password);
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        return Err(format!("the password is too short: it needs at least {MIN_CHARS} characters; a sentence is fine"));
    }
    if chars > MAX_CHARS {
        return Err(format!("the password is longer than {MAX_CHARS} characters"));
    }
    let mut words: Vec<String> = names.iter().map(|name| normal(name).to_lowercase()).collect();
    words.extend(COMMON.iter().map(|word| (*word).to_owned()));
    words.retain(|word| word.chars().count() >= 2);
    // The longest first, so that none is broken by a shorter one inside it.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut left = Zeroizing::new(password.to_lowercase());
    for word in &words {
        left = Zeroizing::new(left.replace(word.as_str(), ""));
    }
    if left.chars().filter(|c| c.is_alphanumeric()).count() < LEFT {
        return Err(
            "the password is one of the first that anybody would try (a name, a common word, digits in a row); \
                    take a few words that do not belong together"
                .into(),
        );
    }
    Ok(())
}

/// Hashes and compares.
#[derive(Debug)]
pub struct Hasher {
    turns: std::sync::Arc<Semaphore>,
}

/// Compared with where there is no account, so that its absence takes as long: at the cost of a real one, of no password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bG9heGEtbG9heGEtbG9heA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Default for Hasher {
    fn default() -> Self {
        Self { turns: std::sync::Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// All turns are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Hasher {
    pub async fn hash(&self, password: &str) -> Result<String, String> {
        let password = normal(password);
        self.work(move || hash(&password)).await.map_err(|Busy| "too many sign-ins at once; try again".to_owned())?
    }

    /// Whether `password` is the one that was hashed; without a hash it takes as long, and is not.
    pub async fn verify(&self, password: &str, known: Option<&str>) -> Result<bool, Busy> {
        // What nobody can have chosen is not worth the work.
        let password = normal(&password.chars().take(4 * MAX_CHARS).collect::<String>());
        let against = known.unwrap_or(NOBODY).to_owned();
        let same = self.work(move || verify(&password, &against)).await?;
        Ok(same && known.is_some())
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Busy) };
        // The turn goes along: a request that is given up does not free it while its work goes on.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|_| Busy)
    }
}

fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| "the system has no randomness".to_owned())?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash: PasswordHash| hash.to_string()).map_err(|e| e.to_string())
}

fn verify(password: &str, known: &str) -> bool {
    PasswordHash::new(known).is_ok_and(|known| Argon2::default().verify_password(password.as_bytes(), &known).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_and_what_everybody_tries_is_refused() {
        let names = ["lan.nguyen", "mau", "Trung tâm mẫu"];
        for good in [
            "con mèo trèo cây cau",
            "xe đạp tím bay",
            "aB3$aB3$xY9!",
            "            a b c d e f g",
            "đi chợ đường xa 12",
        ] {
            assert_eq!(check(good, &names), Ok(()), "{good:?}");
        }
        for bad in [
            "",
            "ngắn quá",
            "mười một kt",
            "123456789012",
            "1234567890123456",
            "password1234",
            "Password12345!",
            "qwertyqwerty12",
            "matkhau12345",
            "lan.nguyen123",
            "lan.nguyenlan.nguyen",
            "Trung tâm mẫu 12",
            "loaxaloaxa2026",
            "aaaaaaaaaaaaaa",
            "admin@123456",
            "Vietnam@12345",
            "!!!!!!!!!!!!!!",
            &"dài ".repeat(40),
        ] {
            assert!(check(bad, &names).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_hash_is_argon2id_at_owasps_cost_and_fits_one_password_however_it_was_typed() {
        let composed = "mật khẩu dài";
        let known = hash(&normal(composed)).unwrap();
        assert!(known.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{known}");
        let decomposed: String = composed.nfd().collect();
        assert_ne!(decomposed, composed);
        assert!(verify(&normal(&decomposed), &known));
        assert!(!verify("mật khẩu dai", &known) && !verify("", &known) && !verify("x", "no hash"));
        assert_ne!(hash(composed).unwrap(), known, "each with a salt of its own");
    }

    #[tokio::test]
    async fn nobodys_password_is_nobodys() {
        let hasher = Hasher::default();
        assert_eq!(hasher.verify("", None).await, Ok(false));
        let known = hasher.hash("một câu khá dài").await.unwrap();
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert!(PasswordHash::new(NOBODY).is_ok() && cost(NOBODY) == cost(&known), "nobody's takes as long");
        assert_eq!(hasher.verify("một câu khá dài", Some(&known)).await, Ok(true));
        assert_eq!(hasher.verify("một câu khá ngắn", Some(&known)).await, Ok(false));
    }
}
