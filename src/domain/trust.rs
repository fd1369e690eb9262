//! Whom to trust no more, and where two must agree: what the authority says to every speaker, and the one judgement over approvals.
//!
//! The trust list is small, versioned and signed by the authority. It travels with every plan, and a speaker never goes back behind the
//! highest version that it has seen, so that a revocation cannot be undone by whoever owns the server. The rules are those of TUF's
//! client (<https://theupdateframework.github.io/specification/latest/>, section 5): highest version kept, expired refused; and since
//! plan numbers are counted by dispatcher, revoking a dispatcher's key also recovers from numbers that a thief pushed to their end.

use serde::{Deserialize, Serialize};

use super::approval::{Approval, Certificate, Denial, PublicKey, Ticket, Use, key_text};
use super::ids::{AreaCode, BulletinId, KeyId, SiteId};
use super::moved::Moved;
use super::priority::Priority;

/// Most entries of one trust list, all kinds together.
pub const MAX_ENTRIES: usize = 1000;

/// Signed by the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct TrustList {
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub site: SiteId,
    /// Rises with every change; a speaker never goes back.
    pub version: u64,
    pub made_ms: i64,
    /// After this no new plan is accepted with it.
    pub valid_until_ms: i64,
    /// Keys of approvers and dispatchers whose signatures are worth nothing any more, whenever they were made: who has
    /// stolen a key can also write an old date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "center", schema(value_type = Vec<String>))]
    pub revoked: Vec<KeyId>,
    /// Bulletins that are off the air for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Withdrawn>,
    /// Where, and from which priority on, two approvers have to agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub two_approvers: Vec<TwoApprovers>,
    /// What stands elsewhere than it did, in the order in which that was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}

/// A bulletin up to and including this revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Withdrawn {
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub bulletin: BulletinId,
    pub up_to: u32,
}

/// In this area and all below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct TwoApprovers {
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub area: AreaCode,
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub from: Priority,
}

/// Signed by the authority that gives way and by the one that follows it: from now on the latter alone is the authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    pub site: SiteId,
    #[serde(with = "key_text")]
    pub from: PublicKey,
    #[serde(with = "key_text")]
    pub to: PublicKey,
    pub made_ms: i64,
}

impl TrustList {
    /// What holds where the authority has said nothing yet.
    pub fn unless_said(site: SiteId) -> Self {
        Self {
            site,
            version: 0,
            made_ms: 0,
            valid_until_ms: i64::MAX,
            revoked: vec![],
            withdrawn: vec![],
            two_approvers: vec![],
            moved: vec![],
        }
    }

    pub fn entries(&self) -> usize {
        let moved: usize = self.moved.iter().map(Moved::entries).sum();
        self.revoked.len() + self.withdrawn.len() + self.two_approvers.len() + moved
    }

    /// Whether all that it says of places makes sense.
    pub fn is_sound(&self) -> bool {
        self.moved.iter().all(|moved| moved.is_sound(self.version))
    }

    pub fn is_revoked(&self, key: &KeyId) -> bool {
        self.revoked.contains(key)
    }

    fn is_withdrawn(&self, bulletin: &BulletinId, revision: u32) -> bool {
        self.withdrawn.iter().any(|one| one.bulletin == *bulletin && revision <= one.up_to)
    }

    /// How many different approvers have to approve what sounds there (areas from the widest down to the speaker's own).
    pub fn approvers_needed(&self, areas: &[AreaCode], priority: Priority) -> usize {
        let two = self.two_approvers.iter().any(|rule| areas.contains(&rule.area) && priority >= rule.from);
        if two { 2 } else { 1 }
    }

