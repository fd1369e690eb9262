//! Configuration of both programs: lines before the first that begins with `LOAXA_` are the file, the rest the environment. What is
//! effective can be shown, and what was shown is read as the same.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/center/config.rs"]
mod center_config;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
// What the center's file asks of its crate.
use loaxa::controller::config::Config as Board;
use loaxa::domain;
use loaxa::settings::{load, show};
use serde::{Serialize, de::DeserializeOwned};

/// One file for a process, in memory where there is such a place.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { memory } else { std::env::temp_dir() };
    dir.join(format!("loaxa-fuzz-settings-{}.toml", std::process::id()))
});

fuzz_target!(|text: &str| {
    let split = if text.starts_with("LOAXA_") { 0 } else { text.find("\nLOAXA_").map_or(text.len(), |at| at + 1) };
    let (file, environment) = text.split_at(split);
    let environment: Vec<(String, String)> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    std::fs::write(&*FILE, file).expect("a place to write to");
    both_ways::<Board>(&environment);
    both_ways::<center_config::Config>(&environment);
    let _ = std::fs::remove_file(&*FILE);
});

fn both_ways<T: Serialize + DeserializeOwned + Default + PartialEq + Debug>(environment: &[(String, String)]) {
    match load::<T>(Some(&FILE), environment.iter().cloned(), []) {
        Ok(settings) => {
            let shown = show(&settings, &[]);
            let again: T = toml::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
            // A number that is none differs from itself.
            assert!(again == settings.values || shown.contains("nan"), "{shown}");
        }
        Err(told) => assert!(!told.to_string().is_empty()),
    }
}
