//! Sealed key files: with anything changed they do not open, and none may cost more than a person's machine has. The input's fields are
//! laid over a good file whose cost is small.
#![no_main]

use std::sync::LazyLock;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::protocol::keys::{KeyError, SealedKey};
use loaxa_fuzz::{fill_in, json, key};
use serde_json::Value;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { json::mutate(data, size, max_size, seed) });

const PASSPHRASE: &str = "tám chữ cái";

static GOOD: LazyLock<SealedKey> = LazyLock::new(|| {
    let params = Params::new(16, 1, 1, Some(32)).expect("a small cost");
    let mut derived = [0; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(PASSPHRASE.as_bytes(), &[7; 16], &mut derived).expect("a key is derived");
    let key = key("approver");
    let cipher = Aes256Gcm::new(&derived.into());
    let payload = Payload { msg: &key.seed()[..], aad: &key.public().0 };
    SealedKey {
        format: "loaxa-sealed-key-v1".into(),
        title: "Người duyệt".into(),
        public_key: key.public(),
        memory_kib: 16,
        passes: 1,
        salt: STANDARD.encode([7; 16]),
        nonce: STANDARD.encode([9; 12]),
        sealed: STANDARD.encode(cipher.encrypt(&Nonce::from([9; 12]), payload).expect("it is sealed")),
    }
});

fuzz_target!(|data: &[u8]| {
    let Ok(Value::Object(mut changes)) = serde_json::from_slice::<Value>(data) else { return };
    changes.values_mut().for_each(fill_in);
    let mut value = serde_json::json!(*GOOD);
    let Some(fields) = value.as_object_mut() else { return };
    fields.extend(changes);
    let Ok(file) = serde_json::from_value::<SealedKey>(value) else { return };
    let too_dear = file.memory_kib > 1024 * 1024 || file.passes > 16;
    // What is dear and allowed is left out: it is slow, and nothing else.
    if !too_dear && (file.memory_kib > 256 || file.passes > 3) {
        return;
    }
    let opened = file.open(PASSPHRASE);
    let same = SealedKey { title: GOOD.title.clone(), ..file.clone() } == *GOOD;
    match opened {
        Ok(key) => assert!(same && key.public() == GOOD.public_key, "a file that was changed opened"),
        Err(error) => assert!(!same, "{error}"),
    }
    assert!(!too_dear || matches!(file.open(PASSPHRASE), Err(KeyError::NotAKey(_))));
    assert!(file.open("một câu khác").is_err());
});
