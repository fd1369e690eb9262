//! The chain of trust as one speaker sees it, plan after plan: revocations, rotations, and what cannot be taken back.

use loaxa::domain::approval::{Approval, Certificate, Denial, Role, Ticket};
use loaxa::domain::hours::HoursStatement;
use loaxa::domain::ids::AreaCode;
use loaxa::domain::moved::Moved;
use loaxa::domain::plan::Plan;
use loaxa::domain::priority::Priority;
use loaxa::domain::trust::{TrustList, TwoApprovers, Withdrawn};
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::{SigningKey, key_id};
use loaxa::protocol::message::ClockAnswer;
use loaxa::protocol::trust::{self, Anchor, Ratchet, Reading, Refusal, SignedPlan, VerifiedPlan};

use crate::golden::World;

const NOW_MS: i64 = 1_795_000_000_000;

/// A site whose keys may change, and one of its speakers.
struct Site {
    world: World,
    authority: SigningKey,
    dispatcher: SigningKey,
    trust: TrustList,
    hours: HoursStatement,
    successions: Vec<Envelope>,
    ratchet: Ratchet,
    anchor: Anchor,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        Self {
            authority: key(1),
            dispatcher: key(2),
            trust: TrustList { revoked: vec![], withdrawn: vec![], two_approvers: vec![], ..world.trust() },
            hours: world.hours(),
            successions: vec![],
            ratchet: Ratchet::default(),
            anchor: Anchor { trust: 5, ..world.anchor() },
            world,
        }
    }

    fn certificate(&self, key: &SigningKey, role: Role) -> Envelope {
        let certificate = Certificate { highest: Priority::Emergency, ..self.world.certificate(key, role) };
        Envelope::sign(&certificate, &self.authority).unwrap()
    }

    fn plan(&self, number: u64) -> SignedPlan {
        self.plan_of(Plan { number, ..self.world.plan() })
    }

    fn plan_of(&self, plan: Plan) -> SignedPlan {
        SignedPlan {
            plan: Envelope::sign(&plan, &self.dispatcher).unwrap(),
            certificates: vec![
                self.certificate(&self.dispatcher, Role::Dispatcher),
                self.certificate(&self.world.approver, Role::Approver),
            ],
            hours: vec![Envelope::sign(&self.hours, &self.authority).unwrap()],
            trust: Some(Envelope::sign(&self.trust, &self.authority).unwrap()),
            successions: self.successions.clone(),
            ..self.world.signed(&plan)
        }
    }

    fn look(&self, signed: &SignedPlan) -> Result<VerifiedPlan, Refusal> {
        let bytes = serde_json::to_vec(signed).unwrap();
        trust::verify(&bytes, &self.anchor, &self.ratchet, Reading::Offered, Some(NOW_MS))
    }

    /// What the speaker does with a plan.
    fn offer(&mut self, signed: &SignedPlan) -> Result<(), Refusal> {
        let plan = self.look(signed)?;
        plan.advance(&mut self.ratchet);
        Ok(())
    }

    fn verdict(&self, signed: &SignedPlan) -> Result<(), Denial> {
        let plan = self.look(signed).unwrap();
        let first = &plan.plan().occurrences[0];
        plan.permits(first, &first.items[0], |_| false).map(|_| ())
    }
}

#[test]
fn a_trust_list_is_never_left_out_rolled_back_or_expired() {
    let mut site = Site::new();
    let older = SignedPlan {
        trust: Some(Envelope::sign(&TrustList { version: 4, ..site.trust.clone() }, &site.authority).unwrap()),
        ..site.plan(1)
    };
    assert_eq!(site.offer(&older), Err(Refusal::TrustRolledBack(5)), "pinned when the speaker was installed");
    assert_eq!(site.offer(&SignedPlan { trust: None, ..site.plan(1) }), Err(Refusal::TrustRolledBack(5)));
    assert_eq!(site.offer(&site.plan(1)), Ok(()));
    let known = site.plan(3);
    site.trust.version = 6;
    assert_eq!(site.offer(&site.plan(2)), Ok(()));
    assert_eq!(site.offer(&known), Err(Refusal::TrustRolledBack(6)), "a true list, but not the newest known here");
    let forged = SignedPlan { trust: Some(Envelope::sign(&site.trust, &key(2)).unwrap()), ..site.plan(3) };
    assert_eq!(site.offer(&forged), Err(Refusal::TrustRolledBack(6)));
    let elsewhere = TrustList { site: "khac".parse().unwrap(), version: 9, ..site.trust.clone() };
    let elsewhere = SignedPlan { trust: Some(Envelope::sign(&elsewhere, &site.authority).unwrap()), ..site.plan(3) };
    assert_eq!(site.offer(&elsewhere), Err(Refusal::TrustRolledBack(6)));
    site.trust.valid_until_ms = NOW_MS;
    assert_eq!(site.offer(&site.plan(3)), Err(Refusal::TrustExpired));
}

