//! A small file of each format, and what becomes of it in careless or hostile hands: the same for the same seed.

use std::io::Cursor;

use loaxa::audio::decode::Decoder;
use loaxa::audio::source::Source;
use loaxa::audio::wav::to_i16;

/// 1.3 s of a rising tone in each format, by name.
pub fn formats() -> Vec<(&'static str, Vec<u8>)> {
    let read = |name: &str| {
        std::fs::read(super::repository().join("tests/audio").join(name)).expect("it is in the repository")
    };
    vec![
        ("mp3", read("tone.mp3")),
        ("m4a", read("tone.m4a")),
        ("ogg", read("tone.ogg")),
        ("opus", read("tone.opus")),
        ("flac", read("tone.flac")),
        ("wav", wav(&tone())),
        ("aiff", aiff()),
        ("alac", read("tone-alac.m4a")),
    ]
}

/// One of them.
pub fn format(name: &str) -> Vec<u8> {
    formats().into_iter().find_map(|(found, bytes)| (found == name).then_some(bytes)).expect("one of the eight")
}

/// The ending of such a file's name.
pub fn ending(name: &str) -> &str {
    if name == "alac" { "m4a" } else { name }
}

const RATE_HZ: u32 = 11_025;

/// The rising tone at 11,025 Hz.
pub fn tone() -> Vec<i16> {
    let phase = |t: f32| std::f32::consts::TAU * (300.0 * t + 500.0 * t * t);
    (0..14_333).map(|n| to_i16(0.4 * phase(n as f32 / RATE_HZ as f32).sin())).collect()
}

pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut file =
        [b"RIFF".as_slice(), &(36 + data.len() as u32).to_le_bytes(), b"WAVEfmt \x10\0\0\0\x01\0\x01\0"].concat();
    file.extend(RATE_HZ.to_le_bytes());
    file.extend((RATE_HZ * 2).to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    [file, data].concat()
}

fn aiff() -> Vec<u8> {
    let data: Vec<u8> = tone().iter().flat_map(|sample| sample.to_be_bytes()).collect();
    let frames = data.len() as u32 / 2;
    let mut file = [b"FORM".as_slice(), &(46 + data.len() as u32).to_be_bytes(), b"AIFFCOMM\0\0\0\x12\0\x01"].concat();
    file.extend(frames.to_be_bytes());
    // The rate as an 80-bit float: 2^13 times its mantissa.
    file.extend(b"\0\x10\x40\x0C");
    file.extend((u64::from(RATE_HZ) << 50).to_be_bytes());
    file.extend(b"SSND");
    file.extend((8 + data.len() as u32).to_be_bytes());
    file.extend([0; 8]);
    [file, data].concat()
}

/// A file as it comes out of careless or hostile hands: the same for the same seed.
pub fn mutated(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut bytes = whole.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len());
        // Short and long, where the size of things is told and where the sound is.
        let span = (1 << dice.below(12)).min(bytes.len() - at);
        match dice.below(9) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at..at + span.min(64)].iter_mut().for_each(|byte| *byte = dice.next() as u8),
            2 => bytes[at..at + span].fill(0),
            3 => bytes[at..at + span.min(8)].fill(0xFF),
            4 => drop(bytes.drain(at..at + span)),
            5 => {
                let twice = bytes[at..at + span].to_vec();
                drop(bytes.splice(at..at, twice));
            }
            6 => {
                let other = dice.below(bytes.len());
                bytes.swap(at, other);
            }
            7 => {
                let head = dice.below(bytes.len().min(128));
                bytes[head] = dice.next() as u8;
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014), SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

/// What came of a mutated file.
#[derive(Debug, Default, PartialEq)]
pub enum Outcome {
    #[default]
    Refused,
    Sounds {
        frames: u64,
        damaged: bool,
    },
}

/// The most that a mutated file may sound for each of its bytes, and beside that: lossy codings unfold, silence is put where something is lost, and a
/// damaged header may announce a lower rate.
const FRAMES_PER_BYTE: u64 = 4_800;
const FRAMES_BESIDE: u64 = 120 * 48_000;

/// Takes it through the decoder as a play would, to the end. Panics where it does what no file may make it do.
pub fn heard(bytes: &[u8], name: &str) -> Outcome {
    let most = bytes.len() as u64 * FRAMES_PER_BYTE + FRAMES_BESIDE;
    let decoder = Decoder::new(Box::new(Cursor::new(bytes.to_vec())), Some(ending(name)));
    let Ok(mut source) = decoder.and_then(Source::new) else { return Outcome::Refused };
    let (mut block, mut frames, mut calls) = (vec![], 0, 0u64);
    while source.next(&mut block) {
        assert!(block.iter().all(|sample| sample.abs() <= 64.0), "not a number, or beyond any level");
        frames += block.len() as u64;
        calls += 1;
        block.clear();
        assert!(frames <= most, "{frames} frames and no end");
        assert!(calls <= most, "{calls} calls and no end");
    }
    let damaged = source.lost_frames() + source.cut_off_frames() + source.decoder().damaged_packets() > 0;
    if frames == 0 { Outcome::Refused } else { Outcome::Sounds { frames, damaged } }
}
