//! Playlists of other programs. The first byte says which form: what is read as a programme is written in both forms and read the same.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/center/exchange/mod.rs"]
mod exchange;

use exchange::{Sound, m3u, xspf};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use loaxa::domain;
use loaxa::domain::ids::BulletinId;
use loaxa::domain::programme::MAX_ITEMS;

fn known(id: &str) -> bool {
    id.parse::<BulletinId>().is_ok()
}

fn sound(id: &str) -> Option<Sound> {
    let location = format!("Thư mục/{id} #1?.opus");
    let duration_ms = (id.len() % 2 == 0).then_some(61_500);
    (id.len() % 3 > 0).then(|| Sound { bulletin: id.into(), title: format!("\"{id}\", <&>\n"), duration_ms, location })
}

fuzz_target!(|data: &[u8]| {
    let Some((form, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let read = if form % 2 == 0 { m3u::read(text, &known) } else { xspf::read(text, &known) };
    let programme = match read {
        Ok(programme) => programme,
        Err(told) => {
            assert!(told.len() < 200 * 1024, "an answer of {} bytes", told.len());
            return;
        }
    };
    assert!((1..=MAX_ITEMS).contains(&programme.items.len()));
    assert!(!programme.title.contains(char::is_control));
    let written = m3u::write(&programme, &sound);
    assert_eq!(m3u::read(&written, &known).as_ref(), Ok(&programme), "{written}");
    let written = xspf::write(&programme, &sound);
    assert_eq!(xspf::read(&written, &known).as_ref(), Ok(&programme), "{written}");
    let _ = programme.check("buoi-sang");
});
