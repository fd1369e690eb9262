//! What an M4A says of the padding that its encoder put before and after the recording: the edit list (ISO 14496-12, 8.6.6), or iTunes' note.
//!
//! Nothing but padding is taken from it: an edit that leaves out more than a second is not believed, since damage looks the same. Codecs and
//! samples are the decoder's business.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

/// Where the recording lies within what is coded, in units of the track's own time scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    pub from: u64,
    /// Unknown where the file is made of fragments.
    pub length: Option<u64>,
    pub units_per_s: u32,
}

/// A file that was cut off, with nothing after its end as far as its last box was to go: symphonia leaves out a box that goes beyond the end, and
/// with it all the sound.
pub struct Lengthened {
    file: Box<dyn MediaSource>,
    announced: u64,
}

impl Lengthened {
    pub fn new(file: Box<dyn MediaSource>, announced: u64) -> Self {
        Self { file, announced }
    }
}

impl Read for Lengthened {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(into)
    }
}

impl Seek for Lengthened {
    /// Only what is counted from the end is answered by the length that the file should have; reading there gives nothing.
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match to {
            SeekFrom::End(back) => self.file.seek(SeekFrom::Start(self.announced.saturating_add_signed(back))),
            to => self.file.seek(to),
        }
    }
}

impl MediaSource for Lengthened {
    fn is_seekable(&self) -> bool {
        self.file.is_seekable()
    }

    /// Unknown: there is nothing to be looked for at the end.
    fn byte_len(&self) -> Option<u64> {
        None
    }
}

/// Boxes looked at in one place.
const MAX_BOXES: usize = 1_000;
/// Of iTunes' note, as far as its fourth number.
const TEXT_BYTES: usize = 44;

/// Reads it out of the first track of sound; `None` if this is no M4A or it says nothing.
pub fn recording<S: Read + Seek + ?Sized>(source: &mut S) -> Option<Recording> {
    let end = source.seek(SeekFrom::End(0)).ok()?;
    let (kind, _) = boxes(source, 0..end).into_iter().next()?;
    if kind != *b"ftyp" {
        return None;
    }
    let moov = find(source, 0..end, *b"moov")?;
    let header = find(source, moov.clone(), *b"mvhd")?;
    let (movie_units_per_s, _) = times(source, header)?;
    let mut tracks = boxes(source, moov.clone()).into_iter().filter(|(kind, _)| kind == b"trak");
    let (track, mdia) = tracks.find_map(|(_, track)| {
        let mdia = find(source, track.clone(), *b"mdia")?;
        let handler = find(source, mdia.clone(), *b"hdlr")?;
        (bytes::<12, _>(source, handler)?[8..] == *b"soun").then_some((track, mdia))
    })?;
    let header = find(source, mdia, *b"mdhd")?;
    let (units_per_s, coded) = times(source, header)?;
    let (from, length) = match edited(source, track) {
        Some((from, length)) => {
            let scaled = u128::from(length) * u128::from(units_per_s) / u128::from(movie_units_per_s.max(1));
            let tick = u64::from(units_per_s / movie_units_per_s.max(1));
            (from, u64::try_from(scaled).ok().map(|length| (length, tick)))
        }
        None => {
            let (from, length) = itunes(source, moov)?;
            (from, Some((length, 0)))
        }
    };
    let second = u64::from(units_per_s);
    if from > second || (coded > 0 && from >= coded) {
        return None;
    }
    let length = (coded > 0).then(|| {
        let rest = coded - from;
        match length {
            // The edit's length is rounded to the movie's ticks, mostly milliseconds; where the track's own agrees, that is exact.
            Some((length, tick)) if length + tick < rest && rest - length <= second => length,
            _ => rest,
        }
    });
    Some(Recording { from, length, units_per_s })
}

/// Where the file should end, if it ends within a box and what tells of its sound comes before that.
pub fn cut_off_from<S: Read + Seek + ?Sized>(source: &mut S) -> Option<u64> {
    let end = source.seek(SeekFrom::End(0)).ok()?;
    let found = boxes(source, 0..end);
    let told = found.first()?.0 == *b"ftyp" && found.iter().any(|(kind, _)| kind == b"moov");
    let last = found.last()?.1.end;
    if !told || found.len() >= MAX_BOXES {
        return None;
    }
    let [a, b, c, d, kind @ ..] = bytes::<8, _>(source, last..end)?;
    let size = match u32::from_be_bytes([a, b, c, d]) {
        1 => u64::from_be_bytes(bytes(source, last + 8..end)?),
        size => u64::from(size),
    };
    last.checked_add(size).filter(|announced| kind == *b"mdat" && *announced > end && *announced < i64::MAX as u64)
}

