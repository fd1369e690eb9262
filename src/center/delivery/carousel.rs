//! Which chunk goes out next: once for all who want it, urgent and early plays first, no faster than areas and lines allow.
//!
//! Pure: time is an argument, nothing is read or sent here. A file goes round in *passes*. The first want of a file opens one and
//! others join it for a moment; what is wanted while it runs waits for the next, which begins once those who have all of it have
//! stopped listening. So late comers are repaired without anybody else being sent the same twice.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::domain::hours::second_of_day;
use crate::domain::ids::{AreaCode, MediaHash, SpeakerId};
use crate::protocol::chunks::Bitmap;

/// A pass begins when nobody has joined it for so long, ...
const GATHER_MS: i64 = 200;
const GATHER_URGENT_MS: i64 = 20;
/// ... or at the latest so long after the first want; sooner where it is needed within a minute.
const GATHER_MOST_MS: i64 = 3_000;
const SOON_MS: i64 = 60_000;
/// What broker and network are taken to carry where the line has no limit: what went out counts as arrived after this.
const DRAIN_KBYTES_PER_S: u64 = 400_000;
/// Between two passes of a file: long enough for its last chunk to be written and unsubscribed from.
const SETTLE_MS: i64 = 500;
const SETTLE_URGENT_MS: i64 = 100;
/// A chunk that went out so shortly before is on its way to whoever asks for it; those who missed it ask again after five seconds.
const ECHO_MS: i64 = 300;
/// What is needed within this does not wait for a quieter hour.
const WINDOW_MARGIN_MS: i64 = 2 * 3_600_000;

/// Now, by a clock for pace and by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub mono_ms: i64,
    pub unix_ms: i64,
    /// Minutes since midnight where the center is.
    pub minute: u32,
}

/// How fast, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Towards each listener; 0 = no limit.
    pub kbytes_per_s: u64,
    /// Times of day, in minutes, from and until (over midnight if from > until); outside of it only what is needed soon goes out.
    pub window: Option<(u32, u32)>,
}

/// The limits of everybody and of areas.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub all: Pace,
    /// Of the center's own line: all listeners together; 0 = no limit.
    pub uplink_kbytes_per_s: u64,
    pub areas: BTreeMap<AreaCode, Pace>,
}

impl Pace {
    /// Reads `[KBYTES_PER_S][@HH:MM-HH:MM]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (rate, window) = text.split_once('@').map_or((text, None), |(rate, window)| (rate, Some(window)));
        let rate = rate.trim();
        let wrong = || {
            format!(
                "{text:?} is not of the form 200, @22:00-05:00 or 200@22:00-05:00 (kilobytes a second, time of day)"
            )
        };
        let kbytes_per_s = if rate.is_empty() { 0 } else { rate.parse().map_err(|_| wrong())? };
        let window = match window {
            None => None,
            Some(window) => {
                let (from, until) = window.split_once('-').ok_or_else(wrong)?;
                let minute = |text: &str| second_of_day(text.trim()).map(|second| second / 60 % 1440).ok_or_else(wrong);
                Some((minute(from)?, minute(until)?)).filter(|(from, until)| from != until)
            }
        };
        Ok(Self { kbytes_per_s, window })
    }

    /// How many ms until this may go out that is needed at `due_ms`: none if its window is open, or opens too late for it.
    fn closed_ms(&self, due_ms: i64, now: Moment) -> i64 {
        let Some((from, until)) = self.window else { return 0 };
        let ahead = |minute: u32| i64::from((minute + 1440 - now.minute) % 1440) * 60_000;
        let open =
            if from <= until { (from..until).contains(&now.minute) } else { now.minute >= from || now.minute < until };
        let opens_ms = ahead(from);
        if open || due_ms.saturating_sub(now.unix_ms) < opens_ms.saturating_add(WINDOW_MARGIN_MS) {
            0
        } else {
            opens_ms
        }
    }
}

