//! Writes mono 16-bit WAV (RIFF) files at the broadcast rate.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::RATE_HZ;

/// A file being written. Its header is right after every [`WavWriter::flush`], so a killed process leaves a playable file.
#[derive(Debug)]
pub struct WavWriter {
    file: BufWriter<File>,
    data_bytes: u32,
}

/// What fits in RIFF's 32-bit sizes.
const MAX_DATA_BYTES: u32 = u32::MAX - 1024;

impl WavWriter {
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut this = Self { file: BufWriter::new(File::create(path)?), data_bytes: 0 };
        this.write_header()?;
        Ok(this)
    }

    pub fn write(&mut self, samples: &[f32]) -> std::io::Result<()> {
        for sample in samples {
            if self.data_bytes >= MAX_DATA_BYTES {
                return Err(std::io::Error::other("the WAV file is full (4 GiB)"));
            }
            self.file.write_all(&to_i16(*sample).to_le_bytes())?;
            self.data_bytes += 2;
        }
        Ok(())
    }

    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.write_header()?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.flush()
    }

    fn write_header(&mut self) -> std::io::Result<()> {
        self.file.write_all(&header(self.data_bytes))
    }
}

pub const HEADER_BYTES: usize = 44;

/// The header of a file with so many bytes of frames behind it.
pub fn header(data_bytes: u32) -> [u8; HEADER_BYTES] {
    let mut header = *b"RIFF....WAVEfmt ....................data....";
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(4, &(36 + data_bytes).to_le_bytes());
    put(16, &16u32.to_le_bytes());
    put(20, &1u16.to_le_bytes()); // PCM
    put(22, &1u16.to_le_bytes()); // mono
    put(24, &RATE_HZ.to_le_bytes());
    put(28, &(RATE_HZ * 2).to_le_bytes());
    put(32, &2u16.to_le_bytes()); // bytes a frame
    put(34, &16u16.to_le_bytes()); // bits a sample
    put(40, &data_bytes.to_le_bytes());
    header
}

pub fn to_i16(sample: f32) -> i16 {
    (sample.clamp(-1.0, 1.0) * 32767.0).round() as i16
}