    /// Whether `approvals`, each with its approver's certificate, allow `wanted` together. Their signatures are checked elsewhere.
    pub fn judge<'a>(
        &self,
        approvals: impl IntoIterator<Item = (&'a Approval, &'a Certificate)>,
        wanted: &Use<'_>,
    ) -> Result<(), Denial> {
        if self.is_withdrawn(wanted.bulletin, wanted.revision) {
            return Err(Denial::Revoked);
        }
        let (mut agreed, mut denial): (Vec<&KeyId>, _) = (vec![], Denial::NoApproval);
        for (approval, approver) in approvals {
            let verdict = match approval.allows(approver, wanted) {
                Err(Denial::NoApproval) => continue,
                _ if self.is_revoked(&approval.approver) => Err(Denial::Revoked),
                verdict => verdict,
            };
            match verdict {
                Ok(()) if !agreed.contains(&&approval.approver) => agreed.push(&approval.approver),
                Ok(()) => {}
                Err(why) => denial = why,
            }
        }
        match agreed.len() {
            0 => Err(denial),
            count if count < self.approvers_needed(wanted.areas, wanted.priority) => Err(Denial::SecondApprover),
            _ => Ok(()),
        }
    }

    /// The tickets among these that are for `wanted`.
    pub fn tickets_for<'a: 'b, 'b>(
        &'b self,
        tickets: impl IntoIterator<Item = (&'a Ticket, &'a Certificate)> + 'b,
        wanted: &'b Use<'b>,
    ) -> impl Iterator<Item = &'a Ticket> + 'b {
        let good = move |(ticket, approver): &(&Ticket, &Certificate)| {
            !self.is_revoked(&ticket.approver) && ticket.is_for(approver, wanted)
        };
        tickets.into_iter().filter(good).map(|(ticket, _)| ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approval::tests::{approval, certificate, codes};
    use crate::domain::ids::MediaHash;

    /// An approver for emergencies, and an approval of theirs for the whole province.
    fn chief() -> Certificate {
        Certificate { highest: Priority::Emergency, valid_until_ms: 1_000_000_000, ..certificate() }
    }

    fn by(approver: &str) -> Approval {
        let (highest, areas) = (Priority::Emergency, codes(&["66"]));
        Approval { highest, areas, approver: approver.parse().unwrap(), ..approval() }
    }

    fn list() -> TrustList {
        TrustList::unless_said("mau".parse().unwrap())
    }

    #[test]
    fn revoked_withdrawn_and_two_approvers() {
        let (bulletin, media, here) = ("b".parse().unwrap(), MediaHash([1; 32]), codes(&["66", "24133"]));
        let wanted = |priority| Use {
            bulletin: &bulletin,
            revision: 2,
            media: &media,
            priority,
            start_ms: 100,
            end_ms: 900,
            areas: &here,
        };
        let revoked = TrustList { revoked: vec!["k1".parse().unwrap()], ..list() };
        let withdrawn =
            |up_to| TrustList { withdrawn: vec![Withdrawn { bulletin: "b".parse().unwrap(), up_to }], ..list() };
        let two = TrustList {
            two_approvers: vec![TwoApprovers { area: "24133".parse().unwrap(), from: Priority::Priority }],
            ..list()
        };
        let (normal, urgent) = (Priority::Normal, Priority::Priority);
        type Case<'a> = (&'a TrustList, &'a [&'a str], Priority, Result<(), Denial>);
        let cases: [Case<'_>; 11] = [
            (&list(), &["k1"], normal, Ok(())),
            (&list(), &[], normal, Err(Denial::NoApproval)),
            (&revoked, &["k1"], normal, Err(Denial::Revoked)),
            (&revoked, &["k1", "k2"], normal, Ok(())),
            (&withdrawn(2), &["k1"], normal, Err(Denial::Revoked)),
            (&withdrawn(1), &["k1"], normal, Ok(())),
            (&two, &["k1"], normal, Ok(())),
            (&two, &["k1"], urgent, Err(Denial::SecondApprover)),
            (&two, &["k1", "k1"], urgent, Err(Denial::SecondApprover)),
            (&two, &["k1", "k2"], urgent, Ok(())),
            (
                &TrustList { revoked: vec!["k2".parse().unwrap()], ..two.clone() },
                &["k1", "k2"],
                urgent,
                Err(Denial::SecondApprover),
            ),
        ];
        for (index, (list, approvers, priority, expected)) in cases.into_iter().enumerate() {
            let given: Vec<_> = approvers.iter().map(|one| (by(one), chief())).collect();
            let verdict = list.judge(given.iter().map(|(a, c)| (a, c)), &wanted(priority));
            assert_eq!(verdict, expected, "case {index}");
        }
    }

    #[test]
    fn a_ticket_is_for_its_sounds_place_time_and_length_and_short_lived() {
        let (bulletin, media, other, here) =
            ("b".parse().unwrap(), MediaHash([1; 32]), MediaHash([2; 32]), codes(&["66", "24133"]));
        let good = Ticket {
            site: "mau".parse().unwrap(),
            ticket: "t1".parse().unwrap(),
            title: "Lũ".into(),
            media: vec![media],
            areas: codes(&["24133"]),
            valid_from_ms: 50,
            valid_until_ms: 2_000,
            longest_ms: 800,
            made_ms: 60,
            approver: "k1".parse().unwrap(),
        };
        let wanted = Use {
            bulletin: &bulletin,
            revision: 2,
            media: &media,
            priority: Priority::Emergency,
            start_ms: 100,
            end_ms: 900,
            areas: &here,
        };
        let far = codes(&["66", "24169"]);
        let low = Certificate { highest: Priority::Priority, ..chief() };
        let late = Certificate { valid_from_ms: 61, ..chief() };
        let standing = Ticket { valid_until_ms: 10 * super::super::DAY_MS, ..good.clone() };
        let cases = [
            (&good, chief(), wanted, true),
            (&good, chief(), Use { media: &other, ..wanted }, false),
            (&good, chief(), Use { areas: &far, ..wanted }, false),
            (&good, chief(), Use { start_ms: 49, end_ms: 800, ..wanted }, false),
            (&good, chief(), Use { start_ms: 1_500, end_ms: 2_001, ..wanted }, false),
            (&good, chief(), Use { end_ms: 901, ..wanted }, false),
            (&good, low, wanted, false),
            (&good, late, wanted, false),
            (&standing, Certificate { valid_until_ms: i64::MAX, ..chief() }, wanted, false),
        ];
        for (index, (ticket, approver, wanted, expected)) in cases.into_iter().enumerate() {
            assert_eq!(ticket.is_for(&approver, &wanted), expected, "case {index}");
        }
    }
}
