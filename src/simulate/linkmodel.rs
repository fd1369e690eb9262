//! A modelled link: how late, how slowly and how unreliably messages cross it. Pure; instants are arguments, chance is a seed.
//!
//! What is modelled lies between the connection and the engine. The handshakes, acknowledgements and pings of MQTT, TCP and TLS cross
//! the machine's own network as they are.

/// The numbers of a link. [`LinkModel::LAN`] adds nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkModel {
    /// Each message comes so much later, one way.
    pub delay_ms: u32,
    /// And by up to this again, evenly spread; none overtakes another.
    pub jitter_ms: u32,
    /// To the board and from it; 0 = as fast as it goes.
    pub down_kbit_s: u32,
    pub up_kbit_s: u32,
    /// The connection is lost so often on average (the gaps are exponential); 0 = never.
    pub loss_every_s: f64,
    /// How long it then stays away, evenly between the two.
    pub outage_s: (f64, f64),
}

impl LinkModel {
    pub const LAN: Self =
        Self { delay_ms: 0, jitter_ms: 0, down_kbit_s: 0, up_kbit_s: 0, loss_every_s: 0.0, outage_s: (0.0, 0.0) };
    pub const MOBILE_4G: Self = Self {
        delay_ms: 40,
        jitter_ms: 60,
        down_kbit_s: 2_000,
        up_kbit_s: 1_000,
        loss_every_s: 1_800.0,
        outage_s: (5.0, 5.0),
    };
    pub const FLAKY: Self = Self {
        delay_ms: 80,
        jitter_ms: 200,
        down_kbit_s: 400,
        up_kbit_s: 200,
        loss_every_s: 120.0,
        outage_s: (3.0, 30.0),
    };

    /// Whether messages cross it as they come.
    pub fn is_plain(&self) -> bool {
        (self.delay_ms, self.jitter_ms, self.down_kbit_s, self.up_kbit_s) == (0, 0, 0, 0)
    }

    /// To the board.
    pub fn down(&self) -> Pipe {
        Pipe::new(self.delay_ms, self.jitter_ms, self.down_kbit_s)
    }

    /// From the board.
    pub fn up(&self) -> Pipe {
        Pipe::new(self.delay_ms, self.jitter_ms, self.up_kbit_s)
    }

    /// How long it holds from now on, if it is ever lost.
    pub fn holds_ns(&self, random: &mut Random) -> Option<i64> {
        (self.loss_every_s > 0.0).then(|| ns(random.exponential(self.loss_every_s)))
    }

    pub fn outage_ns(&self, random: &mut Random) -> i64 {
        ns(random.between(self.outage_s.0, self.outage_s.1))
    }
}

fn ns(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

/// One direction of a link.
#[derive(Debug, Clone)]
pub struct Pipe {
    delay_ns: i64,
    jitter_ns: i64,
    bits_per_s: i64,
    /// When the last message is on the line with its last bit.
    free_at_ns: i64,
    /// When it arrives.
    last_ns: i64,
}

impl Pipe {
    fn new(delay_ms: u32, jitter_ms: u32, kbit_s: u32) -> Self {
        let ms_to_ns = |ms: u32| i64::from(ms) * 1_000_000;
        Self {
            delay_ns: ms_to_ns(delay_ms),
            jitter_ns: ms_to_ns(jitter_ms),
            bits_per_s: i64::from(kbit_s) * 1000,
            free_at_ns: i64::MIN,
            last_ns: i64::MIN,
        }
    }

    /// From when on the line takes the next message.
    pub fn free_at_ns(&self) -> i64 {
        self.free_at_ns
    }

    /// Puts a message on the line; gives when it arrives.
    pub fn admit(&mut self, now_ns: i64, bytes: usize, random: &mut Random) -> i64 {
        let begun_ns = self.free_at_ns.max(now_ns);
        let bits = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(8);
        let on_line_ns = if self.bits_per_s == 0 { 0 } else { bits.saturating_mul(1_000_000_000) / self.bits_per_s };
        self.free_at_ns = begun_ns.saturating_add(on_line_ns);
        let jitter_ns = (random.unit() * self.jitter_ns as f64) as i64;
        self.last_ns = self.last_ns.max(self.free_at_ns.saturating_add(self.delay_ns + jitter_ns));
        self.last_ns
    }
}

/// Numbers by chance that come again with the same seed (splitmix64, Steele et al. 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Of one board, whatever the others do.
    pub fn of_board(seed: u64, index: usize) -> Self {
        let mut random = Self(seed ^ (index as u64).wrapping_mul(0xD134_2543_DE82_EF95));
        random.next_u64();
        random
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to but not 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn messages_keep_their_order_and_the_rate_under_a_driven_clock() {
        let model = LinkModel { jitter_ms: 500, ..LinkModel::FLAKY };
        let (mut pipe, mut random) = (model.down(), Random::new(7));
        let (mut now_ns, mut last_ns, mut bytes) = (0, 0, 0usize);
        for n in 0..200 {
            let size = 100 + (n * 977) % 9_000;
            let arrives_ns = pipe.admit(now_ns, size, &mut random);
            assert!(arrives_ns >= last_ns, "none overtakes another");
            assert!(arrives_ns >= pipe.free_at_ns() + 80 * MS, "none comes before the delay is over");
            (last_ns, bytes) = (arrives_ns, bytes + size);
            // The board takes the next one as soon as the line is free, as the event loop does.
            now_ns = pipe.free_at_ns();
        }
        let at_rate_ns = bytes as i64 * 8 * 1_000_000_000 / 400_000;
        assert!((now_ns - at_rate_ns).abs() < MS, "{now_ns} for {at_rate_ns}");
        assert!(last_ns <= now_ns + 580 * MS);
    }

    #[test]
    fn an_idle_line_begins_anew_and_a_plain_one_adds_nothing() {
        let mut random = Random::new(1);
        let mut lan = LinkModel::LAN.down();
        assert_eq!([lan.admit(5, 1 << 20, &mut random), lan.admit(9, 1, &mut random)], [5, 9]);
        assert!(LinkModel::LAN.is_plain() && LinkModel::LAN.holds_ns(&mut random).is_none());
        let mut slow = LinkModel { down_kbit_s: 8, ..LinkModel::LAN }.down();
        assert_eq!(slow.admit(0, 1_000, &mut random), 1_000 * MS);
        assert_eq!(slow.admit(5_000 * MS, 1_000, &mut random), 6_000 * MS);
    }

    #[test]
    fn the_same_seed_gives_the_same_losses_and_about_as_many_as_it_says() {
        let losses = |seed| {
            let mut random = Random::of_board(seed, 3);
            (0..2_000).map(|_| LinkModel::FLAKY.holds_ns(&mut random).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(losses(4), losses(4));
        assert_ne!(losses(4), losses(5));
        let mean_s = losses(4).iter().map(|ns| *ns as f64 / 1e9).sum::<f64>() / 2_000.0;
        assert!((100.0..140.0).contains(&mean_s), "{mean_s}");
        let mut random = Random::new(9);
        assert!((0..100).all(|_| (3..=30).contains(&(LinkModel::FLAKY.outage_ns(&mut random) / 1_000_000_000))));
    }
}
