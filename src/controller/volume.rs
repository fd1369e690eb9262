//! How loud this installation is at which hour: its calibration, and the hours at which it is to be softer.

use chrono::{TimeZone as _, Timelike as _};
use chrono_tz::Tz;

/// Softer stretches of the day, in local time.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeProfile {
    pub calibration_db: f32,
    zone: Tz,
    /// Minutes of the day from and until, and by how much.
    spans: Vec<(u32, u32, f32)>,
}

impl Default for VolumeProfile {
    fn default() -> Self {
        Self { calibration_db: 0.0, zone: chrono_tz::Asia::Ho_Chi_Minh, spans: vec![] }
    }
}

impl VolumeProfile {
    /// Reads lines such as `20:00-06:00 -6`: from, until, and dB from -60 to 0. The first that holds counts.
    pub fn parse(calibration_db: f32, zone: &str, lines: &[String]) -> Result<Self, String> {
        let zone =
            zone.parse().map_err(|_| format!("{zone:?} is not a time zone; write for example Asia/Ho_Chi_Minh"))?;
        let spans = lines.iter().map(|line| {
            span(line).ok_or_else(|| format!("{line:?}: write for example \"20:00-06:00 -6\", with -60 to 0 dB"))
        });
        Ok(Self { calibration_db, zone, spans: spans.collect::<Result<_, _>>()? })
    }

    /// What is added to a plan's volume for something that begins then. Emergencies are as loud by night as by day.
    pub fn db_at(&self, start_ms: i64, emergency: bool) -> f32 {
        let local = self.zone.timestamp_millis_opt(start_ms).single();
        let minute = local.map(|local| local.hour() * 60 + local.minute());
        let holds = |from: u32, until: u32, minute: u32| match from <= until {
            true => (from..until).contains(&minute),
            false => minute >= from || minute < until,
        };
        let softer =
            self.spans.iter().find(|(from, until, _)| minute.is_some_and(|minute| holds(*from, *until, minute)));
        self.calibration_db + softer.filter(|_| !emergency).map_or(0.0, |(.., db)| *db)
    }
}

fn span(line: &str) -> Option<(u32, u32, f32)> {
    let (hours, db) = line.trim().split_once(char::is_whitespace)?;
    let (from, until) = hours.split_once('-')?;
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
    };
    let db: f32 = db.trim().parse().ok()?;
    let (from, until) = (minute(from)?, minute(until)?);
    ((-60.0..=0.0).contains(&db) && from != until).then_some((from, until, db))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenings_are_softer_and_emergencies_are_not() {
        let lines = ["20:00-06:00 -6".to_owned(), "12:00-13:30 -3.5".into()];
        let profile = VolumeProfile::parse(-2.0, "Asia/Ho_Chi_Minh", &lines).unwrap();
        // 2026-11-23 00:00 in Vietnam.
        let midnight_ms = 1_795_366_800_000;
        let at = |hour: i64, minute: i64| profile.db_at(midnight_ms + (hour * 60 + minute) * 60_000, false);
        let found = [at(5, 59), at(6, 0), at(12, 0), at(13, 30), at(19, 59), at(20, 0), at(23, 59)];
        assert_eq!(found, [-8.0, -2.0, -5.5, -2.0, -2.0, -8.0, -8.0]);
        assert_eq!(profile.db_at(midnight_ms, true), -2.0);
        assert_eq!(VolumeProfile::default().db_at(midnight_ms, false), 0.0);
    }

    #[test]
    fn a_line_that_says_nothing_is_refused_with_one_that_works() {
        for bad in ["", "20:00", "20:00-06:00", "20:00-06:00 +3", "25:00-06:00 -3", "20:00-20:00 -3", "20-6 -3", "x"] {
            let refused = VolumeProfile::parse(0.0, "Asia/Ho_Chi_Minh", &[bad.to_owned()]).unwrap_err();
            assert!(refused.contains("20:00-06:00 -6"), "{refused}");
        }
        assert!(VolumeProfile::parse(0.0, "Hanoi", &[]).is_err());
    }
}
