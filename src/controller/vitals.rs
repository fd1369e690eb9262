//! How the board is, as the kernel tells: temperature, card, disk, memory, what this program writes. Reads under a root that is an argument;
//! changes nothing, and has a thread of its own, since a file of the kernel may take its time where a sensor or a card hangs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::os;
use crate::protocol::message::{Health, HealthWarning};

const EVERY: Duration = Duration::from_secs(60);
const HOT_C: i32 = 80;
/// A disk with less free than this is told.
const LOW_PERCENT: u8 = 5;
/// Memory is told when so much of the unit's ceiling is used.
const MEMORY_PERCENT: u64 = 80;
/// What is written in less time than this says nothing of a day.
const TELLING_S: u64 = 3600;

/// A card that has used so much of its life is to be replaced.
pub const WORN_PERCENT: u8 = 80;

/// What an eMMC says of the blocks that it keeps in reserve (JESD84-B51, PRE_EOL_INFO).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wear {
    Normal,
    /// 80 % of them are used.
    Warning,
    Urgent,
}

/// What the store lies on. SD cards mostly say nothing of their life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    pub total_bytes: Option<u64>,
    pub free_bytes: Option<u64>,
    /// Mounted, or remounted after an error, so that nothing can be written.
    pub read_only: bool,
    /// The most that any of its areas has used, in steps of ten (DEVICE_LIFE_TIME_EST).
    pub life_used_percent: Option<u8>,
    pub wear: Option<Wear>,
    /// Errors that the file system has counted.
    pub errors: Option<u64>,
}

