//! The board's clock: no answer makes it panic or claim to be better than exact, and honest answers never put the truth outside its bound.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use loaxa::controller::clock::{Bound, Clock};
use loaxa::protocol::message::ClockAnswer;

fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let honest = input.arbitrary::<bool>().unwrap_or(false);
    // It ends when the input does.
    let _ = if honest { tell_the_truth(&mut input) } else { tell_anything(&mut input) };
});

fn tell_anything(input: &mut Unstructured<'_>) -> Result<()> {
    let mut clock = Clock::default();
    while !input.is_empty() {
        match input.int_in_range(0..=3)? {
            0 => {
                let answer = ClockAnswer {
                    sequence: input.arbitrary()?,
                    sent_mono_ns: input.arbitrary()?,
                    arrived_unix_ns: input.arbitrary()?,
                    answered_unix_ns: input.arbitrary()?,
                };
                clock.learn(&answer, input.arbitrary()?);
            }
            1 => clock.add(Bound {
                low_ns: input.arbitrary()?,
                high_ns: input.arbitrary()?,
                at_mono_ns: input.arbitrary()?,
            }),
            2 => {
                let bound = Bound::around(input.arbitrary()?, input.arbitrary()?, input.arbitrary()?);
                clock.set_system(input.arbitrary::<bool>()?.then_some(bound));
            }
            _ => {}
        }
        let now_mono_ns: i64 = input.arbitrary()?;
        if let Some(estimate) = clock.estimate(now_mono_ns) {
            assert!(estimate.error_ns >= 0, "{estimate:?}");
        }
    }
    Ok(())
}

/// A center whose clock is right and drifts by less than it may, messages that take as long as they like, and a system clock that may be
/// there, wrong by less than it says.
fn tell_the_truth(input: &mut Unstructured<'_>) -> Result<()> {
    let offset_ns = input.int_in_range(0..=4_000_000_000_000_000_000)?;
    let drift_ppm: i64 = input.int_in_range(-99..=99)?;
    let truth = |mono_ns: i64| offset_ns + (i128::from(mono_ns) * i128::from(drift_ppm) / 1_000_000) as i64;
    let mut clock = Clock::default();
    let mut now_ns = 0i64;
    while !input.is_empty() {
        now_ns += i64::from(input.arbitrary::<u32>()?) << input.int_in_range(0..=16)?;
        if now_ns > 40_000_000_000_000_000 {
            return Ok(());
        }
        let [there, at_center, back] = [(); 3].map(|()| input.int_in_range(0..=4_000_000_000i64));
        let sent_mono_ns = now_ns;
        let arrived_ns = sent_mono_ns + there?;
        let answered_ns = arrived_ns + at_center?;
        now_ns = answered_ns + back?;
        let answer = ClockAnswer {
            sequence: 0,
            sent_mono_ns,
            arrived_unix_ns: arrived_ns + truth(arrived_ns),
            answered_unix_ns: answered_ns + truth(answered_ns),
        };
        clock.learn(&answer, now_ns);
        if input.ratio(1, 8)? {
            let error_ns = input.int_in_range(0..=1_000_000_000)?;
            let wrong_ns = input.int_in_range(-error_ns..=error_ns)?;
            clock.set_system(Some(Bound::around(truth(now_ns) + wrong_ns, error_ns, now_ns)));
        }
        let later_ns = now_ns + i64::from(input.arbitrary::<u32>()?);
        if let Some(estimate) = clock.estimate(later_ns) {
            let wrong_ns = (estimate.offset_ns - truth(later_ns)).abs();
            // Four roundings of a nanosecond each.
            assert!(wrong_ns <= estimate.error_ns + 4, "{wrong_ns} ns off, {estimate:?}");
        }
    }
    Ok(())
}
