//! DSSE envelopes: payload bytes signed as they are, so that no re-serialisation stands between signer and verifier.
//!
//! Source: DSSE 1.0.2, <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>. One signature per envelope
//! is made; any number (up to four) is read, and one good one by the wanted key suffices.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::keys::{SigningKey, key_id, verify};
use crate::domain::approval::{Approval, Certificate, PublicKey, Ticket};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::KeyId;
use crate::domain::plan::{Plan, PlanText};
use crate::domain::trust::{Succession, TrustList};

/// A statement that can be signed. Its type is part of what is signed, so one kind can never pass for another.
pub trait Statement: Serialize + DeserializeOwned {
    const PAYLOAD_TYPE: &'static str;
}

impl Statement for Certificate {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.certificate.v1+json";
}

impl Statement for Approval {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.approval.v1+json";
}

impl Statement for HoursStatement {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.hours.v1+json";
}

impl Statement for Ticket {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.ticket.v1+json";
}

impl Statement for TrustList {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.trust.v1+json";
}

/// Signed twice.
impl Statement for Succession {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.succession.v1+json";
}

impl Statement for Plan {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.plan.v2+json";
}

/// A plan as it is written is that plan.
impl Statement for PlanText {
    const PAYLOAD_TYPE: &'static str = Plan::PAYLOAD_TYPE;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    pub payload_type: String,
    /// Base64 of the statement's JSON bytes.
    pub payload: String,
    pub signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub keyid: KeyId,
    /// Base64 of the 64-byte Ed25519 signature.
    pub sig: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    #[error("it is a {found}, not a {wanted}")]
    WrongType { found: String, wanted: &'static str },
    #[error("it is not signed by the key that should have signed it")]
    NotSignedBy,
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// DSSE's pre-authentication encoding: what is really signed.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    pub fn sign<S: Statement>(statement: &S, key: &SigningKey) -> Result<Self, EnvelopeError> {
        let payload = serde_json::to_vec(statement).map_err(|e| EnvelopeError::Damaged(e.to_string()))?;
        let sig = key.sign(&pre_authentication_encoding(S::PAYLOAD_TYPE, &payload));
        Ok(Self {
            payload_type: S::PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid: key_id(&key.public()), sig: STANDARD.encode(sig) }],
        })
    }

    /// Adds the signature of another key over the same bytes.
    pub fn countersign<S: Statement>(&mut self, key: &SigningKey) -> Result<(), EnvelopeError> {
        let sig = key.sign(&pre_authentication_encoding(S::PAYLOAD_TYPE, &self.payload_as::<S>()?));
        self.signatures.push(Signature { keyid: key_id(&key.public()), sig: STANDARD.encode(sig) });
        Ok(())
    }

    /// The statement, if `key` signed these very bytes as this type of statement.
    pub fn open<S: Statement>(&self, key: &PublicKey) -> Result<S, EnvelopeError> {
        let payload = self.payload_as::<S>()?;
        let signed = pre_authentication_encoding(S::PAYLOAD_TYPE, &payload);
        let wanted = key_id(key);
        let good =
            self.signatures.iter().take(4).filter(|signature| signature.keyid == wanted).any(|signature| {
                STANDARD.decode(&signature.sig).is_ok_and(|signature| verify(key, &signed, &signature))
            });
        if !good {
            return Err(EnvelopeError::NotSignedBy);
        }
        serde_json::from_slice(&payload).map_err(|e| EnvelopeError::Damaged(e.to_string()))
    }

    /// The statement without any check of who signed it: only to find out which key should have.
    pub fn peek<S: Statement>(&self) -> Result<S, EnvelopeError> {
        serde_json::from_slice(&self.payload_as::<S>()?).map_err(|e| EnvelopeError::Damaged(e.to_string()))
    }

    fn payload_as<S: Statement>(&self) -> Result<Vec<u8>, EnvelopeError> {
        if self.payload_type != S::PAYLOAD_TYPE {
            let found = self.payload_type.chars().take(80).collect();
            return Err(EnvelopeError::WrongType { found, wanted: S::PAYLOAD_TYPE });
        }
        STANDARD.decode(&self.payload).map_err(|e| EnvelopeError::Damaged(e.to_string()))
    }
}