/// Reads it once a minute for as long as somebody listens; who does not keep up misses one.
pub fn watch(root: PathBuf, dir: PathBuf) -> mpsc::Receiver<Box<Health>> {
    let (sender, receiver) = mpsc::channel(1);
    let started_mono_ns = os::mono_ns();
    let read_on = move || {
        while !sender.is_closed() {
            let up_s = os::mono_ns().saturating_sub(started_mono_ns).unsigned_abs() / 1_000_000_000;
            let _ = sender.try_send(Box::new(read(&root, &dir, up_s)));
            std::thread::sleep(EVERY);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("vitals".into()).spawn(read_on) {
        tracing::warn!("temperature and card are not watched: {error}");
    }
    receiver
}

/// All of it, once, for a program that started so long ago.
pub fn read(root: &Path, dir: &Path, program_up_s: u64) -> Health {
    let card = card(root, dir);
    let first = |name: &str| -> Option<f64> {
        fs::read_to_string(root.join(name)).ok()?.split_whitespace().next()?.parse().ok()
    };
    let free_percent = card.free_bytes.zip(card.total_bytes).map(|(free, total)| (free * 100 / total.max(1)) as u8);
    let written_kb = field(&root.join("proc/self/io"), "write_bytes:").map(|bytes| bytes / 1024);
    let resident_kb = field(&root.join("proc/self/status"), "VmRSS:");
    let per_day = |written: u64| written.saturating_mul(86_400) / program_up_s.max(1);
    let mut health = Health {
        temperature_c: hottest_c(root),
        free_mb: card.free_bytes.map(|bytes| bytes >> 20),
        free_percent,
        card_life_used_percent: card.life_used_percent,
        written_kb,
        written_kb_per_day: written_kb.filter(|_| program_up_s >= TELLING_S).map(per_day),
        resident_kb,
        board_up_s: first("proc/uptime").map(|seconds| seconds as u64),
        program_up_s,
        load_percent: first("proc/loadavg").map(|load| (load * 100.0) as u32),
        warnings: vec![],
    };
    let near = |used_kb: u64| memory_ceiling_kb(root).is_some_and(|ceiling| used_kb * 100 >= ceiling * MEMORY_PERCENT);
    health.warnings = [
        (HealthWarning::Hot, health.temperature_c >= Some(HOT_C)),
        (HealthWarning::CardReadOnly, card.read_only),
        (HealthWarning::CardFailing, card.wear == Some(Wear::Urgent)),
        (HealthWarning::CardWorn, card.wear == Some(Wear::Warning) || card.life_used_percent >= Some(WORN_PERCENT)),
        (HealthWarning::DiskErrors, card.errors > Some(0)),
        (HealthWarning::DiskLow, free_percent.is_some_and(|free| free < LOW_PERCENT)),
        (HealthWarning::MemoryHigh, resident_kb.is_some_and(near)),
    ]
    .into_iter()
    .filter_map(|(warning, holds)| holds.then_some(warning))
    .collect();
    health
}

fn hottest_c(root: &Path) -> Option<i32> {
    let zones = fs::read_dir(root.join("sys/class/thermal")).ok()?.flatten();
    let zones = zones.filter(|zone| zone.file_name().to_string_lossy().starts_with("thermal_zone"));
    let millidegrees =
        |zone: fs::DirEntry| fs::read_to_string(zone.path().join("temp")).ok()?.trim().parse::<i32>().ok();
    // A sensor that is not there often says something impossible.
    zones.filter_map(millidegrees).map(|milli| milli / 1000).filter(|celsius| (-60..=150).contains(celsius)).max()
}

/// What the unit allows (cgroup v2), where anything does: the lower of the two.
fn memory_ceiling_kb(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = root.join("sys/fs/cgroup").join(group);
    ["memory.high", "memory.max"].iter().filter_map(|name| number(&group.join(name))).min().map(|bytes| bytes / 1024)
}

/// The number that follows a name at the beginning of a line.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Looks at the disk under `dir`, and at the eMMC of the board.
pub fn card(root: &Path, dir: &Path) -> Card {
    // Where the directory is still to be made, what it will lie on.
    let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(root);
    let disk = rustix::fs::statvfs(there).ok();
    let (life_used_percent, wear) = emmc(root);
    let mount = mount(root, there);
    Card {
        total_bytes: disk.as_ref().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
        free_bytes: disk.as_ref().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        read_only: mount.as_ref().is_some_and(|mount| mount.read_only),
        life_used_percent,
        wear,
        errors: mount.and_then(|mount| number(&root.join("sys/fs/ext4").join(mount.device).join("errors_count"))),
    }
}

struct Mount {
    /// The last part of its device's name.
    device: String,
    read_only: bool,
}

/// The mount that holds `dir` (proc(5), mountinfo): the one with the longest path, and of those the last.
fn mount(root: &Path, dir: &Path) -> Option<Mount> {
    let dir = dir.canonicalize().ok()?;
    let text = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mounts = text.lines().filter_map(|line| {
        let (own, of_the_device) = line.split_once(" - ")?;
        let own: Vec<&str> = own.split(' ').collect();
        let mut of_the_device = of_the_device.split(' ').skip(1);
        let point = own.get(4)?.replace("\\040", " ");
        let device = of_the_device.next()?.rsplit('/').next()?.to_owned();
        let read_only = |options: Option<&str>| options.is_some_and(|all| all.split(',').any(|one| one == "ro"));
        let read_only = read_only(own.get(5).copied()) || read_only(of_the_device.next());
        dir.starts_with(&point).then_some((point.len(), Mount { device, read_only }))
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, mount)| mount)
}

fn emmc(root: &Path) -> (Option<u8>, Option<Wear>) {
    let devices = fs::read_dir(root.join("sys/block")).into_iter().flatten().flatten();
    let cards = devices.filter(|entry| entry.file_name().to_string_lossy().starts_with("mmcblk"));
    let (mut used, mut wear) = (None, None);
    for card in cards {
        let read = |name: &str| fs::read_to_string(card.path().join("device").join(name)).unwrap_or_default();
        // 1 is up to 10 % used, 11 is more than it was made for; 0 is nothing said.
        let steps = read("life_time");
        let steps = steps.split_whitespace().filter_map(hex).filter(|step| (1..=11).contains(step));
        used = used.max(steps.max().map(|step| step * 10));
        wear = wear.max(match hex(read("pre_eol_info").trim()) {
            Some(1) => Some(Wear::Normal),
            Some(2) => Some(Wear::Warning),
            Some(3) => Some(Wear::Urgent),
            _ => None,
        });
    }
    (used, wear)
}

fn hex(text: &str) -> Option<u8> {
    u8::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_card_is_read_from_what_the_kernel_shows() {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, dir) = (root.path(), dir.path().canonicalize().unwrap());
        let nothing = card(root, &dir);
        assert!(nothing.total_bytes > Some(0) && nothing.free_bytes <= nothing.total_bytes);
        assert_eq!(
            (nothing.read_only, nothing.life_used_percent, nothing.wear, nothing.errors),
            (false, None, None, None)
        );

        write(root, "sys/block/mmcblk0/device/life_time", "0x02 0x09\n");
        write(root, "sys/block/mmcblk0/device/pre_eol_info", "0x02\n");
        write(root, "sys/block/mmcblk1/size", "1\n");
        write(root, "sys/fs/ext4/mmcblk0p3/errors_count", "4\n");
        let mounts = |options: &str| {
            format!(
                "22 1 179:2 / / ro,noatime shared:1 - ext4 /dev/mmcblk0p2 ro\n\
                 31 22 179:3 / {} {options},noatime shared:2 - ext4 /dev/mmcblk0p3 rw,errors=remount-ro\n",
                dir.display()
            )
        };
        write(root, "proc/self/mountinfo", &mounts("rw"));
        let worn = card(root, &dir.join("not-made-yet"));
        assert_eq!((worn.read_only, worn.life_used_percent, worn.wear), (false, Some(90), Some(Wear::Warning)));
        assert_eq!(worn.errors, Some(4));
        write(root, "proc/self/mountinfo", &mounts("ro"));
        assert!(card(root, &dir).read_only);
    }

    #[test]
    fn a_board_is_read_from_what_the_kernel_shows_and_warned_of_in_time() {
        let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (root, dir) = (root.path(), dir.path());
        let bare = read(root, dir, 5);
        assert_eq!(
            (bare.temperature_c, bare.resident_kb, bare.written_kb, bare.load_percent),
            (None, None, None, None)
        );
        assert!(bare.free_mb.is_some());

        for (zone, temp) in [("thermal_zone0", "79999\n"), ("thermal_zone1", "41000\n"), ("thermal_zone2", "-274000\n")]
        {
            write(root, &format!("sys/class/thermal/{zone}/temp"), temp);
        }
        write(root, "sys/class/thermal/cooling_device0/temp", "99000");
        write(root, "proc/uptime", "43260.55 80000.00\n");
        write(root, "proc/loadavg", "0.12 0.20 0.18 1/100 1234\n");
        write(root, "proc/self/io", "rchar: 1\nwrite_bytes: 2097152\ncancelled_write_bytes: 0\n");
        write(root, "proc/self/status", "Name:\tloaxa\nVmRSS:\t   20480 kB\n");
        write(root, "proc/self/cgroup", "0::/system.slice/loaxa-controller.service\n");
        let group = "sys/fs/cgroup/system.slice/loaxa-controller.service";
        write(root, &format!("{group}/memory.high"), "67108864\n");
        write(root, &format!("{group}/memory.max"), "max\n");
        let warm = read(root, dir, 43_200);
        assert_eq!((warm.temperature_c, warm.board_up_s, warm.load_percent), (Some(79), Some(43_260), Some(12)));
        assert_eq!(
            (warm.written_kb, warm.written_kb_per_day, warm.resident_kb),
            (Some(2048), Some(4096), Some(20_480))
        );
        assert_eq!(read(root, dir, 60).written_kb_per_day, None, "a minute says nothing of a day");
        let expected: &[HealthWarning] = if warm.free_percent < Some(5) { &[HealthWarning::DiskLow] } else { &[] };
        assert_eq!(warm.warnings, expected);

        write(root, "sys/class/thermal/thermal_zone1/temp", "80000\n");
        write(root, "sys/block/mmcblk0/device/life_time", "0x08 0x01\n");
        write(root, &format!("{group}/memory.max"), "25000000\n");
        let bad = read(root, dir, 43_200);
        for warning in [HealthWarning::Hot, HealthWarning::CardWorn, HealthWarning::MemoryHigh] {
            assert!(bad.warnings.contains(&warning), "{warning:?}: {bad:?}");
        }
        assert!(bad.is_news_after(&warm) && !bad.is_news_after(&bad));
        assert!(Health { temperature_c: Some(74), ..warm.clone() }.is_news_after(&warm));
        assert!(!Health { temperature_c: Some(75), program_up_s: 1, ..warm.clone() }.is_news_after(&warm));
    }
}