#[test]
fn revoked_approvers_and_withdrawn_bulletins_stay_silent_and_two_must_agree_where_it_is_said() {
    let mut site = Site::new();
    assert_eq!(site.verdict(&site.plan(1)), Ok(()));
    let approver = key_id(&site.world.approver.public());
    site.trust.revoked = vec![approver];
    assert_eq!(site.verdict(&site.plan(1)), Err(Denial::Revoked));
    site.trust.revoked.clear();
    site.trust.withdrawn = vec![Withdrawn { bulletin: "sot-xuat-huyet".parse().unwrap(), up_to: 1 }];
    assert_eq!(site.verdict(&site.plan(1)), Err(Denial::Revoked));
    site.trust.withdrawn.clear();
    site.trust.two_approvers = vec![TwoApprovers { area: "24133".parse().unwrap(), from: Priority::Normal }];
    assert_eq!(site.verdict(&site.plan(1)), Err(Denial::SecondApprover));
    let second = key(7);
    let mut both = site.plan(1);
    both.certificates.push(site.certificate(&second, Role::Approver));
    let approval = Approval { approver: key_id(&second.public()), ..site.world.approval() };
    both.approvals.push(Envelope::sign(&approval, &second).unwrap());
    assert_eq!(site.verdict(&both), Ok(()));
    // The first one's approval twice is not two; nor is a second one that the second never signed.
    let mut twice = site.plan(1);
    twice.approvals.push(twice.approvals[0].clone());
    assert_eq!(site.verdict(&twice), Err(Denial::SecondApprover));
    let mut forged = site.plan(1);
    forged.certificates.push(site.certificate(&second, Role::Approver));
    forged.approvals.push(Envelope::sign(&approval, &site.world.approver).unwrap());
    assert_eq!(site.verdict(&forged), Err(Denial::SecondApprover));
}

#[test]
fn a_stolen_dispatcher_is_revoked_and_the_numbers_it_pushed_up_do_not_lock_the_speaker() {
    let mut site = Site::new();
    assert_eq!(site.offer(&site.plan(7)), Ok(()));
    // The thief counts as high as a number goes.
    assert_eq!(site.offer(&site.plan(u64::MAX)), Ok(()));
    assert!(matches!(site.offer(&site.plan(8)), Err(Refusal::Replayed { .. })));
    let stolen = std::mem::replace(&mut site.dispatcher, key(8));
    assert!(matches!(site.offer(&site.plan(8)), Err(Refusal::Replayed { .. })), "a new key alone does not help");
    site.trust.version = 6;
    site.trust.revoked = vec![key_id(&stolen.public())];
    assert_eq!(site.offer(&site.plan(8)), Ok(()));
    assert_eq!(site.ratchet.highest_plan(), 8);
    assert!(matches!(site.offer(&site.plan(8)), Err(Refusal::Replayed { .. })));
    // The thief's plans are over, however they are put together.
    site.dispatcher = stolen;
    assert_eq!(site.offer(&site.plan(100)), Err(Refusal::RevokedDispatcher));
    site.trust = TrustList { version: 5, revoked: vec![], ..site.trust.clone() };
    assert_eq!(site.offer(&site.plan(100)), Err(Refusal::TrustRolledBack(6)));
}

