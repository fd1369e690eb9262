//! Programmes in TOML and JSON: what passes is written and read again the same, and holds no more than it may.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loaxa::domain::ids::BulletinId;
use loaxa::domain::programme::{Item, MAX_ITEMS, ProgrammeText};

fuzz_target!(|text: &str| {
    let from_toml = toml::from_str::<ProgrammeText>(text).ok();
    let from_json = serde_json::from_str::<ProgrammeText>(text).ok();
    for read in from_toml.into_iter().chain(from_json) {
        let programme = match read.check("buoi-sang") {
            Ok(programme) => programme,
            Err(told) => {
                assert!(told.starts_with("[programme.buoi-sang]: "));
                continue;
            }
        };
        assert!((1..=MAX_ITEMS).contains(&programme.items.len()));
        assert!(!programme.title.is_empty() && !programme.title.contains(char::is_control));
        for item in &programme.items {
            match item {
                Item::Sound { bulletin, .. } => assert!(bulletin.as_str().parse::<BulletinId>().is_ok()),
                Item::Pause { ms } => assert!((1_000..=3_600_000).contains(ms)),
                Item::Relay { ms, source } => {
                    assert!((60_000..=43_200_000).contains(ms));
                    assert!(source.len() <= 500 && !source.contains(char::is_whitespace));
                }
            }
        }
        let written = programme.text();
        assert_eq!(written.check("buoi-sang").as_ref(), Ok(&programme));
        let json = serde_json::to_string(&written).expect("a programme is written");
        assert_eq!(serde_json::from_str::<ProgrammeText>(&json).expect("and read"), written);
        let toml = toml::to_string(&written).expect("a programme is written");
        assert_eq!(toml::from_str::<ProgrammeText>(&toml).expect("and read"), written);
    }
});
