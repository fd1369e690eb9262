//! Holds the code to what docs/ARCHITECTURE.md says is absent from it.

use std::path::{Path, PathBuf};

use crate::harness::repository;

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its unit tests and comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn assert_absent(part: &str, words: &[&str]) {
    for path in files(&repository().join("src").join(part), "rs") {
        let code = code(&path);
        for word in words {
            assert!(!code.contains(word), "{} holds {word:?}", path.display());
        }
    }
}

#[test]
fn the_domain_knows_no_machine() {
    assert_absent(
        "domain",
        &[
            "tokio",
            "sqlx",
            "serde_json",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant::now",
            "Utc::now",
            "crate::protocol",
            "crate::audio",
            "crate::center",
            "crate::controller",
        ],
    );
}

#[test]
fn the_protocol_and_the_sound_do_no_business_of_others() {
    assert_absent(
        "protocol",
        &[
            "tokio",
            "sqlx",
            "std::fs",
            "std::net",
            "SystemTime",
            "Instant::now",
            "crate::center",
            "crate::controller",
            "crate::audio",
        ],
    );
    assert_absent(
        "audio",
        &["tokio", "sqlx", "std::net", "SystemTime", "crate::protocol", "crate::center", "crate::controller"],
    );
}

#[test]
fn center_and_controller_never_see_each_other() {
    assert_absent("center", &["crate::controller", "loaxa::controller", "crate::simulate", "crate::trial"]);
    assert_absent(
        "controller",
        &["crate::simulate", "crate::trial", "crate::center", "loaxa::center", "axum", "sqlx", "rmqtt::", "reqwest"],
    );
}

#[test]
fn only_simulated_boards_are_less_careful_with_their_stores() {
    for part in ["bin", "center", "controller"] {
        assert_absent(part, &["durable: false", "locked: false", "Store::open_with"]);
    }
    for part in ["domain", "protocol", "audio"] {
        assert_absent(part, &["crate::simulate"]);
    }
}

#[test]
fn the_engine_performs_nothing() {
    assert_absent(
        "controller/engine",
        &["tokio", "std::fs", "std::net", "std::thread", "os::", "SystemTime", "Instant::now"],
    );
}

#[test]
fn only_one_file_is_unsafe_and_only_the_edges_read_a_clock() {
    for path in files(&repository().join("src"), "rs") {
        let (code, name) = (code(&path), path.strip_prefix(repository()).unwrap().display().to_string());
        assert!(name == "src/controller/os.rs" || !code.contains("unsafe {"), "{name} is unsafe");
        let edges = ["src/center/app.rs"];
        assert!(edges.contains(&name.as_str()) || !code.contains("SystemTime::now"), "{name} reads the clock");
    }
}

#[test]
fn every_file_says_what_it_owns_and_stays_a_room() {
    for dir in ["src", "tests", "fuzz/src", "fuzz/fuzz_targets"] {
        for path in files(&repository().join(dir), "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//!"), "{} does not say what it owns", path.display());
            assert!(text.lines().count() <= 700, "{} is longer than a room should be", path.display());
        }
    }
}

#[test]
fn nothing_names_a_machine_or_a_mirror() {
    let root = repository();
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let lock = std::fs::read_to_string(root.join(lock)).unwrap();
        let mut sources = lock.lines().filter(|line| line.starts_with("source = "));
        assert!(sources.all(|line| line.contains("https://github.com/rust-lang/crates.io-index")));
    }
    let npm = std::fs::read_to_string(root.join("web/package-lock.json")).unwrap();
    assert!(npm.lines().filter(|line| line.contains("\"resolved\"")).all(|line| line.contains("registry.npmjs.org")));
}
