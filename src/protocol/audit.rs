//! The audit log as a chain: what one line says, its hash over the line before, and how a changed, missing or added line is found.
//!
//! Hash of a line = SHA-256 over, in this order, each as its length in 8 bytes (big endian) and then its bytes: the text
//! `loaxa-audit-v1`; the hash of the line before in lower-case hex (empty before line 1); number, at_ms, who, source, action,
//! target, status, times, detail; numbers in decimal, texts in UTF-8. Lengths keep two different lines from ever being the same bytes.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::envelope::Statement;
use crate::domain::ids::SiteId;

const FORMAT: &str = "loaxa-audit-v1";

/// What happened, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Entry {
    pub at_ms: i64,
    /// An account, `local`, `token:ID of ACCOUNT`, or `-` where nobody is known.
    pub who: String,
    /// The address that it came from.
    pub source: String,
    /// Method and route, such as `PUT /schedules/{id}`.
    pub action: String,
    /// What the route's gaps were filled with.
    pub target: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// How many such things this line stands for.
    pub times: u32,
    /// In words, where the deed itself does not say enough.
    pub detail: String,
}

/// An entry in its place. One line of the export is this in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = AuditLine))]
pub struct Line {
    pub number: u64,
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 in hex, as the file's first lines say.
    pub hash: String,
}

/// The end of the chain; so many lines, the last with this hash. It fits on paper: `124 9f86d0...`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub number: u64,
    pub hash: String,
}

/// A head as the dispatcher signs it now and then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    pub site: SiteId,
    pub number: u64,
    pub hash: String,
    pub made_ms: i64,
}

impl Statement for Seal {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.audit-head.v1+json";
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("line {0} is missing")]
    Missing(u64),
    #[error("line {0} is out of its place")]
    Misplaced(u64),
    #[error("line {0} is not what was written there")]
    Changed(u64),
    #[error("lines {0} and later were added behind the end of the log")]
    Added(u64),
    #[error("line {0} is not the one that the center's key has signed")]
    NotAsSigned(u64),
    #[error("line {0} is not the one that was exported")]
    NotAsExported(u64),
}

impl Head {
    /// The line that `entry` becomes behind this head.
    pub fn line(&self, entry: Entry) -> Line {
        let number = self.number + 1;
        Line { number, hash: hash(&self.hash, number, &entry), entry }
    }

    /// Goes on to `line`, if that is what follows.
    pub fn advance(&mut self, line: &Line) -> Result<(), Fault> {
        let next = self.number + 1;
        match line.number {
            number if number > next => return Err(Fault::Missing(next)),
            number if number < next => return Err(Fault::Misplaced(number)),
            _ => {}
        }
        if hash(&self.hash, line.number, &line.entry) != line.hash {
            return Err(Fault::Changed(line.number));
        }
        *self = Self { number: line.number, hash: line.hash.clone() };
        Ok(())
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let told = text.trim().split_once(' ').and_then(|(number, hash)| Some((number.parse().ok()?, hash.trim())));
        match told {
            Some((number, hash)) if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(Self { number, hash: hash.to_ascii_lowercase() })
            }
            _ => Err("write the head as it was printed: a number and 64 hexadecimal digits".into()),
        }
    }
}

fn hash(previous: &str, number: u64, entry: &Entry) -> String {
    let Entry { at_ms, who, source, action, target, status, times, detail } = entry;
    let (number, at_ms) = (number.to_string(), at_ms.to_string());
    let (status, times) = (status.to_string(), times.to_string());
    let mut hasher = Sha256::new();
    for part in [FORMAT, previous, &number, &at_ms, who, source, action, target, &status, &times, detail] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(detail: &str) -> Entry {
        Entry {
            at_ms: 1_790_000_000_000,
            who: "lan".into(),
            source: "192.0.2.7".into(),
            action: "PUT /schedules/{id}".into(),
            target: "buoi-sang".into(),
            status: 200,
            times: 1,
            detail: detail.into(),
        }
    }

    fn chain(count: usize) -> Vec<Line> {
        let mut head = Head::default();
        let mut lines = vec![];
        for index in 0..count {
            let line = head.line(entry(&format!("việc {index}")));
            head.advance(&line).unwrap();
            lines.push(line);
        }
        lines
    }

    fn verify(lines: &[Line]) -> Result<Head, Fault> {
        let mut head = Head::default();
        lines.iter().try_for_each(|line| head.advance(line))?;
        Ok(head)
    }

    #[test]
    fn the_hash_is_made_of_these_very_bytes() {
        // Reckoned by itself, so that another implementer's reading of the first lines of this file is the right one.
        let fields = [
            "loaxa-audit-v1",
            "",
            "1",
            "1790000000000",
            "lan",
            "192.0.2.7",
            "PUT /schedules/{id}",
            "buoi-sang",
            "200",
            "1",
            "x",
        ];
        let bytes: Vec<u8> = fields
            .iter()
            .flat_map(|field| [&(field.len() as u64).to_be_bytes()[..], field.as_bytes()].concat())
            .collect();
        assert_eq!(Head::default().line(entry("x")).hash, hex::encode(Sha256::digest(bytes)));
    }

    #[test]
    fn whatever_is_done_to_a_line_is_found_at_its_number() {
        let good = chain(6);
        assert_eq!(verify(&good).unwrap().number, 6);
        let mut changed = good.clone();
        changed[2].entry.who = "local".into();
        assert_eq!(verify(&changed), Err(Fault::Changed(3)));
        let mut recounted = good.clone();
        recounted[2] = Head { number: 2, hash: good[1].hash.clone() }.line(entry("nothing"));
        assert_eq!(verify(&recounted), Err(Fault::Changed(4)), "with its hash made anew the next one gives it away");
        let mut removed = good.clone();
        removed.remove(3);
        assert_eq!(verify(&removed), Err(Fault::Missing(4)));
        let mut renumbered = removed;
        renumbered.iter_mut().skip(3).for_each(|line| line.number -= 1);
        assert_eq!(verify(&renumbered), Err(Fault::Changed(4)));
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        (swapped[1].number, swapped[2].number) = (2, 3);
        assert_eq!(verify(&swapped), Err(Fault::Changed(2)));
        let mut doubled = good.clone();
        doubled.insert(3, good[2].clone());
        assert_eq!(verify(&doubled), Err(Fault::Misplaced(3)));
    }

    #[test]
    fn a_head_reads_back_from_paper() {
        let head = Head { number: 124, hash: "ab".repeat(32) };
        assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
        assert_eq!(format!(" 124  {} \n", "AB".repeat(32)).parse::<Head>().unwrap(), head);
        assert!("124".parse::<Head>().is_err() && "x y".parse::<Head>().is_err());
    }
}
