//! Who may approve what, and what one approval allows.
//!
//! These are the statements that get signed; `protocol::envelope` signs and checks the bytes, this file decides what
//! they mean. A speaker trusts one key by itself, the authority's; that key certifies approvers and the dispatcher, an approver
//! approves one revision's media, and only what all of them allow together may sound.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{AreaCode, BulletinId, KeyId, MediaHash, SiteId, TicketId};
use super::priority::Priority;

/// An Ed25519 public key, 32 bytes, written in standard base64 on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

/// What a certified key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person who answers for content.
    Approver,
    /// The center's own key that signs plans, and can only point at what approvers allowed.
    Dispatcher,
}

/// Signed by the authority: this key may act in this role, in these areas, up to this priority, in this time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Certificate {
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub site: SiteId,
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub role: Role,
    /// The person or machine, for reports.
    pub title: String,
    #[serde(with = "crate::domain::approval::key_text")]
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub key: PublicKey,
    #[cfg_attr(feature = "center", schema(value_type = Vec<String>))]
    pub areas: Vec<AreaCode>,
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub highest: Priority,
    pub valid_from_ms: i64,
    pub valid_until_ms: i64,
}

/// Signed by an approver: this revision, with exactly this media, may sound here, up to this priority, in this time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub site: SiteId,
    pub bulletin: BulletinId,
    pub revision: u32,
    pub title: String,
    pub media: MediaHash,
    pub areas: Vec<AreaCode>,
    pub highest: Priority,
    pub valid_from_ms: i64,
    pub valid_until_ms: i64,
    pub made_ms: i64,
    pub approver: KeyId,
}

/// Signed by an approver: these sounds may be heard once as an emergency, here, within this time. It does not replace their approval, which
/// says what may be heard at all and can be given long before; the ticket says that now is the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    pub site: SiteId,
    pub ticket: TicketId,
    /// For reports.
    pub title: String,
    pub media: Vec<MediaHash>,
    pub areas: Vec<AreaCode>,
    pub valid_from_ms: i64,
    pub valid_until_ms: i64,
    pub longest_ms: i64,
    pub made_ms: i64,
    pub approver: KeyId,
}

/// A ticket that could be used for longer than this is none: it would be an order for some night to come.
pub const TICKET_LIFE_MS: i64 = super::DAY_MS;
/// For an approver's fast clock, a ticket may begin this long before it was made.
pub const TICKET_EARLY_MS: i64 = super::DAY_MS / 24;

/// One intended play of one item, as a plan asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    pub bulletin: &'a BulletinId,
    pub revision: u32,
    pub media: &'a MediaHash,
    pub priority: Priority,
    pub start_ms: i64,
    pub end_ms: i64,
    /// The speaker's areas from the widest down to its own.
    pub areas: &'a [AreaCode],
}

/// Why an approval does not allow a use. The words go into logs and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    #[error("nobody approved this content")]
    NoApproval,
    #[error("the approval is for another place")]
    WrongArea,
    #[error("the priority is higher than the approval allows")]
    PriorityTooHigh,
    #[error("the approval is not valid at that time")]
    OutsideValidity,
    #[error("the approver's certificate is missing or not signed by the authority")]
    UnknownApprover,
    #[error("the approver may not approve for this place, priority or time")]
    ApproverOverstepped,
    #[error("the dispatcher may not plan for this place, priority or time")]
    DispatcherOverstepped,
    #[error("it is not lawful to broadcast then, or for so long")]
    QuietHours,
    #[error("an emergency needs a ticket that is signed for it, and there is none")]
    NoTicket,
    #[error("its ticket has sounded once already")]
    TicketUsed,
    #[error("a second approver has to approve it")]
    SecondApprover,
    #[error("the approver's key was revoked, or the bulletin withdrawn by the authority")]
    Revoked,
}

fn reaches(allowed: &[AreaCode], areas: &[AreaCode]) -> bool {
    areas.iter().any(|area| allowed.contains(area))
}

impl Certificate {
    pub fn is_valid_at(&self, ms: i64) -> bool {
        self.valid_from_ms <= ms && ms <= self.valid_until_ms
    }

    /// Whether this certificate covers acting in `areas` at `priority` from `from_ms` to `until_ms`.
    pub fn covers(&self, areas: &[AreaCode], priority: Priority, from_ms: i64, until_ms: i64) -> bool {
        reaches(&self.areas, areas)
            && priority <= self.highest
            && self.valid_from_ms <= from_ms
            && until_ms <= self.valid_until_ms
    }
}

impl Approval {
    /// Whether this approval, given by the holder of `approver`, allows `wanted`. The signatures are checked elsewhere.
    pub fn allows(&self, approver: &Certificate, wanted: &Use<'_>) -> Result<(), Denial> {
        if (&self.bulletin, self.revision, &self.media) != (wanted.bulletin, wanted.revision, wanted.media) {
            return Err(Denial::NoApproval);
        }
        if approver.role != Role::Approver || approver.site != self.site {
            return Err(Denial::UnknownApprover);
        }
        if !reaches(&self.areas, wanted.areas) {
            return Err(Denial::WrongArea);
        }
        if wanted.priority > self.highest {
            return Err(Denial::PriorityTooHigh);
        }
        if wanted.start_ms < self.valid_from_ms || wanted.end_ms > self.valid_until_ms {
            return Err(Denial::OutsideValidity);
        }
        if !approver.is_valid_at(self.made_ms)
            || !approver.covers(wanted.areas, wanted.priority, wanted.start_ms, wanted.end_ms)
        {
            return Err(Denial::ApproverOverstepped);
        }
        Ok(())
    }
}

