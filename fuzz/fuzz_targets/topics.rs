//! Topics: what is read is written again as it was, and names this site and nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loaxa::domain::ids::SiteId;
use loaxa::protocol::topics::{self, Topic};

fuzz_target!(|text: &str| {
    let site: SiteId = "mau".parse().expect("a site");
    if let Some(topic) = topics::parse(&site, text) {
        let written = match &topic {
            Topic::Down(speaker, kind) => topics::down(&site, speaker, *kind),
            Topic::Up(speaker, kind) => topics::up(&site, speaker, *kind),
            Topic::Chunk(media, index) => topics::chunk(&site, media, *index),
            Topic::Command(area) => topics::command(&site, area),
        };
        assert_eq!(written, text);
        let other: SiteId = "ma".parse().expect("a site");
        assert_eq!(topics::parse(&other, text), None);
    }
});
