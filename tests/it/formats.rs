//! Every format that people send, whole and damaged: how long it sounds, what is said to be lost, and that what follows keeps its place.

use std::io::Cursor;
use std::process::Command;

use loaxa::audio::RATE_HZ;
use loaxa::audio::decode::Decoder;
use loaxa::audio::source::Source;

use crate::harness::{binary, mutations, playlists};

struct Heard {
    samples: Vec<f32>,
    lost_s: f64,
    cut_off_s: f64,
}

fn hear(bytes: &[u8], ending: &str) -> Heard {
    let mut source = Source::new(
        Decoder::new(Box::new(Cursor::new(bytes.to_vec())), Some(ending)).unwrap_or_else(|e| panic!("{ending}: {e}")),
    )
    .unwrap();
    let mut samples = vec![];
    while source.next(&mut samples) {}
    let seconds = |frames: u64| frames as f64 / f64::from(RATE_HZ);
    Heard { samples, lost_s: seconds(source.lost_frames()), cut_off_s: seconds(source.cut_off_frames()) }
}

/// How alike two stretches are, from -1 to 1.
fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-9)
}

fn length(name: &str) -> usize {
    // 1.3 s; 14,333 frames at 11,025 Hz where they are few for the sake of a small file.
    if ["mp3", "m4a", "ogg", "opus"].contains(&name) { 62_400 } else { 62_403 }
}

#[test]
fn each_format_sounds_as_long_as_its_recording_and_nothing_is_called_lost() {
    for (name, bytes) in mutations::formats() {
        let heard = hear(&bytes, mutations::ending(name));
        assert_eq!((heard.samples.len(), heard.lost_s, heard.cut_off_s), (length(name), 0.0, 0.0), "{name}");
    }
    for entry in std::fs::read_dir(playlists().join("audio")).unwrap() {
        let path = entry.unwrap().path();
        let heard = hear(&std::fs::read(&path).unwrap(), path.extension().unwrap().to_str().unwrap());
        assert_eq!((heard.lost_s, heard.cut_off_s), (0.0, 0.0), "{}", path.display());
    }
}

#[test]
fn what_is_damaged_is_skipped_and_told_and_the_rest_keeps_its_place() {
    for (name, at, bytes, lost_s, in_place) in [
        // One byte: a FLAC frame of 1,024 frames, an Ogg page of 0.2 s.
        ("flac", 0.6, 1, 0.09..0.1, true),
        ("ogg", 0.74, 1, 0.1..0.35, true),
        ("opus", 0.6, 1, 0.15..0.25, true),
        ("flac", 0.6, 1_500, 0.09..0.3, true),
        // Much of what is damaged decodes all the same, into noise.
        ("m4a", 0.5, 600, 0.02..0.3, true),
        ("alac", 0.5, 3_000, 0.09..0.8, true),
        // No place in the file says when it sounds, but how long the whole should be.
        ("mp3", 0.5, 600, 0.1..0.3, false),
        // Every sample stands for itself.
        ("wav", 0.5, 600, 0.0..0.001, true),
        ("aiff", 0.5, 600, 0.0..0.001, true),
    ] {
        let whole = mutations::format(name);
        let mut damaged = whole.clone();
        let begin = (damaged.len() as f64 * at) as usize;
        damaged[begin..begin + bytes].iter_mut().for_each(|byte| *byte = !*byte);
        let (whole, heard) = (hear(&whole, mutations::ending(name)), hear(&damaged, mutations::ending(name)));
        let told_s = heard.lost_s + heard.cut_off_s;
        assert!(lost_s.contains(&told_s), "{name} {at} {bytes}: {told_s} s lost");
        if in_place {
            assert_eq!(heard.samples.len(), whole.samples.len(), "{name} {at} {bytes}");
            let end = whole.samples.len() - 2_400;
            let alike = likeness(&whole.samples[end - 2_400..end], &heard.samples[end - 2_400..end]);
            assert!(alike > 0.95, "{name} {at} {bytes}: {alike}");
        }
    }
}

