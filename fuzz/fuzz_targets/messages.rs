//! Messages: each is read, written and read again the same; nothing over its limit is read. The first byte says which one it is.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::protocol::limits::{MESSAGE_BYTES, RECORDS_PER_REPORT};
use loaxa::protocol::message::{self, Ack, ClockProbe, Report, SignedClockAnswer, State, Want};
use loaxa_fuzz::json;
use serde::{Serialize, de::DeserializeOwned};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if size < 2 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    1 + json::mutate(&mut data[1..], size - 1, max_size - 1, seed)
});

fn read_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(read) = message::parse::<T>(bytes) {
        assert!(bytes.len() <= MESSAGE_BYTES);
        let written = message::bytes(&read);
        assert_eq!(message::parse::<T>(&written).as_ref(), Ok(&read), "{}", String::from_utf8_lossy(&written));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind {
        b'a' => read_back::<Ack>(bytes),
        b'c' => read_back::<ClockProbe>(bytes),
        b't' => read_back::<SignedClockAnswer>(bytes),
        b's' => read_back::<State>(bytes),
        b'w' => read_back::<Want>(bytes),
        _ => {
            read_back::<Report>(bytes);
            if let Ok(report) = message::parse_report(bytes) {
                assert!(report.records.len() <= RECORDS_PER_REPORT);
            }
        }
    }
});
