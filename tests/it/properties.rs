//! What must hold for every plan, not just for those we thought of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loaxa::domain::approval::{Approval, Certificate, PublicKey, Role, Ticket};
use loaxa::domain::calendar::Calendars;
use loaxa::domain::clash::ClashPolicy;
use loaxa::domain::fleet::{Fleet, named_speakers};
use loaxa::domain::hours::{Hours, HoursStatement, Openings};
use loaxa::domain::ids::{MediaHash, OccurrenceId, SpeakerId};
use loaxa::domain::plan::{Plan, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::programme::SoundKind;
use loaxa::domain::schedule::{Schedule, ScheduleText};
use loaxa::domain::script::{Approved, Cue, Script, Voice};
use loaxa::domain::series::{History, Series};
use loaxa::domain::timetable::{Expanded, Place, Profile, Timetable, Window, World, timetable};
use loaxa::domain::trust::TrustList;
use loaxa::protocol::trust;
use proptest::prelude::*;

use crate::golden::World as Signed;

const FROM_MS: i64 = 1_795_000_000_000;
const WINDOW: Window = Window { from_ms: FROM_MS, until_ms: FROM_MS + 3 * 86_400_000 };
const LEVELS: [&str; 4] = ["filler", "normal", "priority", "emergency"];
const POLICIES: [&str; 4] = ["cut", "resume", "queue", "drop"];

fn approved(bulletin: &str, duration_ms: i64) -> Arc<Approved> {
    let (media, areas) = (MediaHash([1; 32]), vec!["66".parse().unwrap()]);
    let approval = Approval {
        site: "mau".parse().unwrap(),
        bulletin: bulletin.parse().unwrap(),
        revision: 1,
        title: bulletin.into(),
        media,
        areas: areas.clone(),
        highest: Priority::Emergency,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
        made_ms: 1,
        approver: "k".parse().unwrap(),
    };
    let approver = Certificate {
        site: "mau".parse().unwrap(),
        role: Role::Approver,
        title: "x".into(),
        key: PublicKey([0; 32]),
        areas,
        highest: Priority::Emergency,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
    };
    Arc::new(Approved {
        bulletin: bulletin.parse().unwrap(),
        revision: 1,
        title: bulletin.into(),
        tickets: tickets(&approver),
        approvals: vec![(approval, approver)],
        trust: Arc::new(TrustList::unless_said("mau".parse().unwrap())),
        media,
        duration_ms,
        gain_db: 0.0,
    })
}

/// One after the other, so that every emergency of the window has one.
fn tickets(approver: &Certificate) -> Vec<(Ticket, Certificate)> {
    let ticket = |turn: i64| Ticket {
        site: "mau".parse().unwrap(),
        ticket: format!("t{}", turn + 2).parse().unwrap(),
        title: "x".into(),
        media: vec![MediaHash([1; 32])],
        areas: approver.areas.clone(),
        valid_from_ms: WINDOW.from_ms + turn * 43_200_000,
        valid_until_ms: WINDOW.from_ms + turn * 43_200_000 + 86_400_000,
        longest_ms: 86_400_000,
        made_ms: 1,
        approver: "k".parse().unwrap(),
    };
    (-2..10).map(|turn| (ticket(turn), approver.clone())).collect()
}

/// A schedule of one bulletin, as numbers.
#[derive(Debug, Clone)]
struct Rule {
    minute: u32,
    hours: u32,
    slot_s: u32,
    level: usize,
    policy: usize,
    content_s: i64,
    approved: bool,
    target: usize,
}

const TARGETS: [&str; 4] = ["66", "24133", "24169", "speaker:c"];

fn rule() -> impl Strategy<Value = Rule> {
    let when = (0u32..60, 1u32..24, 1u32..7_200);
    let what = (0usize..4, 0usize..4, 1i64..4_000, prop::bool::weighted(0.9), 0usize..4);
    (when, what).prop_map(|((minute, hours, slot_s), (level, policy, content_s, approved, target))| Rule {
        minute,
        hours,
        slot_s,
        level,
        policy,
        content_s,
        approved,
        target,
    })
}

/// Adds, or replaces, schedule and programme number `index`.
fn put(world: &mut World, index: usize, rule: &Rule) {
    let text = ScheduleText {
        cron: format!("0 {} */{} * * *", rule.minute, rule.hours),
        duration_s: Some(rule.slot_s),
        priority: Some(LEVELS[rule.level].into()),
        clash: Some(POLICIES[rule.policy].into()),
        wait_s: Some(900),
        targets: vec![TARGETS[rule.target].into()],
        programme: Some(format!("p{index}")),
        ..Default::default()
    };
    let schedule = Schedule::new(format!("s{index}").parse().unwrap(), &text, &Calendars::default()).unwrap();
    let bulletin = format!("b{index}");
    let voice = Voice {
        bulletin: bulletin.parse().unwrap(),
        language: "vie".parse().unwrap(),
        approved: if rule.approved { vec![approved(&bulletin, rule.content_s * 1000)] } else { vec![] },
    };
    let script = Script { cues: vec![Cue::Sound { kind: SoundKind::Bulletin, voices: vec![voice] }] };
    world.programmes.insert(format!("p{index}").parse().unwrap(), Arc::new(History::always(script)));
    world.series.retain(|series| series.id != schedule.id);
    world.series.push(Arc::new(Series::always(schedule)));
    world.series.sort_by(|a, b| a.id.cmp(&b.id));
}

fn world(rules: &[Rule], hours: &[(u32, u32)]) -> World {
    let mut world = World { edit_lock_ms: 0, ..World::default() };
    rules.iter().enumerate().for_each(|(index, rule)| put(&mut world, index, rule));
    let at =
        |minute: u32| if minute == 1440 { "24:00".into() } else { format!("{:02}:{:02}", minute / 60, minute % 60) };
    for (code, (from, length)) in ["66", "24133"].iter().zip(hours) {
        let statement = HoursStatement {
            site: "mau".parse().unwrap(),
            area: code.parse().unwrap(),
            version: 1,
            time_zone: "Asia/Ho_Chi_Minh".into(),
            windows: vec![(at(*from), at((from + length).min(1440)))],
            max_session_s: Some(3_000),
            max_day_s: Some(20_000),
            made_ms: 0,
        };
        let place =
            Place { hours: Some(Hours::new(&statement).unwrap()), own_first: Some(from % 2 == 0), is_part: false };
        world.places.insert(code.parse().unwrap(), place);
    }
    world
}

fn profiles(world: &World) -> BTreeMap<SpeakerId, Profile> {
    let named = named_speakers(world);
    let speakers = [("a", "24133"), ("b", "24133"), ("c", "24169"), ("d", "24169")];
    let profile = |id: &SpeakerId, area: &str| Profile {
        areas: vec!["66".parse().unwrap(), area.parse().unwrap()],
        languages: vec![],
        offset_ms: 0,
        alone: named.contains(id).then(|| id.clone()),
    };
    speakers
        .iter()
        .map(|(id, area)| {
            let id: SpeakerId = id.parse().unwrap();
            (id.clone(), profile(&id, area))
        })
        .collect()
}

fn fleet(world: &World) -> Fleet {
    Fleet::new(world.clone(), WINDOW, profiles(world), 1)
}

fn tables(fleet: &Fleet) -> BTreeMap<SpeakerId, Timetable> {
    let table = |id: &SpeakerId| fleet.timetable(id).unwrap().as_ref().clone();
    fleet.speakers().map(|(id, _)| (id.clone(), table(id))).collect()
}

fn hours() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((0u32..1_000, 60u32..900), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_overlaps_nothing_is_lost_and_nothing_sounds_when_it_must_not(
        rules in prop::collection::vec(rule(), 1..8), hours in hours(),
    ) {
        let world = world(&rules, &hours);
        let expanded = Expanded::new(&world, WINDOW);
        for (id, profile) in profiles(&world) {
            let table = timetable(&world, &expanded, &profile);
            // No two sounds at once, in order.
            for pair in table.pieces.windows(2) {
                prop_assert!(pair[0].end_ms() <= pair[1].start_ms, "{pair:?}");
            }
            let places: Vec<_> = profile.areas.iter().filter_map(|area| world.places.get(area)?.hours.clone()).collect();
            let lawful = Openings::new(&places, WINDOW.from_ms - 86_400_000, WINDOW.until_ms + 86_400_000);
            for piece in &table.pieces {
                let emergency = piece.schedule.priority == Priority::Emergency;
                prop_assert!(emergency || lawful.allow(piece.start_ms, piece.end_ms()), "{piece:?}");
                prop_assert!(piece.start_ms >= piece.nominal_ms);
                let schedule = &piece.schedule;
                let latest_ms = match schedule.clash {
                    ClashPolicy::Cut => schedule.duration_ms.unwrap_or(0),
                    ClashPolicy::Resume | ClashPolicy::Queue => piece.content.length_ms + schedule.wait_ms,
                    ClashPolicy::Drop => piece.content.length_ms,
                };
                prop_assert!(piece.end_ms() <= piece.nominal_ms + latest_ms, "it waits no longer than its policy says");
                let planned = piece.planned().unwrap();
                prop_assert!(planned.content_end_ms() <= planned.end_ms);
            }
            // What a rule means is in the table, or told of with a reason.
            let told: BTreeSet<OccurrenceId> = table.pieces.iter().map(|piece| piece.occurrence())
                .chain(table.remarks.iter().map(|remark| remark.occurrence.clone())).collect();
            for series in &world.series {
                for reign in series.reigns(WINDOW.from_ms, WINDOW.until_ms, 0) {
                    if reign.schedule.reaches_profile(&profile) {
                        for play in &reign.plays {
                            prop_assert!(told.contains(&OccurrenceId::new(&series.id, play.nominal_ms)));
                        }
                    }
                }
            }
            // Whoever is in the way is at least as important, and really there.
            for remark in &table.remarks {
                if let Some(by) = remark.why.by() {
                    let winner = table.pieces.iter().find(|piece| piece.occurrence() == *by);
                    prop_assert!(winner.is_some(), "{remark:?} on {id}");
                    let index: usize = remark.occurrence.as_str()[1..].split('@').next().unwrap().parse().unwrap();
                    prop_assert!(winner.unwrap().schedule.priority as usize >= rules[index].level);
                }
            }
            // A plan made of it is sound.
            let occurrences: Vec<PlannedOccurrence> = table.pieces.iter().filter_map(|piece| piece.planned()).collect();
            let signed = Signed::new();
            let mut plan = Plan { from_ms: WINDOW.from_ms, until_ms: WINDOW.until_ms + 86_400_000, occurrences, ..signed.plan() };
            let hash = plan.media[0].hash;
            plan.occurrences.iter_mut().flat_map(|o| &mut o.items).for_each(|item| item.media = hash);
            prop_assert_eq!(plan.check(), Ok(()));
            // Written and read it is the same.
            let text = serde_json::to_string(&plan).unwrap();
            prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
            // The same again gives the same.
            prop_assert_eq!(&table, &timetable(&world, &expanded, &profile));
        }
    }

    #[test]
    fn an_edit_worked_in_is_what_working_everything_out_again_gives(
        rules in prop::collection::vec(rule(), 2..7), hours in hours(), edits in prop::collection::vec((0usize..9, rule(), 0u8..4), 1..5),
    ) {
        let mut now = world(&rules, &hours);
        let mut kept = fleet(&now);
        for (index, rule, kind) in edits {
            match kind {
                0 => now.series.retain(|series| series.id.as_str() != format!("s{index}")),
                1 => {
                    let place = Place { own_first: Some(true), hours: None, is_part: false };
                    now.places.insert("24169".parse().unwrap(), place);
                }
                _ => put(&mut now, index, &rule),
            }
            let before = tables(&kept);
            let changed = kept.update(now.clone(), profiles(&now), 1);
            let after = tables(&kept);
            prop_assert_eq!(&after, &tables(&fleet(&now)));
            let really: BTreeSet<SpeakerId> =
                after.iter().filter(|(id, table)| before.get(*id) != Some(table)).map(|(id, _)| id.clone()).collect();
            prop_assert_eq!(changed, really);
        }
    }

    #[test]
    fn two_edits_give_the_same_in_either_order(
        rules in prop::collection::vec(rule(), 2..6), first in rule(), second in rule(),
    ) {
        let base = world(&rules, &[]);
        let (mut forth, mut back) = (base.clone(), base);
        put(&mut forth, 20, &first);
        put(&mut forth, 21, &second);
        put(&mut back, 21, &second);
        put(&mut back, 20, &first);
        let (mut a, mut b) = (fleet(&world(&rules, &[])), fleet(&forth));
        a.update(back.clone(), profiles(&back), 2);
        prop_assert_eq!(tables(&a), tables(&b));
        b.update(back.clone(), profiles(&back), 2);
        prop_assert_eq!(tables(&a), tables(&b));
    }

    #[test]
    fn a_damaged_plan_is_refused_and_never_a_panic(at in 0usize..10_000, to in any::<u8>(), cut in 0usize..10_000) {
        let world = Signed::new();
        let good = serde_json::to_vec(&world.signed(&world.plan())).unwrap();
        let mut bytes = good.clone();
        let index = at % bytes.len();
        bytes[index] = to;
        if cut % 3 == 0 {
            bytes.truncate(cut % good.len());
        }
        // White space and a certificate that no longer verifies may leave a plan that still holds; its content must be untouched.
        if let Ok(verified) = trust::verify(&bytes, &world.anchor(), &Default::default(), trust::Reading::Offered, None) {
            prop_assert_eq!(verified.plan(), &world.plan());
        }
    }
}
