//! The few things asked of the operating system: monotonic time, whether NTP keeps the clock, real-time priority.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CLOCK_MONOTONIC: the time base of everything that is played.
pub fn mono_ns() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The system's idea of Unix time in nanoseconds; only [`system_clock_error_ns`] says whether to believe it.
pub fn system_unix_ns() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The kernel's bound on the system clock's error, if something (NTP, PTP, PPS) keeps it; `None` if nothing does.
#[expect(unsafe_code, reason = "adjtimex has no safe wrapper")]
pub fn system_clock_error_ns() -> Option<i64> {
    // SAFETY: `timex` is plain data for which zero is a valid value; with modes = 0 adjtimex only writes into it.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    let synchronised = state >= 0 && state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0;
    // `offset` is what is still being slewed away, in ns or us by STA_NANO; daemons may leave `maxerror` at 0 meanwhile.
    let offset_unit_ns = if timex.status & libc::STA_NANO != 0 { 1 } else { 1000 };
    #[allow(clippy::useless_conversion, reason = "32 bits wide on armhf")]
    let offset_ns = i64::from(timex.offset).saturating_abs().saturating_mul(offset_unit_ns);
    #[allow(clippy::useless_conversion, reason = "32 bits wide on armhf")]
    synchronised.then(|| i64::from(timex.maxerror).saturating_mul(1000).saturating_add(offset_ns))
}

/// Asks for first-in-first-out scheduling of the calling thread. Without the right to it (a developer's machine) nothing changes.
#[expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]
pub fn make_thread_real_time() -> bool {
    let parameters = libc::sched_param { sched_priority: 10 };
    // SAFETY: the pointer is to a live, initialised value that the call only reads; 0 names the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters) == 0 }
}

/// A number that changes with every boot, and CLOCK_MONOTONIC with it.
pub fn boot_number() -> u64 {
    let digits: String = boot_id().chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

/// Changes with every boot, so that a stored clock offset can be told from one of an earlier boot.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