#[test]
fn a_file_that_was_cut_off_sounds_as_far_as_it_goes_and_what_is_missing_is_told() {
    for name in ["mp3", "m4a", "flac", "wav", "aiff", "alac"] {
        let bytes = mutations::format(name);
        let heard = hear(&bytes[..bytes.len() * 3 / 5], mutations::ending(name));
        let sounds_s = heard.samples.len() as f64 / f64::from(RATE_HZ);
        assert!((0.2..1.0).contains(&sounds_s), "{name}: {sounds_s} s");
        assert!((sounds_s + heard.cut_off_s - 1.3).abs() < 0.001, "{name}: {sounds_s} + {} s", heard.cut_off_s);
        assert_eq!(heard.lost_s, 0.0, "{name}");
    }
    // A writer into a pipe does not know how long it will be, and fills the field.
    for most in [u32::MAX, i32::MAX as u32] {
        let mut piped = mutations::format("wav");
        piped[4..8].copy_from_slice(&most.to_le_bytes());
        piped[40..44].copy_from_slice(&(most - 36).to_le_bytes());
        let heard = hear(&piped, "wav");
        assert_eq!((heard.samples.len(), heard.cut_off_s), (length("wav"), 0.0));
    }
}

#[test]
fn play_takes_each_format_and_tells_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let play = |name: &str, bytes: &[u8]| {
        let file = dir.path().join("x").with_extension(mutations::ending(name));
        std::fs::write(&file, bytes).unwrap();
        let mut command = Command::new(binary("loaxa-controller"));
        command.arg("play").arg(&file).args(["--out", "null", "--json"]).output().unwrap()
    };
    for (name, mut bytes) in mutations::formats() {
        let told: serde_json::Value = serde_json::from_slice(&play(name, &bytes).stdout).unwrap();
        assert_eq!(
            (told["frames"].as_u64().unwrap() as usize, &told["lost_seconds"]),
            (length(name), &0.0.into()),
            "{name}"
        );
        if name == "flac" {
            let at = bytes.len() * 3 / 5;
            bytes[at] = !bytes[at];
            let told: serde_json::Value = serde_json::from_slice(&play(name, &bytes).stdout).unwrap();
            assert_eq!(told["frames"], 62_403, "{told}");
            assert!((0.09..0.1).contains(&told["lost_seconds"].as_f64().unwrap()), "{told}");
        }
        bytes.iter_mut().skip(4).for_each(|byte| *byte = 0x11);
        let refused = play(name, &bytes);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(
            (refused.status.code(), told.lines().count(), refused.stdout.len()),
            (Some(1), 1, 0),
            "{name}: {told}"
        );
    }
}

/// Ingest's own words for a file.
fn warnings(bytes: &[u8], ending: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x").with_extension(ending);
    std::fs::write(&file, bytes).unwrap();
    let converted = loaxa::center::ingest::convert(&file, 60_000, |_, _| true).unwrap();
    assert!(
        (1..=1_000).contains(&converted.peaks.len()) && converted.peaks.iter().any(|peak| *peak > 20),
        "its outline"
    );
    converted.flaws.iter().map(ToString::to_string).collect()
}

#[test]
fn ingest_tells_of_damage_silence_and_clipping_and_of_nothing_where_there_is_none() {
    for (name, mut bytes) in mutations::formats() {
        assert_eq!(warnings(&bytes, mutations::ending(name)), [""; 0], "{name}");
        if name == "flac" {
            let at = bytes.len() * 3 / 5;
            bytes[at] = !bytes[at];
            assert_eq!(warnings(&bytes, "flac"), ["0.1 s of it could not be decoded and were skipped"]);
            let told = warnings(&bytes[..at], "flac");
            assert!(told.len() == 1 && told[0].starts_with("it is cut off or damaged: 1.0 s that"), "{told:?}");
        }
    }
    for entry in std::fs::read_dir(playlists().join("audio")).unwrap() {
        let path = entry.unwrap().path();
        let told = warnings(&std::fs::read(&path).unwrap(), path.extension().unwrap().to_str().unwrap());
        assert!(told.is_empty(), "{}: {told:?}", path.display());
    }
    // Cut off at half of full scale, at another rate than the broadcast's, and four seconds of nothing behind it.
    let tone = mutations::tone().into_iter().map(|sample| sample.saturating_mul(3).clamp(-16_384, 16_384));
    let told = warnings(&mutations::wav(&tone.chain([0; 44_100]).collect::<Vec<_>>()), "wav");
    assert!(told.len() == 2 && told[0].starts_with("it ends with 4.0 s of silence"), "{told:?}");
    assert!(told[1].contains("cut off at -6.0 dBFS"), "{told:?}");
}

/// `make bench ARGS=mutations` takes 10,000 of each.
#[test]
fn mutated_files_neither_panic_nor_sound_without_end() {
    for (name, whole) in mutations::formats() {
        let outcomes = (0..60).map(|seed| mutations::heard(&mutations::mutated(&whole, seed), name));
        let sounded = outcomes.filter(|outcome| *outcome != mutations::Outcome::Refused).count();
        assert!(sounded > 5, "{name}: only {sounded} of 60 were taken at all");
    }
}
