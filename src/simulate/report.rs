//! What a simulation came to, as text and as JSON. Works out percentiles; measures nothing itself but processes' CPU and memory.

use std::fmt::Write as _;

use serde::Serialize;

use super::counters::{Counters, Timed};

/// The JSON of `loaxa simulate --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub speakers: u64,
    pub link: String,
    pub seed: u64,
    /// From the first board's start to the end.
    pub seconds: f64,
    /// `done`, `interrupted` (by a signal) or `failed`.
    pub ended: String,
    pub connected: u64,
    pub connect: Percentiles,
    pub reconnect: Percentiles,
    /// Connections that the modelled link took away.
    pub losses: u64,
    pub plans: u64,
    pub plan: Percentiles,
    pub whole_boards: u64,
    pub content: Percentiles,
    pub clock: ClockReport,
    pub chunks: Chunks,
    pub records: Records,
    pub store_failures: u64,
    /// This process: the boards themselves.
    pub fleet: Option<Process>,
    /// The center, where it was started for this.
    pub center: Option<CenterReport>,
}

/// Of times in ms, by the nearest rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    pub count: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// How far the boards say that their clocks may be off.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ClockReport {
    pub trusted: usize,
    pub error: Percentiles,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Chunks {
    pub received_bytes: u64,
    pub needed_bytes: u64,
    pub received_per_needed: Option<f64>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Records {
    pub made: u64,
    pub acknowledged: u64,
    pub acknowledgement: Percentiles,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Process {
    pub cpu_s: f64,
    pub rss_kb: u64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct CenterReport {
    /// Of the bulletin that was delivered, in the broadcast form.
    pub bulletin_bytes: u64,
    /// From the first board's start to the end.
    pub cpu_s: f64,
    pub cpu_ms_per_speaker: f64,
    pub rss_kb: u64,
    /// What it took more than before the first board connected.
    pub rss_kb_per_speaker: f64,
}

impl Report {
    pub fn of(counters: &Counters, link: &str, seed: u64, ended: &str) -> Self {
        let now = counters.now();
        let timed = |kind| Percentiles::of(counters.samples(kind).iter().map(|sample| sample.took_ms).collect());
        let errors = counters.clock_errors_ns();
        let ratio = now.chunk_bytes as f64 / now.needed_bytes as f64;
        Self {
            speakers: now.speakers,
            link: link.to_owned(),
            seed,
            seconds: counters.elapsed_s(),
            ended: ended.to_owned(),
            connected: now.connected,
            connect: timed(Timed::Connect),
            reconnect: timed(Timed::Reconnect),
            losses: now.losses,
            plans: now.plans,
            plan: timed(Timed::Plan),
            whole_boards: now.whole_boards,
            content: timed(Timed::Content),
            clock: ClockReport {
                trusted: errors.len(),
                error: Percentiles::of(errors.iter().map(|ns| *ns as f64 / 1e6).collect()),
            },
            chunks: Chunks {
                received_bytes: now.chunk_bytes,
                needed_bytes: now.needed_bytes,
                received_per_needed: (now.needed_bytes > 0).then_some(ratio),
            },
            records: Records {
                made: now.records_made,
                acknowledged: now.records_acknowledged,
                acknowledgement: timed(Timed::Record),
            },
            store_failures: now.store_failures,
            fleet: Process::of(std::process::id()),
            center: None,
        }
    }

    pub fn text(&self) -> String {
        let mut text = format!(
            "{} simulated speakers, link {}, seed {}, {:.1} s, {}\n\n{:34}{:>8}{:>11}{:>11}{:>11}{:>11}\n",
            self.speakers, self.link, self.seed, self.seconds, self.ended, "ms", "count", "p50", "p95", "p99", "max"
        );
        for (what, times) in [
            ("connect", &self.connect),
            ("connect again after a loss", &self.reconnect),
            ("plan accepted", &self.plan),
            ("all content whole", &self.content),
            ("record made -> acknowledged", &self.records.acknowledgement),
            ("clock may be off by", &self.clock.error),
        ] {
            text.push_str(&times.line(what));
        }
        let mut say = |what: &str, told: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{what:34}{told}");
        };
        say("\nconnected at the end", format!("{} of {}", self.connected, self.speakers));
        say("connections lost by the model", self.losses.to_string());
        say("plans accepted", self.plans.to_string());
        say("boards with all content", self.whole_boards.to_string());
        let ratio = self.chunks.received_per_needed.map_or(String::new(), |ratio| format!(" ({ratio:.3} per byte)"));
        say("bytes of chunks received / needed", {
            format!("{} / {}{ratio}", self.chunks.received_bytes, self.chunks.needed_bytes)
        });
        say("records made / acknowledged", format!("{} / {}", self.records.made, self.records.acknowledged));
        if self.store_failures > 0 {
            say("writes to boards' stores that failed", self.store_failures.to_string());
        }
        if let Some(center) = &self.center {
            say("center: CPU", format!("{:.1} s, {:.2} ms a speaker", center.cpu_s, center.cpu_ms_per_speaker));
            say(
                "center: memory",
                format!("{} MB, {:.1} KB a speaker", center.rss_kb / 1024, center.rss_kb_per_speaker),
            );
            say("bulletin", format!("{} bytes", center.bulletin_bytes));
        }
        if let Some(fleet) = &self.fleet {
            say("the boards themselves", format!("{:.1} s CPU, {} MB", fleet.cpu_s, fleet.rss_kb / 1024));
        }
        text
    }
}

impl Percentiles {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self { count: values.len(), p50_ms: rank(50), p95_ms: rank(95), p99_ms: rank(99), max_ms: rank(100) }
    }

    fn line(&self, what: &str) -> String {
        if self.count == 0 {
            return format!("{what:34}{:>8}\n", "-");
        }
        let (count, all) = (self.count, [self.p50_ms, self.p95_ms, self.p99_ms, self.max_ms]);
        let times: String = all.iter().map(|ms| format!("{ms:>11.1}")).collect();
        format!("{what:34}{count:>8}{times}\n")
    }
}

impl Process {
    /// What /proc says of a process; its CPU in clock ticks, of which Linux has had 100 a second for all programs ever since 2.4.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let rss = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        Some(Self { cpu_s: (ticks(11)? + ticks(12)?) / 100.0, rss_kb: rss.split_whitespace().nth(1)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_go_by_the_nearest_rank() {
        let all = Percentiles::of((1..=200).rev().map(f64::from).collect());
        assert_eq!((all.p50_ms, all.p95_ms, all.p99_ms, all.max_ms), (100.0, 190.0, 198.0, 200.0));
        assert_eq!(Percentiles::of(vec![7.0]).p50_ms, 7.0);
        assert_eq!(Percentiles::of(vec![]), Percentiles::default());
    }
}
