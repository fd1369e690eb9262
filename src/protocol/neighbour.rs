//! What controllers of one site tell each other on their own network, so that they keep in step more closely than a mobile network lets
//! them know the time: who leads, and what the leader's clock says.
//!
//! Small UDP packets: JSON and, behind it, a tag (HMAC-SHA256, its first 16 bytes) by a key that the speakers of an area have from their plans.
//! Whoever has no such key can neither lead nor mislead.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::keys::SigningKey;
use crate::domain::ids::{AreaCode, SiteId, SpeakerId};
use crate::domain::plan::NeighbourKey;

/// Where the packets go: a group of the administratively scoped block (RFC 2365), never beyond the local network.
pub const GROUP: [u8; 4] = [239, 255, 76, 88];
pub const PORT: u16 = 7688;
/// Largest packet.
pub const PACKET_BYTES: usize = 512;
const TAG_BYTES: usize = 16;

/// One packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Packet {
    /// To all: I am here, and know the time so well.
    Beacon { speaker: SpeakerId, class: u8 },
    /// To the leader: what does your clock say?
    Probe { speaker: SpeakerId, to: SpeakerId, sequence: u32, sent_mono_ns: i64 },
    /// The answer, with the leader's monotonic time at arrival and at sending, and what it knows of the center's time.
    Answer {
        speaker: SpeakerId,
        to: SpeakerId,
        sequence: u32,
        sent_mono_ns: i64,
        /// Changes when the leader's monotonic clock begins anew.
        boot: u64,
        arrived_mono_ns: i64,
        answered_mono_ns: i64,
        known: Known,
    },
}

/// What a board knows of the center's Unix time: `offset_ns` + its own monotonic time at `at_mono_ns`, moving by `rate`, within `error_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Known {
    pub offset_ns: i64,
    pub at_mono_ns: i64,
    pub rate: f64,
    pub error_ns: i64,
}

/// The key of an area's speakers. Only the dispatcher can work it out, and always comes to the same one.
pub fn area_key(dispatcher: &SigningKey, site: &SiteId, area: &AreaCode) -> NeighbourKey {
    let signature = dispatcher.sign(format!("loaxa neighbours v1 {site} {area}").as_bytes());
    NeighbourKey(Sha256::digest(signature).into())
}

fn tag(key: &NeighbourKey, json: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
    mac.update(b"loaxa neighbour v1\n");
    mac.update(json);
    Some(mac)
}

impl Packet {
    pub fn seal(&self, key: &NeighbourKey) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        if let Some(mac) = tag(key, &bytes) {
            bytes.extend_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
        }
        bytes
    }

    /// Reads a packet; `None` for whatever was not sealed with this key.
    pub fn open(bytes: &[u8], key: &NeighbourKey) -> Option<Self> {
        let (json, found) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        if bytes.len() > PACKET_BYTES {
            return None;
        }
        tag(key, json)?.verify_truncated_left(found).ok()?;
        serde_json::from_slice(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_opens_with_its_key_alone_and_only_as_it_was_sealed() {
        let dispatcher = SigningKey::from_seed(&[1; 32]);
        let (site, area) = ("mau".parse().unwrap(), "24133".parse().unwrap());
        let key = area_key(&dispatcher, &site, &area);
        assert_eq!(key, area_key(&dispatcher, &site, &area));
        let other = area_key(&dispatcher, &site, &"24169".parse().unwrap());
        let packet = Packet::Beacon { speaker: "a".parse().unwrap(), class: 2 };
        let sealed = packet.seal(&key);
        assert_eq!(Packet::open(&sealed, &key), Some(packet));
        assert_eq!(Packet::open(&sealed, &other), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(Packet::open(&changed, &key), None, "byte {at}");
        }
        assert_eq!(Packet::open(&[], &key), None);
    }
}