/// The one edit that is not empty, as its beginning in the track's units and its length in the movie's.
fn edited<S: Read + Seek + ?Sized>(source: &mut S, track: Range<u64>) -> Option<(u64, u64)> {
    let edits = find(source, track, *b"edts")?;
    let list = find(source, edits, *b"elst")?;
    let head: [u8; 8] = bytes(source, list.clone())?;
    let count = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let mut found = None;
    let mut at = list.start + 8;
    for _ in 0..count.min(4) {
        let (length, from) = if head[0] == 0 {
            let [a, b, c, d, e, f, g, h] = bytes(source, at..list.end)?;
            at += 12;
            (u64::from(u32::from_be_bytes([a, b, c, d])), i64::from(i32::from_be_bytes([e, f, g, h])))
        } else {
            let entry: [u8; 16] = bytes(source, at..list.end)?;
            let both = u128::from_be_bytes(entry);
            at += 20;
            ((both >> 64) as u64, both as u64 as i64)
        };
        // -1 is a pause before the sound; two pieces are somebody's cut and not padding.
        match (u64::try_from(from), found) {
            (Err(_), _) => {}
            (Ok(from), None) => found = Some((from, length)),
            (Ok(_), Some(_)) => return None,
        }
    }
    found.filter(|_| count <= 4)
}

/// ` 00000000 00000840 000001CA 00000000003F31F6 ...`: priming and length are the second and the fourth number.
fn itunes<S: Read + Seek + ?Sized>(source: &mut S, moov: Range<u64>) -> Option<(u64, u64)> {
    let udta = find(source, moov, *b"udta")?;
    let meta = find(source, udta, *b"meta")?;
    let list = find(source, meta.start + 4..meta.end, *b"ilst")?;
    let notes = boxes(source, list).into_iter().filter(|(kind, _)| kind == b"----");
    for (_, note) in notes {
        let Some(name) = find(source, note.clone(), *b"name") else { continue };
        if bytes(source, name.start + 4..name.end) != Some(*b"iTunSMPB") {
            continue;
        }
        let data = find(source, note, *b"data")?;
        let text: [u8; TEXT_BYTES] = bytes(source, data.start + 8..data.end)?;
        let text = str::from_utf8(&text).ok()?;
        let number = |n: usize| text.split_ascii_whitespace().nth(n).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        return Some((number(1)?, number(3)?));
    }
    None
}

/// Time scale and duration of an `mvhd` or `mdhd`, which begin alike.
fn times<S: Read + Seek + ?Sized>(source: &mut S, header: Range<u64>) -> Option<(u32, u64)> {
    let start: [u8; 32] = bytes(source, header.clone()).or_else(|| {
        let short: [u8; 20] = bytes(source, header)?;
        let mut long = [0; 32];
        long[..20].copy_from_slice(&short);
        Some(long)
    })?;
    let number = |at: usize| u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]);
    let (units_per_s, duration) = if start[0] == 0 {
        (number(12), u64::from(number(16)))
    } else {
        (number(20), u64::from(number(24)) << 32 | u64::from(number(28)))
    };
    (units_per_s > 0).then_some((units_per_s, duration))
}

fn find<S: Read + Seek + ?Sized>(source: &mut S, within: Range<u64>, kind: [u8; 4]) -> Option<Range<u64>> {
    boxes(source, within).into_iter().find_map(|(found, inside)| (found == kind).then_some(inside))
}

/// The boxes that lie side by side in a range, with what is inside of each.
fn boxes<S: Read + Seek + ?Sized>(source: &mut S, within: Range<u64>) -> Vec<([u8; 4], Range<u64>)> {
    let mut found = vec![];
    let mut at = within.start;
    while found.len() < MAX_BOXES {
        let Some([a, b, c, d, kind @ ..]) = bytes::<8, _>(source, at..within.end) else { break };
        let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, within.end - at),
            1 => match bytes(source, at + 8..within.end) {
                Some(size) => (16, u64::from_be_bytes(size)),
                None => break,
            },
            size => (8, u64::from(size)),
        };
        let Some(end) = at.checked_add(size).filter(|end| size >= head && *end <= within.end) else { break };
        found.push((kind, at + head..end));
        at = end;
    }
    found
}

