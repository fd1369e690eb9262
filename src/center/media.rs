//! The media store: files in the broadcast form under the hash of their content.

use std::io;
use std::path::PathBuf;

use crate::center::datadir::write_whole;
use crate::domain::ids::MediaHash;
use crate::domain::plan::MediaRef;
use crate::protocol::chunks::describe;
use crate::protocol::keys::media_hash;

#[derive(Debug, Clone)]
pub struct MediaStore {
    dir: PathBuf,
}

impl MediaStore {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub fn path(&self, hash: &MediaHash) -> PathBuf {
        self.dir.join(format!("{hash}.opus"))
    }

    /// Keeps a file; one with the same content is there already.
    pub fn add(&self, bytes: &[u8]) -> io::Result<MediaHash> {
        let hash = media_hash(bytes);
        let path = self.path(&hash);
        if !path.exists() {
            write_whole(&path, bytes)?;
        }
        Ok(hash)
    }

    /// A file whole, checked against its name.
    pub fn read(&self, hash: &MediaHash) -> io::Result<Vec<u8>> {
        let bytes = std::fs::read(self.path(hash))?;
        if media_hash(&bytes) == *hash {
            Ok(bytes)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("media {hash} is damaged on the disk")))
        }
    }

    /// Whether a file is here, and still what it was.
    pub fn check(&self, hash: &MediaHash) -> io::Result<()> {
        self.read(hash).map(drop)
    }

    /// How a file is cut for delivery.
    pub fn describe(&self, hash: &MediaHash) -> io::Result<MediaRef> {
        Ok(describe(*hash, &self.read(hash)?))
    }
}