#[test]
fn one_authority_follows_another_only_if_both_say_so_and_there_is_no_way_back() {
    let mut site = Site::new();
    assert_eq!(site.offer(&site.plan(1)), Ok(()));
    let by_old = site.plan(9);
    let (old, new) = (key(1), key(4));
    let alone = {
        use loaxa::domain::trust::Succession;
        let link = Succession { site: "mau".parse().unwrap(), from: old.public(), to: new.public(), made_ms: NOW_MS };
        [Envelope::sign(&link, &old).unwrap(), Envelope::sign(&link, &new).unwrap()]
    };
    site.authority = key(4);
    for half in alone {
        site.successions = vec![half];
        assert!(site.offer(&site.plan(2)).is_err());
    }
    site.successions = vec![site.world.succession(&old, &new)];
    // The new authority begins anew: its versions may be lower, and it may say other hours. But it has to say them.
    (site.trust.version, site.hours.version) = (1, 1);
    assert_eq!(site.offer(&SignedPlan { trust: None, ..site.plan(2) }), Err(Refusal::TrustRolledBack(5)));
    let silent = SignedPlan { hours: vec![], ..site.plan(2) };
    assert_eq!(site.offer(&silent), Err(Refusal::HoursRolledBack("66".parse().unwrap())));
    assert_eq!(site.offer(&site.plan(2)), Ok(()));
    assert_eq!(site.offer(&by_old), Err(Refusal::TrustRolledBack(1)), "what the old one signed is worth nothing");
    let no_way_back = SignedPlan {
        successions: vec![site.world.succession(&old, &new), site.world.succession(&old, &key(5))],
        ..site.plan(3)
    };
    assert_eq!(site.offer(&no_way_back), Ok(()), "a second successor of the old one is passed over");
    assert_eq!(site.ratchet.successions.len(), 1);
    // A speaker that slept through both still follows, and one that was installed since does not mind.
    site.authority = key(6);
    site.successions.push(site.world.succession(&new, &key(6)));
    assert_eq!(site.offer(&site.plan(4)), Ok(()));
    site.ratchet = Ratchet::default();
    assert_eq!(site.offer(&site.plan(5)), Ok(()));
    site.ratchet = Ratchet::default();
    site.anchor = Anchor { authority: key(6).public(), trust: 1, ..site.anchor.clone() };
    assert_eq!(site.offer(&site.plan(6)), Ok(()));
    // Without the links nobody believes the new one.
    site.ratchet = Ratchet::default();
    site.anchor.authority = old.public();
    site.successions.clear();
    assert!(site.offer(&site.plan(7)).is_err());
}

#[test]
fn a_ticket_serves_one_play_and_only_of_an_approver_who_may() {
    let mut site = Site::new();
    let mut plan = site.world.plan();
    plan.occurrences[0].priority = Priority::Emergency;
    let approval = Approval { highest: Priority::Emergency, ..site.world.approval() };
    let with = |site: &Site, tickets: &[(&Ticket, &SigningKey)]| SignedPlan {
        approvals: vec![Envelope::sign(&approval, &site.world.approver).unwrap()],
        tickets: tickets.iter().map(|(ticket, key)| Envelope::sign(*ticket, key).unwrap()).collect(),
        ..site.plan_of(plan.clone())
    };
    let ticket = site.world.ticket();
    let approver = key(3);
    assert_eq!(site.verdict(&with(&site, &[])), Err(Denial::NoTicket));
    assert_eq!(site.verdict(&with(&site, &[(&ticket, &approver)])), Ok(()));
    assert_eq!(site.verdict(&with(&site, &[(&ticket, &key(2))])), Err(Denial::NoTicket), "the dispatcher cannot");
    let by_stranger = Ticket { approver: key_id(&key(9).public()), ..ticket.clone() };
    assert_eq!(site.verdict(&with(&site, &[(&by_stranger, &key(9))])), Err(Denial::NoTicket));
    let verified = site.look(&with(&site, &[(&ticket, &approver)])).unwrap();
    let first = &verified.plan().occurrences[0];
    let used = |one: &Ticket| one.ticket == ticket.ticket;
    assert_eq!(verified.permits(first, &first.items[0], used), Err(Denial::TicketUsed));
    let fresh = Ticket { ticket: "another".parse().unwrap(), ..ticket.clone() };
    let verified = site.look(&with(&site, &[(&ticket, &approver), (&fresh, &approver)])).unwrap();
    let first = &verified.plan().occurrences[0];
    assert_eq!(verified.permits(first, &first.items[0], used), Ok(Some(&fresh.ticket)));
    site.trust.revoked = vec![key_id(&approver.public())];
    assert_eq!(site.verdict(&with(&site, &[(&ticket, &approver)])), Err(Denial::Revoked));
}

#[test]
fn the_time_is_told_by_the_dispatcher_to_one_speaker_and_for_one_probe() {
    let site = Site::new();
    let plan = site.look(&site.plan(1)).unwrap();
    let answer = ClockAnswer { sequence: 1, sent_mono_ns: 2, arrived_unix_ns: 3, answered_unix_ns: 4 };
    let (here, me) = ("mau".parse().unwrap(), "cum-loa-01".parse().unwrap());
    let signed = answer.sign(&here, &me, &site.dispatcher);
    assert!(plan.vouches_for(&signed));
    let others = [
        answer.sign(&here, &"cum-loa-02".parse().unwrap(), &site.dispatcher),
        answer.sign(&"khac".parse().unwrap(), &me, &site.dispatcher),
        answer.sign(&here, &me, &site.world.approver),
        loaxa::protocol::message::SignedClockAnswer {
            answer: ClockAnswer { answered_unix_ns: 5, ..answer },
            ..signed.clone()
        },
        loaxa::protocol::message::SignedClockAnswer { signature: String::new(), ..signed },
    ];
    assert!(others.iter().all(|other| !plan.vouches_for(other)));
}

