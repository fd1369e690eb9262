//! loaxa: public broadcast for communes, from the approved bulletin to the proven sound.
//!
//! Data flows one way: bulletin -> approval -> plan -> delivery -> playback -> report.
//! Imports run one way too: `bin -> center | controller -> audio | protocol -> domain`;
//! `center` and `controller` never see each other; `simulate` and `trial` see both. `docs/ARCHITECTURE.md` has the whole picture
//! and `tests/it/tidy.rs` holds the code to it.

pub mod audio;
pub mod domain;
pub mod protocol;
pub mod settings;

#[cfg(feature = "center")]
pub mod center;
#[cfg(feature = "controller")]
pub mod controller;
#[cfg(all(feature = "center", feature = "controller"))]
pub mod simulate;
#[cfg(all(feature = "center", feature = "controller"))]
pub mod trial;