/// One speaker's want.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub speaker: &'a SpeakerId,
    /// Where it is, from the widest unit down.
    pub areas: &'a [AreaCode],
    pub media: MediaHash,
    pub missing: &'a Bitmap,
    /// When it is needed next, Unix ms.
    pub due_ms: i64,
    /// For an emergency.
    pub urgent: bool,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Send {
        media: MediaHash,
        index: usize,
    },
    /// Nothing until then, in `mono_ms`, unless something new is wanted.
    Wait(i64),
    Idle,
}

#[derive(Debug, Default)]
struct File {
    /// What this pass still has to send, and what the next one will.
    pass: Bitmap,
    later: Bitmap,
    /// When the pass may begin, and the latest that joining puts that off to.
    from_ms: i64,
    latest_ms: i64,
    due_ms: i64,
    urgent: bool,
    listeners: HashSet<SpeakerId>,
    /// Limited areas in which somebody listens.
    areas: BTreeSet<AreaCode>,
    /// The same of the next pass.
    later_listeners: HashSet<SpeakerId>,
    later_areas: BTreeSet<AreaCode>,
    /// When each chunk that went out last has reached everybody, as far as can be told.
    sent_ms: BTreeMap<usize, i64>,
}

#[derive(Debug)]
pub struct Carousel {
    limits: Limits,
    files: BTreeMap<MediaHash, File>,
    all_next_ms: f64,
    uplink_next_ms: f64,
    /// By then everything that went out has arrived.
    drained_ms: f64,
    area_next_ms: BTreeMap<AreaCode, f64>,
}

