//! What must hold for every plan, not just for those we thought of.

use std::collections::BTreeSet;

use loaxa::domain::approval::{Approval, Certificate, PublicKey, Role};
use loaxa::domain::calendar::Calendars;
use loaxa::domain::ids::{MediaHash, OccurrenceId};
use loaxa::domain::priority::Priority;
use loaxa::domain::schedule::{Schedule, ScheduleText};
use loaxa::domain::timetable::{Approved, Line, LineItem, Why, timetable};
use loaxa::protocol::trust;
use proptest::prelude::*;

use crate::golden::World;

const FROM_MS: i64 = 1_795_000_000_000;
const UNTIL_MS: i64 = FROM_MS + 3 * 86_400_000;

fn approved(duration_ms: i64) -> Approved {
    let (media, areas) = (MediaHash([1; 32]), vec!["66".parse().unwrap()]);
    Approved {
        approval: Approval {
            site: "mau".parse().unwrap(),
            bulletin: "b".parse().unwrap(),
            revision: 1,
            title: "b".into(),
            media,
            areas: areas.clone(),
            highest: Priority::Emergency,
            valid_from_ms: 0,
            valid_until_ms: i64::MAX,
            made_ms: 1,
            approver: "k".parse().unwrap(),
        },
        approver: Certificate {
            site: "mau".parse().unwrap(),
            role: Role::Approver,
            title: "x".into(),
            key: PublicKey([0; 32]),
            areas,
            highest: Priority::Emergency,
            valid_from_ms: 0,
            valid_until_ms: i64::MAX,
        },
        media,
        duration_ms,
        gain_db: 0.0,
    }
}

fn line() -> impl Strategy<Value = (u32, u32, u32, usize, u32, bool)> {
    // minute, step of hours, slot in seconds, priority, content in seconds, approved
    (0u32..60, 1u32..24, 1u32..7_200, 0usize..4, 1u32..4_000, prop::bool::weighted(0.9))
}

fn lines(rules: &[(u32, u32, u32, usize, u32, bool)]) -> Vec<Line> {
    const LEVELS: [&str; 4] = ["filler", "normal", "priority", "emergency"];
    rules
        .iter()
        .enumerate()
        .map(|(index, (minute, hours, slot_s, level, content_s, ok))| {
            let text = ScheduleText {
                cron: format!("0 {minute} */{hours} * * *"),
                duration_s: Some(*slot_s),
                priority: Some(LEVELS[*level].into()),
                targets: vec!["66".into()],
                ..Default::default()
            };
            let schedule = Schedule::new(format!("s{index}").parse().unwrap(), &text, &Calendars::default()).unwrap();
            let item = LineItem {
                bulletin: "b".parse().unwrap(),
                approved: ok.then(|| approved(i64::from(*content_s) * 1000)),
            };
            Line { schedule, items: vec![item] }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overlaps_nothing_is_lost_and_the_higher_always_stays(rules in prop::collection::vec(line(), 1..8)) {
        let lines = lines(&rules);
        let (speaker, areas) = ("a".parse().unwrap(), vec!["66".parse().unwrap()]);
        let table = timetable(&lines, &speaker, &areas, FROM_MS, UNTIL_MS, None);

        // No two sounds at once, in order, inside the window.
        for pair in table.occurrences.windows(2) {
            prop_assert!(pair[0].end_ms <= pair[1].start_ms);
        }
        for occurrence in &table.occurrences {
            prop_assert!((FROM_MS..UNTIL_MS).contains(&occurrence.start_ms));
            let content_ms: i64 = occurrence.items.iter().map(|item| item.duration_ms).sum();
            prop_assert!(occurrence.start_ms + content_ms <= occurrence.end_ms, "content ends within its slot");
        }
        // Every start that a rule means is in the table or left out with a reason.
        let told: BTreeSet<OccurrenceId> = table.occurrences.iter().map(|o| o.id.clone())
            .chain(table.left_out.iter().map(|l| l.occurrence.clone())).collect();
        for line in &lines {
            for start in line.schedule.rule.starts(FROM_MS, UNTIL_MS, usize::MAX / 4) {
                let start_ms = start.start_ms;
                prop_assert!(told.contains(&OccurrenceId::new(&line.schedule.id, start_ms)));
            }
        }
        // Who is displaced gave way to somebody at least as important, who is really there then.
        for left_out in &table.left_out {
            if let Why::Displaced { by } = &left_out.why {
                let winner = table.occurrences.iter().find(|o| o.id == *by);
                prop_assert!(winner.is_some());
                let index: usize = left_out.occurrence.as_str()[1..].split('@').next().unwrap().parse().unwrap();
                prop_assert!(winner.unwrap().priority >= lines[index].schedule.priority);
            }
        }
        // The same again gives the same.
        prop_assert_eq!(table, timetable(&lines, &speaker, &areas, FROM_MS, UNTIL_MS, None));
    }

    #[test]
    fn a_damaged_plan_is_refused_and_never_a_panic(at in 0usize..10_000, to in any::<u8>(), cut in 0usize..10_000) {
        let world = World::new();
        let good = serde_json::to_vec(&world.signed(&world.plan())).unwrap();
        let mut bytes = good.clone();
        let index = at % bytes.len();
        bytes[index] = to;
        if cut % 3 == 0 {
            bytes.truncate(cut % good.len());
        }
        // White space and a certificate that no longer verifies may leave a plan that still holds; its content must be untouched.
        if let Ok(verified) = trust::verify(&bytes, &world.anchor(), None, None) {
            prop_assert_eq!(verified.plan(), &world.plan());
        }
    }
}
