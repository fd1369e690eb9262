//! Strangers' audio files against a center: what they may cost, and what becomes of the upload when its conversion dies.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use loaxa::center::conversion;

use crate::harness::{Center, adopt, binary, wait_for};

/// Eight-bit WAV at 8 kHz: a tone of so many seconds.
fn write_wav(path: &Path, seconds: usize) {
    let tone: Vec<u8> = (0..8_000 * seconds).map(|n| 128 + ((n / 10 % 2) * 60) as u8).collect();
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
    bytes.extend((tone.len() as u32).to_le_bytes());
    bytes.extend(tone);
    let riff = (bytes.len() as u32 - 8).to_le_bytes();
    bytes[4..8].copy_from_slice(&riff);
    std::fs::write(path, bytes).unwrap();
}

/// The conversion that runs for this center, once it has bounded itself.
fn conversion_of(center: &Center, other_than: Option<u32>) -> u32 {
    let uploads = center.data().join("uploads");
    wait_for("a bounded conversion", 60, || {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| {
            let told = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let line = String::from_utf8_lossy(&told("cmdline")).into_owned();
            let limits = String::from_utf8_lossy(&told("limits")).into_owned();
            let bounded = limits.lines().any(|line| line.starts_with("Max data size") && line.contains(" 536870912 "))
                && limits.lines().any(|line| line.starts_with("Max cpu time") && !line.contains("unlimited"));
            let ours = line.contains(conversion::COMMAND) && line.contains(uploads.to_str().unwrap());
            ours && bounded && other_than != Some(*pid)
        })
    })
}

fn signal(pid: u32, names: &[&str]) {
    for name in names {
        assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
    }
}

#[test]
fn a_file_that_kills_its_conversion_is_refused_and_a_conversion_that_was_stopped_is_begun_again() {
    let mut center = Center::new();
    center.start();
    let file = center.dir.path().join("dài.wav");
    write_wav(&file, 240);
    let add =
        ["bulletin", "add", file.to_str().unwrap(), "--id", "x", "--title", "x", "--language", "vie", "--area", "66"];
    let errors = center.dir.path().join("add.log");
    let log = std::fs::File::create(&errors).unwrap();
    let mut upload = adopt(center.command().args(add).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    // The machine's doing, as when it shuts down: the upload was accepted and stays so.
    let first = conversion_of(&center, None);
    signal(first, &["STOP", "TERM", "CONT"]);
    let second = conversion_of(&center, Some(first));
    assert!(!upload.has_ended());
    // The file's doing, as when a decoder asks for more memory than there is.
    signal(second, &["STOP", "ABRT", "CONT"]);
    wait_for("the refusal", 60, || upload.has_ended().then_some(()));
    let told = std::fs::read_to_string(&errors).unwrap();
    assert!(told.contains("made the decoder fail; it is damaged"), "{told}");
    assert_eq!(std::fs::read_dir(center.data().join("uploads")).unwrap().count(), 0);
    assert!(center.log().contains("stopped by signal 15; trying again"), "{}", center.log());
    // And the center goes on.
    center.cli(["bulletin", "list"]);
    write_wav(&file, 2);
    center.cli(add);
}

#[test]
fn a_file_may_ask_for_no_more_than_its_conversion_has() {
    let dir = tempfile::tempdir().unwrap();
    let (file, result) = (dir.path().join("a"), dir.path().join("b"));
    let convert = |minutes: &str| {
        let mut command = Command::new(binary("loaxa"));
        command.args([conversion::COMMAND, "--longest-minutes", minutes]).args([&file, &result]);
        command.output().unwrap()
    };
    // Longer than allowed: it ends there, not at the file's end.
    write_wav(&file, 70);
    let told = String::from_utf8(convert("1").stdout).unwrap();
    assert!(told.lines().last().unwrap().contains("longer than the 1 minutes"), "{told}");
    assert!(!result.exists());
    // Sixty pictures of 16 MiB each, on a disk where nothing takes no room.
    write_flac_with_pictures(&file, 60);
    let told = String::from_utf8(convert("1").stdout).unwrap();
    assert!(told.contains("more beside its sound than fits"), "{told}");
    assert!(!result.exists());
}

/// A FLAC file (RFC 9639) with no sound and so many pictures of the greatest size.
fn write_flac_with_pictures(path: &Path, pictures: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    // 44.1 kHz, mono, 16 bit.
    let mut begin = b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0a\xc4\x40\xf0".to_vec();
    begin.resize(8 + 34, 0);
    file.write_all(&begin).unwrap();
    let picture = (1u32 << 24) - 64;
    for _ in 0..pictures {
        let mut block = b"\0\0\0\x03\0\0\0\x09image/png\0\0\0\0".to_vec();
        [1, 1, 24, 0, picture].iter().for_each(|number: &u32| block.extend(number.to_be_bytes()));
        let length = block.len() as u32 + picture;
        file.write_all(&(6 << 24 | length).to_be_bytes()).unwrap();
        file.write_all(&block).unwrap();
        file.seek(SeekFrom::Current(i64::from(picture))).unwrap();
    }
    file.write_all(b"\x81\0\0\0").unwrap();
}
