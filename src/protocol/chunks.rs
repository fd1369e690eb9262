//! Media cut into chunks for delivery, and the bitmap that says which of them are there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::limits::CHUNK_BYTES;
use crate::domain::ids::MediaHash;
use crate::domain::plan::{MAX_MEDIA_BYTES, MediaRef};

/// Most chunks any file can have; a bitmap beyond it is refused.
pub const MAX_CHUNKS: usize = (MAX_MEDIA_BYTES / 1024) as usize;

/// The first 16 bytes of a chunk's SHA-256 in hex.
pub fn chunk_hash(chunk: &[u8]) -> String {
    hex::encode(&Sha256::digest(chunk)[..16])
}

/// Describes a whole file for a plan.
pub fn describe(hash: MediaHash, bytes: &[u8]) -> MediaRef {
    MediaRef {
        hash,
        bytes: bytes.len() as u64,
        chunk_bytes: CHUNK_BYTES,
        chunks: bytes.chunks(CHUNK_BYTES as usize).map(chunk_hash).collect(),
    }
}

/// Which chunks, one bit each, lowest bit of the first byte first; base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bitmap {
    bytes: Vec<u8>,
}

impl Bitmap {
    pub fn with_len(chunks: usize) -> Self {
        Self { bytes: vec![0; chunks.min(MAX_CHUNKS).div_ceil(8)] }
    }

    pub fn get(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// Sets a bit; an index beyond the length it was made with is ignored.
    pub fn set(&mut self, index: usize) {
        if let Some(byte) = self.bytes.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }

    /// Sets a bit, growing as far as any file needs.
    pub fn insert(&mut self, index: usize) {
        if index < MAX_CHUNKS && index / 8 >= self.bytes.len() {
            self.bytes.resize(index / 8 + 1, 0);
        }
        self.set(index);
    }

    pub fn remove(&mut self, index: usize) {
        if let Some(byte) = self.bytes.get_mut(index / 8) {
            *byte &= !(1 << (index % 8));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    pub fn count(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Adds the bits of `other`, growing to its length.
    pub fn merge(&mut self, other: &Self) {
        self.bytes.resize(self.bytes.len().max(other.bytes.len()), 0);
        self.bytes.iter_mut().zip(&other.bytes).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// The set indices, rising.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.bytes.len() * 8).filter(|index| self.get(*index))
    }
}

impl TryFrom<String> for Bitmap {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| "a bitmap is base64 without padding".to_owned())?;
        if bytes.len() > MAX_CHUNKS.div_ceil(8) {
            Err("a bitmap this long names no file".into())
        } else {
            Ok(Self { bytes })
        }
    }
}

impl From<Bitmap> for String {
    fn from(bitmap: Bitmap) -> String {
        STANDARD_NO_PAD.encode(bitmap.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::keys::media_hash;

    #[test]
    fn a_description_names_every_chunk_with_its_length() {
        let bytes: Vec<u8> = (0..150_000u32).map(|n| n as u8).collect();
        let media = describe(media_hash(&bytes), &bytes);
        assert_eq!(media.chunks.len(), 3);
        assert_eq!((media.chunk_len(0), media.chunk_len(2), media.chunk_len(3)), (65_536, 150_000 - 131_072, 0));
        assert_eq!(media.chunks[2], chunk_hash(&bytes[131_072..]));
    }

    #[test]
    fn bitmaps_merge_and_survive_the_wire() {
        let mut a = Bitmap::with_len(20);
        a.set(0);
        a.set(19);
        a.set(500);
        let mut b = Bitmap::with_len(3);
        b.set(1);
        b.merge(&a);
        assert_eq!(b.ones().collect::<Vec<_>>(), [0, 1, 19]);
        assert_eq!(Bitmap::try_from(String::from(b.clone())).unwrap(), b);
        assert!(Bitmap::try_from("A".repeat(100_000)).is_err());
        assert!(Bitmap::try_from("*".to_owned()).is_err());
    }
}
