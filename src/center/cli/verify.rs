//! `loaxa verify`: whether what the data directory holds is what was put there.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::Place;
use crate::center::datadir::DataDir;
use crate::center::verify::{self as check, Earlier};

#[derive(Args)]
pub struct Verify {
    /// Write the audit log here, as JSON Lines
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Compare with an earlier export, or with a file that holds the head as it was printed then
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

pub async fn verify(place: &Place, verify: Verify) -> Result<(), String> {
    let data = DataDir::open(&place.data()?)?;
    let earlier = match &verify.against {
        Some(path) => {
            let named = |e: String| format!("{}: {e}", path.display());
            let text = std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
            check::read_earlier(&text).map_err(named)?
        }
        None => Earlier::new(),
    };
    let mut lines = vec![];
    let export = verify.export.as_ref().map(|_| &mut lines as &mut (dyn Write + Send));
    let findings = check::verify(&data, &place.settings([])?.values, &earlier, export).await?;
    if let (Some(path), true) = (&verify.export, findings.faults.is_empty()) {
        check::export_to(path, &lines)?;
    }
    place.answer(&findings, |found| {
        let mut told = vec![format!(
            "{} lines of the audit log, {} signed heads, {} media files, {} approvals looked at",
            found.lines, found.signed_heads, found.media, found.approvals
        )];
        if found.faults.is_empty() && found.lines > 0 {
            told.push("head of the audit log, for your files (verify --against FILE compares with it):".into());
            told.push(found.head.clone());
        }
        told.join("\n")
    })?;
    match findings.faults.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        [first, rest @ ..] if place.json => Err(format!("{first}, and {} more", rest.len())),
        many => Err(many.join("; ")),
    }
}