impl Carousel {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            files: BTreeMap::new(),
            all_next_ms: 0.0,
            uplink_next_ms: 0.0,
            drained_ms: 0.0,
            area_next_ms: BTreeMap::new(),
        }
    }

    pub fn want(&mut self, wanted: &Wanted<'_>, now: Moment) {
        let limits = &self.limits;
        let file = self.files.entry(wanted.media).or_insert_with(|| File { due_ms: i64::MAX, ..File::default() });
        let fresh =
            |file: &File, index: usize| file.sent_ms.get(&index).is_none_or(|sent_ms| now.mono_ms - sent_ms >= ECHO_MS);
        let opens = file.pass.is_empty() && file.later.is_empty();
        let running = !file.pass.is_empty() && file.from_ms <= now.mono_ms;
        let (mut any, mut any_later) = (false, false);
        for index in wanted.missing.ones().filter(|index| fresh(file, *index)).collect::<Vec<_>>() {
            any = true;
            if file.pass.get(index) {
                continue;
            }
            if running {
                file.later.insert(index);
                any_later = true;
            } else {
                file.pass.insert(index);
            }
        }
        if !any {
            return;
        }
        if opens {
            // Right after a pass those who have all of it may still listen.
            let last_ms = file.sent_ms.values().max().copied();
            let settled_ms = last_ms.map_or(i64::MIN, |last_ms| last_ms + settle_ms(wanted.urgent));
            file.from_ms = (now.mono_ms + gather_ms(wanted.urgent)).max(settled_ms);
            let soon = wanted.due_ms.saturating_sub(now.unix_ms) < SOON_MS;
            file.latest_ms = if soon { file.from_ms } else { file.from_ms.max(now.mono_ms + GATHER_MOST_MS) };
        } else if !running && !wanted.urgent && !file.urgent {
            file.from_ms = file.from_ms.max((now.mono_ms + GATHER_MS).min(file.latest_ms));
        } else if wanted.urgent && !file.urgent {
            file.from_ms = file.from_ms.min(now.mono_ms + GATHER_URGENT_MS);
        }
        file.due_ms = file.due_ms.min(wanted.due_ms);
        file.urgent |= wanted.urgent;
        let limited = || wanted.areas.iter().filter(|area| limits.areas.contains_key(*area)).cloned();
        file.listeners.insert(wanted.speaker.clone());
        file.areas.extend(limited());
        if any_later {
            file.later_listeners.insert(wanted.speaker.clone());
            file.later_areas.extend(limited());
        }
    }

    /// How many files are to go out, and how many chunks of them.
    pub fn ahead(&self) -> (usize, usize) {
        let chunks = self.files.values().map(|file| file.pass.count() + file.later.count());
        chunks.filter(|chunks| *chunks > 0).fold((0, 0), |(files, all), chunks| (files + 1, all + chunks))
    }

    /// What goes out next; the caller sends it and says so with [`Self::sent`], or that it cannot with [`Self::forget`].
    pub fn next(&mut self, now: Moment) -> Next {
        let mut best: Option<(bool, i64, MediaHash)> = None;
        let mut wait_ms = i64::MAX;
        let echo = |file: &File| file.sent_ms.values().max().is_some_and(|last_ms| now.mono_ms - last_ms < SETTLE_MS);
        self.files.retain(|_, file| !file.pass.is_empty() || !file.later.is_empty() || echo(file));
        for (media, file) in &mut self.files {
            if file.pass.is_empty() {
                if file.later.is_empty() {
                    continue;
                }
                std::mem::swap(&mut file.pass, &mut file.later);
                let last_ms = file.sent_ms.values().max().copied().unwrap_or(now.mono_ms);
                file.from_ms = last_ms.max(now.mono_ms) + settle_ms(file.urgent);
                file.latest_ms = file.from_ms;
            }
            let free_ms = free_at(&self.limits, self.all_next_ms, self.uplink_next_ms, &self.area_next_ms, file, now);
            if free_ms > now.mono_ms {
                wait_ms = wait_ms.min(free_ms);
                continue;
            }
            let key = (!file.urgent, file.due_ms, *media);
            if best.is_none_or(|best| key < best) {
                best = Some(key);
            }
        }
        match best.and_then(|(_, _, media)| Some((media, self.files.get(&media)?.pass.ones().next()?))) {
            Some((media, index)) => Next::Send { media, index },
            None if self.files.values().all(|file| file.pass.is_empty() && file.later.is_empty()) => Next::Idle,
            None => Next::Wait(wait_ms),
        }
    }

    pub fn sent(&mut self, media: &MediaHash, index: usize, bytes: usize, now: Moment) {
        let Some(file) = self.files.get_mut(media) else { return };
        file.pass.remove(index);
        let line = match self.limits.uplink_kbytes_per_s {
            0 => DRAIN_KBYTES_PER_S,
            limited => limited,
        };
        let drain_ms = (bytes * file.listeners.len()) as f64 / 1.024 / line as f64;
        self.drained_ms = self.drained_ms.max(now.mono_ms as f64) + drain_ms;
        file.sent_ms.insert(index, self.drained_ms as i64);
        let after = |next_ms: f64, bytes: usize, kbytes_per_s: u64| {
            let ms = if kbytes_per_s == 0 { 0.0 } else { bytes as f64 / 1.024 / kbytes_per_s as f64 };
            next_ms.max(now.mono_ms as f64) + ms
        };
        self.all_next_ms = after(self.all_next_ms, bytes, self.limits.all.kbytes_per_s);
        self.uplink_next_ms = after(self.uplink_next_ms, bytes * file.listeners.len(), self.limits.uplink_kbytes_per_s);
        for area in &file.areas {
            let next_ms = self.area_next_ms.entry(area.clone()).or_default();
            *next_ms = after(*next_ms, bytes, self.limits.areas.get(area).map_or(0, |pace| pace.kbytes_per_s));
        }
        if file.pass.is_empty() {
            file.listeners = std::mem::take(&mut file.later_listeners);
            file.areas = std::mem::take(&mut file.later_areas);
            (file.due_ms, file.urgent) =
                if file.later.is_empty() { (i64::MAX, false) } else { (file.due_ms, file.urgent) };
        }
    }

    /// Drops a file that cannot be sent; who wants it asks again.
    pub fn forget(&mut self, media: &MediaHash) {
        self.files.remove(media);
    }
}

