//! A small file of each format, and what becomes of it in careless or hostile hands: the same for the same seed.

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
