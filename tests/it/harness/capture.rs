//! What a simulated converter gave out, and where in it something is heard.

use std::path::Path;

/// What left a simulated converter: runs of samples, each frame with the instant at which it was heard.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    pub runs: Vec<Run>,
}

#[derive(Debug, Clone)]
pub struct Run {
    /// CLOCK_MONOTONIC of the first frame.
    pub start_mono_ns: i64,
    pub ns_per_frame: f64,
    /// The first channel.
    pub samples: Vec<f32>,
}

const TRUE_NS_PER_FRAME: f64 = 1e9 / 48_000.0;

impl Run {
    /// The samples as a listener with a true 48 kHz clock would take them down: a converter that runs fast or slow is undone.
    fn on_true_time(&self) -> Vec<f32> {
        let step = TRUE_NS_PER_FRAME / self.ns_per_frame;
        if (step - 1.0).abs() < 1e-9 {
            return self.samples.clone();
        }
        let heard_at = |place: f64| {
            let (index, rest) = (place as usize, place.fract() as f32);
            let next = *self.samples.get(index + 1)?;
            Some(self.samples[index] * (1.0 - rest) + next * rest)
        };
        (0..self.samples.len()).map_while(|frame| heard_at(frame as f64 * step)).collect()
    }
}

impl Capture {
    pub fn read(base: &Path) -> Self {
        let log = std::fs::read_to_string(base.with_extension("log")).unwrap_or_default();
        let raw = std::fs::read(base.with_extension("raw")).unwrap_or_default();
        let field = |line: &str, name: &str| {
            line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let number = |line: &str, name: &str| field(line, name).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        let starts: Vec<&str> = log.lines().filter(|line| line.starts_with("START")).collect();
        let Some(first) = starts.first() else { return Self::default() };
        let float = field(first, "fmt").is_some_and(|format| format.starts_with("FLOAT"));
        assert!(float, "the capture's format: {first}");
        let frame_bytes = 4 * number(first, "ch") as usize;
        let sample = |frame: usize| {
            let bytes = raw.get(frame * frame_bytes..frame * frame_bytes + 4)?;
            Some(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let begins: Vec<usize> = starts.iter().map(|line| number(line, "file_frame") as usize).collect();
        let runs = starts.iter().enumerate().map(|(index, line)| {
            let end = begins.get(index + 1).copied().unwrap_or(usize::MAX);
            Run {
                start_mono_ns: field(line, "mono_ns").and_then(|n| n.parse().ok()).unwrap_or(0),
                ns_per_frame: 1e9 / (number(line, "rate") * (1.0 + number(line, "ppm") * 1e-6)),
                samples: (begins[index]..end).map_while(sample).collect(),
            }
        });
        Self { runs: runs.collect() }
    }

    /// Whether nothing at all was heard.
    pub fn is_silent(&self) -> bool {
        self.runs.iter().all(|run| run.samples.iter().all(|sample| *sample == 0.0))
    }

    /// How many frames were not silent.
    pub fn sounding(&self) -> usize {
        self.runs.iter().map(|run| run.samples.iter().filter(|sample| sample.abs() > 1e-4).count()).sum()
    }

    /// Where `source` (48 kHz mono) is heard: the instant of its first sample in CLOCK_MONOTONIC ns and the correlation
    /// coefficient there, found by cross-correlation. The best match over all runs.
    pub fn find(&self, source: &[f32]) -> Option<(i64, f64)> {
        let found = self.runs.iter().filter_map(|run| {
            let (frame, correlation) = best_match(&run.on_true_time(), source)?;
            Some((run.start_mono_ns + (frame as f64 * TRUE_NS_PER_FRAME) as i64, correlation))
        });
        found.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Offset in `heard` at which `source` fits best, with the normalised correlation over its first ten seconds.
fn best_match(heard: &[f32], source: &[f32]) -> Option<(usize, f64)> {
    // Coarsely on the envelope of 1 ms blocks, then sample by sample around the best places.
    const BLOCK: usize = 48;
    let source = &source[..source.len().min(480_000)];
    let envelope = |samples: &[f32]| -> Vec<f32> {
        samples
            .chunks(BLOCK)
            .map(|block| (block.iter().map(|s| s * s).sum::<f32>() / block.len() as f32).sqrt())
            .collect()
    };
    let (coarse_heard, coarse_source) = (envelope(heard), envelope(source));
    let places = coarse_heard.len().checked_sub(coarse_source.len())? + 1;
    let mut scores: Vec<(usize, f64)> =
        (0..places).map(|at| (at, correlation(&coarse_heard[at..], &coarse_source))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut best = None;
    for (at, _) in scores.iter().take(3) {
        let centre = at * BLOCK;
        for frame in
            centre.saturating_sub(2 * BLOCK)..=(centre + 2 * BLOCK).min(heard.len().saturating_sub(source.len()))
        {
            let score = correlation(&heard[frame..], source);
            if best.is_none_or(|(_, best)| score > best) {
                best = Some((frame, score));
            }
        }
    }
    best
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let (mut cross, mut aa, mut bb) = (0.0f64, 0.0f64, 0.0f64);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        (cross, aa, bb) = (cross + x * y, aa + x * x, bb + y * y);
    }
    if aa == 0.0 || bb == 0.0 { 0.0 } else { cross / (aa * bb).sqrt() }
}
