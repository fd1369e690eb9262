//! Edits that two people may make at once: what is read carries a tag of its content, and what is written may say of which.
//!
//! Without a tag an edit is taken as it comes, as before; the page always sends one.

use std::convert::Infallible;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Problem;

/// The `type` of the problem that tells an editor that somebody was quicker.
pub const CHANGED_MEANWHILE: &str = "loaxa:changed-meanwhile";

/// A strong tag (RFC 9110, section 8.8.3): the beginning of the SHA-256 of what is told.
pub fn tag(value: &impl Serialize) -> Result<String, Problem> {
    let json = serde_json::to_vec(value).map_err(Problem::internal)?;
    Ok(format!("\"{}\"", hex::encode(&Sha256::digest(&json)[..12])))
}

/// An answer with the tag of its content.
pub fn tagged(value: &impl Serialize) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(&tag(value)?).map_err(Problem::internal)?;
    Ok(([(header::ETAG, tag)], Json(value)).into_response())
}

/// Of what the sender has seen: the header `If-Match`, if it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Option<String>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get(header::IF_MATCH);
        Ok(Self(header.map(|tags| String::from_utf8_lossy(tags.as_bytes()).into_owned())))
    }
}

impl IfMatch {
    /// Refuses an edit of something else than what is there now. `current` is what the reading path tells; nothing for what is not there,
    /// which `*` does not match either.
    pub fn check(&self, current: Option<&impl Serialize>) -> Result<(), Problem> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let fits = match current {
            Some(_) if wanted.trim() == "*" => true,
            Some(current) => {
                let tag = tag(current)?;
                wanted.split(',').any(|one| one.trim() == tag)
            }
            None => false,
        };
        if fits { Ok(()) } else { Err(changed_meanwhile()) }
    }
}

fn changed_meanwhile() -> Problem {
    let detail = "somebody has changed this since you opened it; read it again, then make your change once more";
    Problem { kind: CHANGED_MEANWHILE.into(), ..Problem::new(StatusCode::PRECONDITION_FAILED, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tags: &str) -> IfMatch {
        IfMatch(Some(tags.to_owned()))
    }

    #[test]
    fn an_edit_is_taken_only_of_what_is_there() {
        let (now, before) = (serde_json::json!({ "title": "mới" }), serde_json::json!({ "title": "cũ" }));
        let (new_tag, old_tag) = (tag(&now).unwrap(), tag(&before).unwrap());
        assert!(seen(&new_tag).check(Some(&now)).is_ok());
        assert!(seen(&format!("{old_tag}, {new_tag}")).check(Some(&now)).is_ok());
        assert!(IfMatch(None).check(Some(&now)).is_ok(), "who says nothing is not asked");
        assert!(seen("*").check(Some(&now)).is_ok());
        let refused = seen(&old_tag).check(Some(&now)).unwrap_err();
        assert_eq!((refused.status, refused.kind.as_str()), (412, CHANGED_MEANWHILE));
        assert!(seen(&new_tag).check(None::<&serde_json::Value>).is_err(), "gone");
        assert!(seen("*").check(None::<&serde_json::Value>).is_err());
    }
}
