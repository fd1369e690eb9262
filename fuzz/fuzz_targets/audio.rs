//! Strangers' audio files: whatever the bytes, decoding ends, gives finite samples, and counts what it gave. The first byte is the name's
//! ending, the second where to begin.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use loaxa::audio::decode::Decoder;
use loaxa::audio::source::Source;

const ENDINGS: [&str; 9] = ["mp3", "m4a", "ogg", "opus", "flac", "wav", "aiff", "caf", ""];
/// More is not asked for here: a small file may unfold into hours, which the center bounds by length and time.
const MOST_SAMPLES: usize = 48_000 * 20;

fuzz_target!(|data: &[u8]| {
    let [ending, skip, file @ ..] = data else { return };
    let ending = ENDINGS[usize::from(*ending) % ENDINGS.len()];
    let open = || Decoder::new(Box::new(Cursor::new(file.to_vec())), Some(ending));
    let mut decoder = match open() {
        Ok(decoder) => decoder,
        Err(told) => {
            assert!(!told.to_string().contains('\n'));
            return;
        }
    };
    assert!((4_000..=192_000).contains(&decoder.rate_hz()), "{} Hz", decoder.rate_hz());
    let mut samples = vec![];
    while samples.len() < MOST_SAMPLES {
        let before = samples.len();
        if !decoder.next(&mut samples) {
            assert_eq!(samples.len(), before);
            break;
        }
        assert!(samples.len() > before, "a packet without a sample");
    }
    assert_eq!(samples.len() as u64, decoder.decoded_frames() + decoder.silence_frames());
    assert!(decoder.silence_frames() <= decoder.decoded_frames() + 60 * u64::from(decoder.rate_hz()));
    assert!(samples.iter().all(|sample| sample.abs() <= 8.0), "not a number, or beyond any level");

    let Ok(decoder) = open() else { panic!("it opened a moment ago") };
    let Ok(mut source) = Source::new(decoder) else { return };
    source.skip(i64::from(*skip) * 50);
    samples.clear();
    while samples.len() < MOST_SAMPLES && source.next(&mut samples) {
        assert!(source.progress().is_none_or(|done| (0.0..=1.0).contains(&done)));
    }
    assert!(samples.iter().all(|sample| sample.is_finite()));
});