fn codes(list: &[&str]) -> Vec<AreaCode> {
    list.iter().map(|code| code.parse().unwrap()).collect()
}

/// A unit that stands below these now.
fn moved(since: u64, area: &str, below: &[&str]) -> Moved {
    Moved { since, areas: codes(&[area]), speakers: vec![], below: codes(below), hours: Default::default() }
}

#[test]
fn a_board_stands_where_the_authority_says_and_never_back() {
    let mut site = Site::new();
    assert_eq!(site.anchor.areas, codes(&["66", "24133"]));
    // Another province's word, to which it does not listen yet.
    let far = |area: &str| {
        let world = World::new();
        Envelope::sign(&Approval { areas: codes(&[area]), ..world.approval() }, &world.approver).unwrap()
    };
    let by = |site: &Site, number: u64, area: &str| SignedPlan { approvals: vec![far(area)], ..site.plan(number) };
    assert_eq!(site.verdict(&by(&site, 7, "24169")), Err(Denial::WrongArea));
    // Its unit becomes part of 24169: what is approved for that counts, and so does what was approved for it alone.
    site.trust.version = 6;
    site.trust.moved = vec![moved(6, "24133", &["66", "24169"])];
    assert_eq!(site.look(&site.plan(8)).unwrap().areas(), codes(&["66", "24169", "24133"]));
    for area in ["24169", "24133", "66"] {
        assert_eq!(site.verdict(&by(&site, 8, area)), Ok(()), "{area}");
    }
    site.offer(&site.plan(8)).unwrap();
    // A server that keeps the older list does not get the board back.
    let mut older = Site { ratchet: site.ratchet.clone(), ..Site::new() };
    assert_eq!(older.offer(&older.plan(9)), Err(Refusal::TrustRolledBack(6)));
    // Nor does somebody else's list move anything.
    let mut forged = Site { ratchet: site.ratchet.clone(), authority: key(7), ..Site::new() };
    forged.trust = TrustList { version: 9, moved: vec![moved(9, "24133", &["01"])], ..forged.trust };
    assert!(forged.offer(&forged.plan(9)).is_err());
    // The authority may: a later list without the entry is the way back.
    (site.trust.version, site.trust.moved) = (7, vec![]);
    assert_eq!(site.look(&site.plan(9)).unwrap().areas(), codes(&["66", "24133"]));
    // What was said before the board was enrolled is in what it pinned.
    site.anchor.trust = 8;
    (site.trust.version, site.trust.moved) = (8, vec![moved(8, "24133", &["01"])]);
    assert_eq!(site.look(&site.plan(9)).unwrap().areas(), codes(&["66", "24133"]));
}

#[test]
fn a_move_brings_its_lawful_hours_and_makes_sense_or_is_refused() {
    let mut site = Site::new();
    site.trust.version = 6;
    let there = Moved { hours: [("24169".parse().unwrap(), 4)].into(), ..moved(6, "24133", &["66", "24169"]) };
    site.trust.moved = vec![there];
    // The new unit has hours of its own: a plan without them, or with older ones, is as good as none.
    let missing = Refusal::HoursRolledBack("24169".parse().unwrap());
    assert_eq!(site.offer(&site.plan(7)), Err(missing.clone()));
    let with = |site: &Site, version: u64| {
        let hours = HoursStatement { area: "24169".parse().unwrap(), version, ..site.hours.clone() };
        let mut signed = site.plan(7);
        signed.hours.push(Envelope::sign(&hours, &site.authority).unwrap());
        signed
    };
    assert_eq!(site.look(&with(&site, 3)).map(|_| ()), Err(missing));
    assert!(site.look(&with(&site, 4)).is_ok());
    // A dispatcher for another unit alone has nothing to say here any more.
    let mut elsewhere = Site::new();
    elsewhere.trust = TrustList { version: 6, moved: vec![moved(6, "66", &["01"])], ..elsewhere.trust };
    assert!(elsewhere.look(&elsewhere.plan(7)).is_ok(), "66 stands below 01 now, and the dispatcher is 66's");
    let circle = Moved { below: codes(&["66", "24133"]), ..moved(6, "24133", &[]) };
    let later = moved(7, "24133", &["66", "24169"]);
    for bad in [circle, later, moved(6, "24133", &[])] {
        site.trust.moved = vec![bad.clone()];
        assert_eq!(site.offer(&site.plan(7)), Err(Refusal::TrustUnsound), "{bad:?}");
    }
    site.trust.moved = (0..1001).map(|n| moved(6, &format!("a{n}"), &["66"])).collect();
    assert_eq!(site.offer(&site.plan(7)), Err(Refusal::TooLarge));
}
