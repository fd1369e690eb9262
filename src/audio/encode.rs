//! The canonical broadcast form: mono Opus in Ogg (RFC 7845), 48 kHz, 20 ms packets.
//!
//! One form for everything that is delivered means one decoder on the board, small files on 4G, and one hash to approve.

use std::io::Write;

use ogg::writing::{PacketWriteEndInfo, PacketWriter};
use opusic_c::{Application, Bitrate, Channels, Encoder, SampleRate};

/// Wide-band speech and tunes are transparent enough for a horn at this rate; a minute is 0.36 MB.
pub const BITRATE: u32 = 48_000;
const FRAME: usize = 960;
/// One packet, at any rate, fits in this (RFC 6716: 1275 bytes a frame).
const MAX_PACKET: usize = 1_500;
const SERIAL: u32 = 1;

/// Takes samples and writes the file as they come.
pub struct OpusWriter<W: Write> {
    encoder: Encoder,
    ogg: PacketWriter<'static, W>,
    waiting: Vec<f32>,
    /// The last whole packet, held back until it is known whether it ends the stream.
    held: Option<Vec<u8>>,
    pre_skip: u64,
    taken: u64,
    coded: u64,
}

impl<W: Write> OpusWriter<W> {
    pub fn new(out: W) -> Result<Self, String> {
        let code = |e: opusic_c::ErrorCode| format!("opus: {e:?}");
        let mut encoder = Encoder::new(Channels::Mono, SampleRate::Hz48000, Application::Audio).map_err(code)?;
        encoder.set_bitrate(Bitrate::Value(BITRATE)).map_err(code)?;
        encoder.set_complexity(9).map_err(code)?;
        let pre_skip = encoder.get_look_ahead().map_err(code)?;
        let mut this = Self {
            encoder,
            ogg: PacketWriter::new(out),
            waiting: vec![],
            held: None,
            pre_skip: u64::from(pre_skip),
            taken: 0,
            coded: 0,
        };
        // RFC 7845, 5.1: version 1, 1 channel, pre-skip, original rate 48000, gain 0, mapping family 0.
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend((pre_skip as u16).to_le_bytes());
        head.extend(48_000u32.to_le_bytes());
        head.extend([0, 0, 0]);
        this.packet(head, PacketWriteEndInfo::EndPage, 0)?;
        let mut tags = b"OpusTags".to_vec();
        tags.extend(5u32.to_le_bytes());
        tags.extend(b"loaxa");
        tags.extend(0u32.to_le_bytes());
        this.packet(tags, PacketWriteEndInfo::EndPage, 0)?;
        Ok(this)
    }

    pub fn push(&mut self, samples: &[f32]) -> Result<(), String> {
        self.taken += samples.len() as u64;
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / FRAME * FRAME;
        for start in (0..whole).step_by(FRAME) {
            self.code(start)?;
        }
        self.waiting.drain(..whole);
        Ok(())
    }

    /// Codes the rest, ends the stream at exactly the frames taken, and gives the writer back.
    pub fn finish(mut self) -> Result<W, String> {
        let end = self.pre_skip + self.taken;
        while self.coded < end || self.held.is_none() {
            self.waiting.resize(FRAME, 0.0);
            self.code(0)?;
            self.waiting.clear();
        }
        if let Some(last) = self.held.take() {
            self.packet(last, PacketWriteEndInfo::EndStream, end)?;
        }
        Ok(self.ogg.into_inner())
    }

    fn code(&mut self, start: usize) -> Result<(), String> {
        let mut packet = vec![0; MAX_PACKET];
        let frame = &self.waiting[start..start + FRAME];
        let len = self.encoder.encode_float_to_slice(frame, &mut packet).map_err(|e| format!("opus: {e:?}"))?;
        packet.truncate(len);
        if let Some(before) = self.held.replace(packet) {
            let granule = self.coded;
            // A page a second keeps the header cost near 1 % and lets a player start quickly.
            let end = if granule.is_multiple_of(48_000) {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.packet(before, end, granule)?;
        }
        self.coded += FRAME as u64;
        Ok(())
    }

    fn packet(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo, granule: u64) -> Result<(), String> {
        self.ogg.write_packet(packet, SERIAL, end, granule).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::audio::decode::Decoder;

    #[test]
    fn what_is_coded_decodes_to_the_same_sound_in_the_same_place() {
        for frames in [1, 959, 960, 48_000, 100_001] {
            let tone = |n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5;
            let input: Vec<f32> = (0..frames).map(tone).collect();
            let mut writer = OpusWriter::new(vec![]).unwrap();
            input.chunks(1_000).for_each(|block| writer.push(block).unwrap());
            let bytes = writer.finish().unwrap();
            let mut decoder = Decoder::new(Box::new(Cursor::new(bytes)), Some("opus")).unwrap();
            let mut output = vec![];
            while decoder.next(&mut output) {}
            assert_eq!(output.len(), frames);
            if frames > 40_000 {
                let (mut cross, mut a, mut b) = (0.0, 0.0, 0.0);
                for (x, y) in input.iter().zip(&output).skip(2_000) {
                    (cross, a, b) = (cross + x * y, a + x * x, b + y * y);
                }
                assert!(cross / (a * b).sqrt() > 0.995, "correlation {}", cross / (a * b).sqrt());
            }
        }
    }
}
