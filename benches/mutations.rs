//! Mutated files through the decoder: each format in a process of its own, whose memory is bounded as that of a conversion is.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::mutations::{Outcome, formats, heard, mutated};

/// As in `center/conversion.rs`; of address space, which is more than what is allocated.
const MEMORY_KB: u64 = 512 * 1024;
const FILES: u64 = 10_000;

/// The word by which this program is called again for one format.
pub const WORD: &str = "mutations-of";

pub fn mutations() {
    println!(
        "\n{FILES} mutated files of each format through the decoder to the end, {} MiB of address space each",
        MEMORY_KB / 1024
    );
    println!(
        "{:8} {:>9} {:>9} {:>9} {:>12} {:>12} {:>10}",
        "format", "refused", "damaged", "as whole", "slowest ms", "longest s", "peak MB"
    );
    for (name, _) in formats() {
        let own = std::env::current_exe().expect("a path");
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -v {MEMORY_KB} && exec \"$0\" {WORD} {name}")])
            .arg(own)
            .stdin(Stdio::null());
        let status = command.status().expect("a shell");
        assert!(status.success(), "{name}: {status}; the seed was told last");
    }
}

/// All of one format, in this process.
pub fn of_format(name: &str) {
    let (_, whole) = formats().into_iter().find(|(found, _)| *found == name).expect("one of the eight");
    let (mut refused, mut damaged, mut sound, mut longest) = (0, 0, 0, 0);
    let mut slowest = (Duration::ZERO, 0);
    for seed in 0..FILES {
        let file = mutated(&whole, seed);
        let begun = Instant::now();
        let outcome = std::panic::catch_unwind(|| heard(&file, name)).unwrap_or_else(|_| {
            eprintln!("{name}: seed {seed}");
            std::process::exit(1)
        });
        slowest = slowest.max((begun.elapsed(), seed));
        match outcome {
            Outcome::Refused => refused += 1,
            Outcome::Sounds { frames, damaged: is } => {
                longest = longest.max(frames);
                if is { damaged += 1 } else { sound += 1 }
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak_kb: u64 = peak.split_whitespace().next().expect("a number").parse().expect("kB");
    println!(
        "{name:8} {refused:9} {damaged:9} {sound:9} {:12.1} {:12.1} {:10.1}",
        slowest.0.as_secs_f64() * 1000.0,
        longest as f64 / 48_000.0,
        peak_kb as f64 / 1024.0
    );
    std::io::stdout().flush().expect("a line");
}