impl Ticket {
    /// Whether this ticket, given by the holder of `approver`, is for `wanted`. Whether it was used is known to the board alone.
    pub fn is_for(&self, approver: &Certificate, wanted: &Use<'_>) -> bool {
        // From when it was made, too: a ticket for some day to come is none.
        let short = self.valid_until_ms.saturating_sub(self.valid_from_ms) <= TICKET_LIFE_MS + TICKET_EARLY_MS
            && self.valid_until_ms.saturating_sub(self.made_ms) <= TICKET_LIFE_MS;
        approver.role == Role::Approver
            && approver.site == self.site
            && short
            && self.media.contains(wanted.media)
            && reaches(&self.areas, wanted.areas)
            && self.valid_from_ms <= wanted.start_ms
            && wanted.end_ms <= self.valid_until_ms
            && wanted.end_ms.saturating_sub(wanted.start_ms) <= self.longest_ms
            && approver.is_valid_at(self.made_ms)
            && approver.covers(wanted.areas, Priority::Emergency, wanted.start_ms, wanted.end_ms)
    }
}

/// Serde form of a public key: standard base64 of its 32 bytes.
pub mod key_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::PublicKey;

    pub fn serialize<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(key.0))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(D::Error::custom)
    }

    /// The key in `text`, which must be base64 of exactly 32 bytes.
    pub fn parse(text: &str) -> Result<PublicKey, String> {
        let bytes = STANDARD.decode(text).map_err(|_| "a public key is 32 bytes in base64".to_owned())?;
        let bytes = bytes.try_into().map_err(|_| "a public key is 32 bytes in base64".to_owned())?;
        Ok(PublicKey(bytes))
    }

    pub fn format(key: &PublicKey) -> String {
        STANDARD.encode(key.0)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn codes(list: &[&str]) -> Vec<AreaCode> {
        list.iter().map(|c| c.parse().unwrap()).collect()
    }

    pub fn certificate() -> Certificate {
        Certificate {
            site: "mau".parse().unwrap(),
            role: Role::Approver,
            title: "Phó chủ tịch".into(),
            key: PublicKey([7; 32]),
            areas: codes(&["66"]),
            highest: Priority::Priority,
            valid_from_ms: 0,
            valid_until_ms: 1_000,
        }
    }

    pub fn approval() -> Approval {
        Approval {
            site: "mau".parse().unwrap(),
            bulletin: "b".parse().unwrap(),
            revision: 2,
            title: "Cắt nước".into(),
            media: MediaHash([1; 32]),
            areas: codes(&["24133"]),
            highest: Priority::Normal,
            valid_from_ms: 100,
            valid_until_ms: 900,
            made_ms: 50,
            approver: "k".parse().unwrap(),
        }
    }

    #[test]
    fn an_approval_allows_what_it_names_and_nothing_beside_it() {
        let bulletin = "b".parse().unwrap();
        let other = "c".parse().unwrap();
        let (media, forged) = (MediaHash([1; 32]), MediaHash([2; 32]));
        let (here, elsewhere) = (codes(&["66", "24133"]), codes(&["66", "24169"]));
        let good = Use {
            bulletin: &bulletin,
            revision: 2,
            media: &media,
            priority: Priority::Normal,
            start_ms: 100,
            end_ms: 900,
            areas: &here,
        };
        let narrow = Certificate { highest: Priority::Filler, ..certificate() };
        let late = Certificate { valid_from_ms: 60, ..certificate() };
        let dispatcher = Certificate { role: Role::Dispatcher, ..certificate() };
        let cases = [
            (certificate(), good, Ok(())),
            (certificate(), Use { bulletin: &other, ..good }, Err(Denial::NoApproval)),
            (certificate(), Use { revision: 3, ..good }, Err(Denial::NoApproval)),
            (certificate(), Use { media: &forged, ..good }, Err(Denial::NoApproval)),
            (certificate(), Use { areas: &elsewhere, ..good }, Err(Denial::WrongArea)),
            (certificate(), Use { priority: Priority::Priority, ..good }, Err(Denial::PriorityTooHigh)),
            (certificate(), Use { start_ms: 99, ..good }, Err(Denial::OutsideValidity)),
            (certificate(), Use { end_ms: 901, ..good }, Err(Denial::OutsideValidity)),
            (narrow, good, Err(Denial::ApproverOverstepped)),
            (late, good, Err(Denial::ApproverOverstepped)),
            (dispatcher, good, Err(Denial::UnknownApprover)),
        ];
        for (certificate, wanted, expected) in cases {
            assert_eq!(approval().allows(&certificate, &wanted), expected, "{wanted:?}");
        }
    }
}
