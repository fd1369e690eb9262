//! DSSE envelopes: only what a key signed opens with it, as the kind that was signed; any change of a payload shuts it.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::domain::approval::{Approval, Certificate};
use loaxa::domain::hours::HoursStatement;
use loaxa::domain::plan::Plan;
use loaxa::protocol::envelope::{Envelope, Statement};
use loaxa_fuzz::{fill_in, json, key};
use serde_json::Value;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { json::mutate(data, size, max_size, seed) });

fuzz_target!(|data: &[u8]| {
    let Ok(mut value) = serde_json::from_slice::<Value>(data) else { return };
    fill_in(&mut value);
    if let Ok(envelope) = serde_json::from_value::<Envelope>(value.clone()) {
        stranger::<Certificate>(&envelope);
        stranger::<Approval>(&envelope);
        stranger::<HoursStatement>(&envelope);
        stranger::<Plan>(&envelope);
        let written = serde_json::to_vec(&envelope).expect("an envelope is written");
        assert_eq!(serde_json::from_slice::<Envelope>(&written).expect("and read again"), envelope);
    }
    signed::<Certificate>(&value);
    signed::<Approval>(&value);
    signed::<HoursStatement>(&value);
    signed::<Plan>(&value);
});

/// Nobody signed it, so whatever it holds it must not open.
fn stranger<S: Statement>(envelope: &Envelope) {
    let _ = envelope.peek::<S>();
    assert!(envelope.open::<S>(&key("stranger").public()).is_err());
}

fn signed<S: Statement>(value: &Value) {
    let Ok(statement) = serde_json::from_value::<S>(value.clone()) else { return };
    // A number too great for its type (1e300) cannot be written again.
    if serde_json::to_value(&statement).and_then(serde_json::from_value::<S>).is_err() {
        return;
    }
    let (signer, other) = (key("authority"), key("stranger"));
    let Ok(envelope) = Envelope::sign(&statement, &signer) else { return };
    let text = |statement: &S| serde_json::to_string(statement).expect("a statement is written");
    let opened: S = envelope.open(&signer.public()).expect("what was signed opens");
    assert_eq!(text(&opened), text(&statement));
    assert!(envelope.open::<S>(&other.public()).is_err());
    // Another kind of statement with the same bytes.
    let kinds = [Certificate::PAYLOAD_TYPE, Approval::PAYLOAD_TYPE, HoursStatement::PAYLOAD_TYPE, Plan::PAYLOAD_TYPE];
    for kind in kinds.into_iter().filter(|kind| *kind != S::PAYLOAD_TYPE) {
        let disguised = Envelope { payload_type: kind.to_owned(), ..envelope.clone() };
        assert!(disguised.open::<Certificate>(&signer.public()).is_err());
        assert!(disguised.open::<Approval>(&signer.public()).is_err());
        assert!(disguised.open::<HoursStatement>(&signer.public()).is_err());
        assert!(disguised.open::<Plan>(&signer.public()).is_err());
    }
    // One letter changed in the payload.
    let mut payload = envelope.payload.clone().into_bytes();
    let middle = payload.len() / 2;
    payload[middle] = if payload[middle] == b'A' { b'B' } else { b'A' };
    let payload = String::from_utf8(payload).expect("base64 is text");
    assert!(Envelope { payload, ..envelope }.open::<S>(&signer.public()).is_err());
}
