//! Who may do what, and where: roles bound to a unit of the area tree and all below it, and the names of accounts.
//!
//! A closed list of rights, one table from roles to rights, and one function that decides. What a request needs is said by the API;
//! who somebody is, by the sign-in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::AreaCode;

/// One kind of thing that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum Right {
    /// Look at plans, plays, bulletins and speakers.
    See,
    /// Write bulletins, programmes, schedules and calendars, and submit them.
    EditContent,
    /// Approve and return what was submitted. The signature is the approver's own key's; this only lets it in.
    Approve,
    /// Add speakers and say what is known of them.
    OperateSpeakers,
    /// Add units, and say whose bulletins go first there.
    ManageAreas,
    /// Bring in what the authority has signed: certificates, lawful hours.
    ManageTrust,
    /// Accounts, roles, passwords of others, tokens of others.
    ManagePeople,
    /// Read the audit log.
    ReadAudit,
}

impl Right {
    pub const ALL: [Self; 8] = [
        Self::See,
        Self::EditContent,
        Self::Approve,
        Self::OperateSpeakers,
        Self::ManageAreas,
        Self::ManageTrust,
        Self::ManagePeople,
        Self::ReadAudit,
    ];

    /// For the sentence "you may not ...".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::See => "look at this",
            Self::EditContent => "edit bulletins, programmes and schedules",
            Self::Approve => "approve or return bulletins",
            Self::OperateSpeakers => "change speakers",
            Self::ManageAreas => "change areas",
            Self::ManageTrust => "bring in certificates and lawful hours",
            Self::ManagePeople => "manage people",
            Self::ReadAudit => "read the audit log",
        }
    }
}

/// What somebody is in a unit and in all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum Role {
    /// quản trị
    Admin,
    /// biên tập viên
    Editor,
    /// người duyệt
    Approver,
    /// trực kỹ thuật
    Operator,
    /// người xem
    Viewer,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Admin, Self::Editor, Self::Approver, Self::Operator, Self::Viewer];

    /// The table. An editor cannot approve, nor an approver edit: who needs both is given both, which can be seen.
    pub fn allows(self, right: Right) -> bool {
        match self {
            Self::Admin => true,
            Self::Editor => matches!(right, Right::See | Right::EditContent),
            Self::Approver => matches!(right, Right::See | Right::Approve),
            Self::Operator => matches!(right, Right::See | Right::OperateSpeakers),
            Self::Viewer => right == Right::See,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| format!("role {text:?} is not one of admin, editor, approver, operator, viewer"))
    }
}

/// A role in a unit and in all below it; written `editor@24133`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct Grant {
    pub role: Role,
    #[cfg_attr(feature = "center", schema(value_type = String))]
    pub area: AreaCode,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.role, self.area)
    }
}

impl FromStr for Grant {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (role, area) = text
            .split_once('@')
            .ok_or_else(|| format!("{text:?}: write a role and where it counts, such as editor@24133"))?;
        Ok(Self { role: role.parse()?, area: area.parse().map_err(|e| format!("{e}"))? })
    }
}

/// Whether `grants` allow `right` in the unit at the end of `path`, which runs from the widest unit down to it.
pub fn allowed(grants: &[Grant], right: Right, path: &[AreaCode]) -> bool {
    grants.iter().any(|grant| grant.role.allows(right) && path.contains(&grant.area))
}

/// Whether `grants` allow `right` in any place at all.
pub fn allowed_somewhere(grants: &[Grant], right: Right) -> bool {
    grants.iter().any(|grant| grant.role.allows(right))
}

/// Whether whoever holds `grants` may hand on `role` in the unit at the end of `path`: nobody gives more than they have.
pub fn may_give(grants: &[Grant], role: Role, path: &[AreaCode]) -> bool {
    Right::ALL.into_iter().filter(|right| role.allows(*right)).all(|right| allowed(grants, right, path))
}

/// Under which somebody signs in: 2-40 of `a-z 0-9 . - _`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// Who holds the data directory: not an account, and no account's name.
pub const LOCAL: &str = "local";

impl AccountName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let well_formed = (2..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        match text {
            LOCAL => Err(format!("the name {LOCAL:?} is the center's own; choose another")),
            _ if well_formed => Ok(Self(text.to_owned())),
            _ => {
                let shown: String = text.chars().take(60).collect();
                Err(format!(
                    "name {shown:?} is not valid: use 2-40 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
                ))
            }
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(codes: &[&str]) -> Vec<AreaCode> {
        codes.iter().map(|code| code.parse().unwrap()).collect()
    }

    #[test]
    fn the_table_of_roles_and_rights() {
        // admin, editor, approver, operator, viewer
        let table = [
            (Right::See, [true, true, true, true, true]),
            (Right::EditContent, [true, true, false, false, false]),
            (Right::Approve, [true, false, true, false, false]),
            (Right::OperateSpeakers, [true, false, false, true, false]),
            (Right::ManageAreas, [true, false, false, false, false]),
            (Right::ManageTrust, [true, false, false, false, false]),
            (Right::ManagePeople, [true, false, false, false, false]),
            (Right::ReadAudit, [true, false, false, false, false]),
        ];
        assert_eq!(table.map(|(right, _)| right), Right::ALL);
        for (right, expected) in table {
            for (role, expected) in Role::ALL.into_iter().zip(expected) {
                let grants = [Grant { role, area: "24133".parse().unwrap() }];
                let at = |codes: &[&str]| allowed(&grants, right, &path(codes));
                assert_eq!(at(&["66", "24133"]), expected, "{role} {right:?} in its own unit");
                assert_eq!(at(&["66", "24133", "buon-1"]), expected, "{role} {right:?} below it");
                assert!(!at(&["66"]), "{role} {right:?} above it");
                assert!(!at(&["66", "24169"]), "{role} {right:?} beside it");
                assert!(!at(&[]), "{role} {right:?} nowhere");
            }
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        let commune_admin: Vec<Grant> = vec!["admin@24133".parse().unwrap()];
        let both: Vec<Grant> = ["editor@66", "approver@24133"].map(|grant| grant.parse().unwrap()).into();
        let inside = path(&["66", "24133"]);
        for role in Role::ALL {
            assert!(may_give(&commune_admin, role, &inside), "{role}");
            assert!(!may_give(&commune_admin, role, &path(&["66"])), "{role} above");
            assert!(!may_give(&commune_admin, role, &path(&["66", "24169"])), "{role} beside");
        }
        assert!(may_give(&both, Role::Editor, &inside) && may_give(&both, Role::Approver, &inside));
        assert!(!may_give(&both, Role::Approver, &path(&["66"])) && !may_give(&both, Role::Admin, &inside));
        assert!(!may_give(&both, Role::Operator, &inside));
    }

    #[test]
    fn names_and_grants_have_one_spelling() {
        for good in ["lan", "n.t-lan_2", "7a", &"a".repeat(40)] {
            assert!(good.parse::<AccountName>().is_ok(), "{good}");
        }
        for bad in ["", "a", "Lan", "lân", "-a", ".a", "a b", "local", "a@b", "a:b", &"a".repeat(41)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
        assert_eq!("editor@24133".parse::<Grant>().unwrap().to_string(), "editor@24133");
        for bad in ["editor", "boss@24133", "editor@", "editor@X"] {
            assert!(bad.parse::<Grant>().is_err(), "{bad:?}");
        }
    }
}