fn bytes<const N: usize, S: Read + Seek + ?Sized>(source: &mut S, within: Range<u64>) -> Option<[u8; N]> {
    if within.start.checked_add(N as u64)? > within.end {
        return None;
    }
    source.seek(SeekFrom::Start(within.start)).ok()?;
    let mut read = [0; N];
    source.read_exact(&mut read).ok()?;
    Some(read)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], inside: &[&[u8]]) -> Vec<u8> {
        let inside = inside.concat();
        [&(inside.len() as u32 + 8).to_be_bytes()[..], kind, &inside].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// `edit` and `note` go into the track and the movie; the media lasts `coded` of 44,100.
    fn file(coded: u32, edit: &[u8], note: &[u8]) -> Vec<u8> {
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 44_100, coded, 0])]);
        let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"soun", &[0; 13]]);
        let track = boxed(b"trak", &[edit, &boxed(b"mdia", &[&mdhd, &hdlr])]);
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1_000, 1_000]), &[0; 80]]);
        let moov = boxed(b"moov", &[&mvhd, &track, note]);
        [boxed(b"ftyp", &[b"M4A \0\0\0\0"]), boxed(b"mdat", &[&[0; 99]]), moov].concat()
    }

    fn edit(edits: &[(u32, u32)]) -> Vec<u8> {
        let entries: Vec<u8> = edits.iter().flat_map(|(length, from)| words(&[*length, *from, 0x10000])).collect();
        boxed(b"edts", &[&boxed(b"elst", &[&words(&[0, edits.len() as u32]), &entries])])
    }

    #[test]
    fn padding_is_read_from_the_edit_list_or_the_note_and_nothing_else_is_believed() {
        let text = b" 00000000 00000840 000001CA 000000000000ABCD 00000000";
        let name = boxed(b"name", &[&[0; 4], b"iTunSMPB"]);
        let note = boxed(b"----", &[&boxed(b"mean", &[&[0; 4]]), &name, &boxed(b"data", &[&[0; 8], text])]);
        let note = boxed(b"udta", &[&boxed(b"meta", &[&[0; 4], &boxed(b"ilst", &[&note])])]);
        for (coded, edit, note, expected) in [
            // as ffmpeg writes it: the edit in ms, the track's own length exact
            (45_124, edit(&[(1_000, 1_024)]), vec![], Some((1_024, Some(44_100)))),
            (45_139, edit(&[(1_001, 1_024)]), vec![], Some((1_024, Some(44_115)))),
            // as others do: the track counts whole packets
            (46_080, edit(&[(1_000, 1_024)]), vec![], Some((1_024, Some(44_100)))),
            // a pause before it
            (45_124, edit(&[(500, u32::MAX), (1_000, 1_024)]), vec![], Some((1_024, Some(44_100)))),
            (46_700, vec![], note.clone(), Some((0x840, Some(0xABCD)))),
            (0, edit(&[(0, 1_024)]), vec![], Some((1_024, None))),
            // more than padding, or damage
            (450_000, edit(&[(1_000, 200_000)]), vec![], None),
            (450_000, edit(&[(1_000, 1_024)]), vec![], Some((1_024, Some(448_976)))),
            (450_000, edit(&[(1_000, 0), (1_000, 90_000)]), vec![], None),
            (450_000, vec![], vec![], None),
        ] {
            let whole = file(coded, &edit, &note);
            assert_eq!(cut_off_from(&mut Cursor::new(&whole)), None);
            let found = recording(&mut Cursor::new(whole));
            assert_eq!(found.map(|found| (found.from, found.length)), expected, "{coded}");
            assert!(found.is_none_or(|found| found.units_per_s == 44_100));
        }
        assert_eq!(recording(&mut Cursor::new(b"RIFF\x24\0\0\0WAVE".to_vec())), None);
    }

    #[test]
    fn cut_or_changed_anywhere_it_says_nothing_or_something_small() {
        let whole = file(46_080, &edit(&[(1_000, 1_024)]), &[]);
        for cut in 0..whole.len() {
            let _ = recording(&mut Cursor::new(&whole[..cut]));
            for to in [0, 1, 0x7F, 0xFF] {
                let mut changed = whole.clone();
                changed[cut] = to;
                if let Some(found) = recording(&mut Cursor::new(changed)) {
                    assert!(found.from <= u64::from(found.units_per_s));
                }
            }
        }
    }
}
