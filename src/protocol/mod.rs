//! What crosses the wire: signed envelopes, keys, topics, messages, chunks, and the limits of each.
//!
//! Bytes come in here and leave as domain values, or as a refusal that says why. Nothing here does input or output.

pub mod audit;
pub mod chunks;
pub mod enrolment;
pub mod envelope;
pub mod keys;
pub mod limits;
pub mod message;
pub mod neighbour;
pub mod topics;
pub mod trust;
