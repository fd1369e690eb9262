//! How the board is, as the kernel tells: so far its card. Reads under a root that is an argument; writes nothing, judges little.

use std::fs;
use std::path::Path;

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
}