fn gather_ms(urgent: bool) -> i64 {
    if urgent { GATHER_URGENT_MS } else { GATHER_MS }
}

fn settle_ms(urgent: bool) -> i64 {
    if urgent { SETTLE_URGENT_MS } else { SETTLE_MS }
}

/// When a file's next chunk may go out, in `mono_ms`. An emergency waits for its listeners and the common pace only.
fn free_at(
    limits: &Limits,
    all_next_ms: f64,
    uplink_next_ms: f64,
    area_next_ms: &BTreeMap<AreaCode, f64>,
    file: &File,
    now: Moment,
) -> i64 {
    let mut free_ms = file.from_ms.max(all_next_ms.floor() as i64).max(uplink_next_ms.floor() as i64);
    if file.urgent {
        return free_ms;
    }
    let paces = file.areas.iter().filter_map(|area| limits.areas.get(area));
    for pace in paces.chain([&limits.all]) {
        free_ms = free_ms.max(now.mono_ms + pace.closed_ms(file.due_ms, now));
    }
    for area in &file.areas {
        free_ms = free_ms.max(area_next_ms.get(area).map_or(0, |next_ms| next_ms.floor() as i64));
    }
    free_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 65_536;

    fn at(mono_ms: i64) -> Moment {
        Moment { mono_ms, unix_ms: 1_795_000_000_000 + mono_ms, minute: 12 * 60 }
    }

    fn open() -> Limits {
        Limits { all: Pace { kbytes_per_s: 1 << 30, window: None }, uplink_kbytes_per_s: 0, areas: BTreeMap::new() }
    }

    fn bits(indices: impl IntoIterator<Item = usize>) -> Bitmap {
        let mut bitmap = Bitmap::default();
        indices.into_iter().for_each(|index| bitmap.insert(index));
        bitmap
    }

    struct Want {
        speaker: &'static str,
        area: &'static str,
        media: u8,
        missing: std::ops::Range<usize>,
        due_ms: i64,
        urgent: bool,
    }

    const WANT: Want = Want { speaker: "a", area: "24133", media: 1, missing: 0..4, due_ms: i64::MAX, urgent: false };

    fn want(carousel: &mut Carousel, want: &Want, now_ms: i64) {
        let speaker = want.speaker.parse().unwrap();
        let areas = ["66".parse().unwrap(), want.area.parse().unwrap()];
        let wanted = Wanted {
            speaker: &speaker,
            areas: &areas,
            media: MediaHash([want.media; 32]),
            missing: &bits(want.missing.clone()),
            due_ms: want.due_ms,
            urgent: want.urgent,
        };
        carousel.want(&wanted, at(now_ms));
    }

    /// Everything that goes out until nothing is wanted: when, the file, the chunk. Each takes `step_ms` to be published.
    fn run(carousel: &mut Carousel, mut now_ms: i64, step_ms: i64) -> Vec<(i64, u8, usize)> {
        let mut sent = vec![];
        loop {
            match carousel.next(at(now_ms)) {
                Next::Send { media, index } => {
                    carousel.sent(&media, index, CHUNK, at(now_ms));
                    sent.push((now_ms, media.0[0], index));
                    now_ms += step_ms;
                }
                Next::Wait(until_ms) => {
                    assert!(until_ms > now_ms, "it waits for what is past");
                    now_ms = until_ms;
                }
                Next::Idle => return sent,
            }
        }
    }

    fn chunks(sent: &[(i64, u8, usize)]) -> Vec<(u8, usize)> {
        sent.iter().map(|(_, media, index)| (*media, *index)).collect()
    }

    #[test]
    fn what_many_want_goes_out_once_and_nothing_that_nobody_wants() {
        let mut carousel = Carousel::new(open());
        want(&mut carousel, &Want { missing: 1..3, ..WANT }, 0);
        want(&mut carousel, &Want { speaker: "b", missing: 2..6, ..WANT }, 100);
        let sent = run(&mut carousel, 0, 1);
        assert_eq!(chunks(&sent), [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]);
        assert_eq!(sent[0].0, 100 + GATHER_MS, "wants are gathered first");
    }

    #[test]
    fn a_pass_waits_while_more_join_but_not_for_ever_and_not_if_it_is_needed_soon() {
        let soon_ms = at(0).unix_ms + 30_000;
        for (due_ms, first_ms) in [(i64::MAX, GATHER_MOST_MS), (soon_ms, GATHER_MS)] {
            let mut carousel = Carousel::new(open());
            for n in 0..100 {
                let now_ms = n * (GATHER_MS / 2);
                if !matches!(carousel.next(at(now_ms)), Next::Idle | Next::Wait(_)) {
                    assert!((first_ms..first_ms + GATHER_MS).contains(&now_ms), "{now_ms}");
                    break;
                }
                want(&mut carousel, &Want { due_ms, ..WANT }, now_ms);
            }
        }
    }

    #[test]
    fn what_is_still_on_its_way_to_many_is_not_sent_again() {
        // A thousand listeners of 4 chunks take 640 ms on a line of 400 MB/s.
        let mut carousel = Carousel::new(open());
        let names: Vec<String> = (0..1000).map(|n| format!("s{n}")).collect();
        for name in &names {
            want(&mut carousel, &Want { speaker: name.clone().leak(), ..WANT }, 0);
        }
        let sent = run(&mut carousel, 0, 0);
        let last_ms = sent[3].0;
        want(&mut carousel, &WANT, last_ms + 400);
        assert_eq!(run(&mut carousel, last_ms + 400, 0), []);
        want(&mut carousel, &WANT, last_ms + 1_500);
        assert_eq!(run(&mut carousel, last_ms + 1_500, 0).len(), 4);
    }

    #[test]
    fn late_comers_join_and_get_what_they_missed_after_the_others_have_stopped_listening() {
        let mut carousel = Carousel::new(open());
        want(&mut carousel, &Want { missing: 0..10, ..WANT }, 0);
        let mut sent = vec![];
        let mut now_ms = GATHER_MS;
        // Half way through comes somebody who has nothing.
        for _ in 0..5 {
            let Next::Send { media, index } = carousel.next(at(now_ms)) else { panic!("it goes") };
            carousel.sent(&media, index, CHUNK, at(now_ms));
            sent.push(index);
            now_ms += ECHO_MS;
        }
        want(&mut carousel, &Want { speaker: "late", missing: 0..10, ..WANT }, now_ms);
        let rest = run(&mut carousel, now_ms, 10);
        let indices: Vec<usize> = rest.iter().map(|(_, _, index)| *index).collect();
        assert_eq!(indices, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4], "the pass goes on, then the repair");
        assert!(rest[5].0 - rest[4].0 >= SETTLE_MS, "{rest:?}");
        // What has just gone out is on its way to those who asked a moment too late.
        let now_ms = rest[9].0 + 20;
        want(&mut carousel, &Want { speaker: "echo", missing: 2..5, ..WANT }, now_ms);
        assert_eq!(run(&mut carousel, now_ms, 1), []);
        want(&mut carousel, &Want { speaker: "echo", missing: 2..5, ..WANT }, now_ms + 2_000);
        assert_eq!(run(&mut carousel, now_ms + 2_000, 1).len(), 3);
    }

    #[test]
    fn emergencies_overtake_and_what_plays_first_comes_first() {
        let mut carousel = Carousel::new(open());
        let due_ms = at(0).unix_ms;
        want(&mut carousel, &Want { media: 1, due_ms: due_ms + 7_200_000, ..WANT }, 0);
        want(&mut carousel, &Want { media: 2, due_ms: due_ms + 3_600_000, ..WANT }, 0);
        let mut sent = vec![];
        for now_ms in [300, 301] {
            let Next::Send { media, index } = carousel.next(at(now_ms)) else { panic!("it goes") };
            carousel.sent(&media, index, CHUNK, at(now_ms));
            sent.push((media.0[0], index));
        }
        want(&mut carousel, &Want { media: 3, missing: 0..2, urgent: true, ..WANT }, 302);
        sent.extend(chunks(&run(&mut carousel, 302, 10)));
        assert_eq!(sent, [(2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (1, 0), (1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn pace_is_kept_by_all_by_the_line_and_by_each_area_that_wants_it() {
        let pace = |kbytes_per_s| Pace { kbytes_per_s, window: None };
        // 64 KiB at 64 KiB/s take a second.
        let slow = Limits { all: pace(64), ..open() };
        let line = Limits { uplink_kbytes_per_s: 64, ..open() };
        let area = Limits { areas: [("24133".parse().unwrap(), pace(64))].into(), ..open() };
        for (limits, gap_ms) in [(slow, 1_000), (line, 2_000), (area.clone(), 1_000)] {
            let mut carousel = Carousel::new(limits);
            for speaker in ["a", "b"] {
                want(&mut carousel, &Want { speaker, ..WANT }, 0);
            }
            let sent = run(&mut carousel, 0, 0);
            assert_eq!((sent.len(), sent[3].0 - sent[0].0), (4, 3 * gap_ms), "{sent:?}");
        }
        // A file for elsewhere does not wait for the slow area, and an emergency does not either.
        let mut carousel = Carousel::new(area);
        want(&mut carousel, &WANT, 0);
        want(&mut carousel, &Want { speaker: "b", area: "24169", media: 2, ..WANT }, 0);
        want(&mut carousel, &Want { media: 3, urgent: true, ..WANT }, 0);
        let sent = run(&mut carousel, 0, 0);
        let last_ms = |media| sent.iter().filter(|(_, sent, _)| *sent == media).map(|(ms, ..)| *ms).max().unwrap();
        assert!(last_ms(3) < 1_000 && last_ms(2) < 1_000 && last_ms(1) >= 3_000, "{sent:?}");
    }

    #[test]
    fn what_is_not_needed_soon_waits_for_its_hour() {
        let night = Pace::parse("@22:00-05:00").unwrap();
        assert_eq!(night, Pace { kbytes_per_s: 0, window: Some((22 * 60, 5 * 60)) });
        let noon = at(0);
        let hour_ms = 3_600_000;
        let tomorrow_ms = noon.unix_ms + 20 * hour_ms;
        assert_eq!(night.closed_ms(tomorrow_ms, noon), 10 * hour_ms);
        assert_eq!(night.closed_ms(noon.unix_ms + 11 * hour_ms, noon), 0, "it would come too late");
        for minute in [22 * 60, 23 * 60 + 59, 0, 4 * 60 + 59] {
            assert_eq!(night.closed_ms(tomorrow_ms, Moment { minute, ..noon }), 0, "{minute}");
        }
        let mut carousel = Carousel::new(Limits { all: night, ..open() });
        want(&mut carousel, &Want { due_ms: tomorrow_ms, ..WANT }, 0);
        assert!(matches!(carousel.next(at(GATHER_MS)), Next::Wait(until_ms) if until_ms > 9 * hour_ms));
        want(&mut carousel, &Want { speaker: "b", due_ms: noon.unix_ms + hour_ms, ..WANT }, 0);
        assert!(matches!(carousel.next(at(GATHER_MS)), Next::Send { .. }), "somebody needs it in an hour");
    }

    #[test]
    fn paces_are_read_or_told_what_is_wrong() {
        let read = |text: &str| Pace::parse(text).map(|pace| (pace.kbytes_per_s, pace.window));
        assert_eq!(read("200").unwrap(), (200, None));
        assert_eq!(read("").unwrap(), (0, None));
        assert_eq!(read(" 200 @ 05:00-21:30 ").unwrap(), (200, Some((300, 1290))));
        for wrong in ["fast", "200@", "200@22", "200@22:00-29:00", "-3"] {
            assert!(read(wrong).unwrap_err().contains("22:00-05:00"), "{wrong}");
        }
    }
}
