//! Keeps speakers within earshot of each other apart in time, where they cannot be kept in step.
//!
//! Speakers that share a clock and a site word play in step. Others that are near enough to be heard together may be offset:
//! the fewest different offsets such that no two neighbours have the same are found greedily, in order of their names, so that
//! adding a speaker far away moves nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::SpeakerId;

/// Where a speaker stands, in degrees (WGS 84), and with whom it plays in step.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    pub latitude: f64,
    pub longitude: f64,
    pub step_with: Option<String>,
}

/// Mean radius of the earth in metres (IUGG).
const EARTH_M: f64 = 6_371_008.8;

/// The offset of each speaker in ms: a multiple of `stagger_ms`. With `stagger_ms` = 0 all play in step.
pub fn offsets(spots: &BTreeMap<SpeakerId, Spot>, within_m: f64, stagger_ms: i64) -> BTreeMap<SpeakerId, i64> {
    let mut steps: BTreeMap<&SpeakerId, i64> = BTreeMap::new();
    if stagger_ms <= 0 || within_m <= 0.0 {
        return BTreeMap::new();
    }
    // A grid of cells as wide as the distance: neighbours are in the same cell or in one beside it.
    let cell_degrees = (within_m / EARTH_M).to_degrees();
    let cell = |spot: &Spot| {
        let widen = spot.latitude.to_radians().cos().max(0.01);
        ((spot.latitude / cell_degrees).floor() as i64, (spot.longitude * widen / cell_degrees).floor() as i64)
    };
    let mut grid: BTreeMap<(i64, i64), Vec<&SpeakerId>> = BTreeMap::new();
    let mut groups: BTreeMap<&str, Vec<&SpeakerId>> = BTreeMap::new();
    for (id, spot) in spots {
        grid.entry(cell(spot)).or_default().push(id);
        if let Some(group) = &spot.step_with {
            groups.entry(group).or_default().push(id);
        }
    }
    for (id, spot) in spots {
        if steps.contains_key(id) {
            continue;
        }
        // Those that play in step get one offset, apart from the neighbours of each of them.
        let alone = [id];
        let unit =
            spot.step_with.as_ref().and_then(|group| groups.get(group.as_str())).map_or(&alone[..], Vec::as_slice);
        let mut taken: BTreeSet<i64> = BTreeSet::new();
        for member in unit {
            let place = &spots[*member];
            let (row, column) = cell(place);
            // Two columns to each side, since a cell's width changes with the latitude.
            for near in (row - 1..=row + 1).flat_map(|row| (column - 2..=column + 2).map(move |column| (row, column))) {
                let others = grid.get(&near).into_iter().flatten().filter(|other| !unit.contains(*other));
                taken.extend(
                    others
                        .filter(|other| distance_m(place, &spots[**other]) <= within_m)
                        .filter_map(|other| steps.get(*other).copied()),
                );
            }
        }
        let step = (0..).find(|step| !taken.contains(step)).unwrap_or(0);
        steps.extend(unit.iter().map(|member| (*member, step)));
    }
    steps.into_iter().map(|(id, step)| (id.clone(), step * stagger_ms)).collect()
}

/// Great-circle distance (haversine).
pub fn distance_m(a: &Spot, b: &Spot) -> f64 {
    let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let half = |x: f64| (x / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half((b.longitude - a.longitude).to_radians());
    2.0 * EARTH_M * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(metres_north: f64, metres_east: f64, step_with: Option<&str>) -> Spot {
        let degrees = |m: f64| (m / EARTH_M).to_degrees();
        let latitude: f64 = 12.68 + degrees(metres_north);
        let longitude = 108.05 + degrees(metres_east) / latitude.to_radians().cos();
        Spot { latitude, longitude, step_with: step_with.map(str::to_owned) }
    }

    #[test]
    fn neighbours_are_kept_apart_unless_they_play_in_step() {
        let spots: BTreeMap<SpeakerId, Spot> = [
            ("a", spot(0.0, 0.0, None)),
            ("b", spot(0.0, 300.0, None)),
            ("c", spot(0.0, 600.0, None)),
            ("d", spot(5_000.0, 0.0, None)),
            ("e", spot(10_000.0, 0.0, Some("xa"))),
            ("f", spot(10_000.0, 200.0, Some("xa"))),
            ("g", spot(10_000.0, 100.0, None)),
            // near the second of a group whose first is far away
            ("h", spot(20_000.0, 0.0, Some("chợ"))),
            ("i", spot(30_000.0, 0.0, Some("chợ"))),
            ("j", spot(30_000.0, 100.0, None)),
        ]
        .into_iter()
        .map(|(id, spot)| (id.parse().unwrap(), spot))
        .collect();
        let found = offsets(&spots, 400.0, 4_000);
        let of = |id: &str| found[&id.parse::<SpeakerId>().unwrap()];
        assert_eq!(["a", "b", "c", "d", "e", "f", "g"].map(of), [0, 4_000, 0, 0, 0, 0, 4_000]);
        assert_eq!(["h", "i", "j"].map(of), [0, 0, 4_000]);
        assert!(offsets(&spots, 400.0, 0).is_empty());
        let metres = distance_m(&spot(0.0, 0.0, None), &spot(300.0, 400.0, None));
        assert!((metres - 500.0).abs() < 1.0, "{metres}");
    }
}
