//! Speakers of one local network find each other and keep the step of one of them; strangers to their key count for nothing.

use crate::harness::{Center, Pole, Sound, wait_for};

fn on_the_local_network(center: &Center, id: &str, area: &str) -> Pole {
    let mut pole = Pole::add(center, id, id, area, Sound::Dac { ppm: 0.0 });
    pole.environment = [("NEIGHBOURS", "true"), ("NEIGHBOUR_INTERFACE", "127.0.0.1")]
        .map(|(key, value)| (format!("LOAXA_CLOCK__{key}"), value.to_owned()))
        .into();
    pole.start();
    pole
}

#[test]
fn neighbours_keep_the_step_of_one_of_them_and_go_by_themselves_when_it_is_gone() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let mut poles = ["a", "b"].map(|id| on_the_local_network(&center, id, "24133"));
    // Of another area, so with another key: it hears the others and cannot tell a word.
    let _stranger = on_the_local_network(&center, "c", "24169");
    center.wait_ready("c");
    let source = |id: &str| center.speaker(id)["clock"]["source"].as_str().map(str::to_owned);
    let is_neighbour = |id: &str| source(id).is_some_and(|source| source.starts_with("neighbour:"));
    // One of the two leads, whichever came to know the time better.
    let follower = wait_for("one to follow the other", 60, || ["a", "b"].into_iter().find(|id| is_neighbour(id)));
    let leader = if follower == "a" { "b" } else { "a" };
    assert_eq!(source(follower), Some(format!("neighbour:{leader}")));
    assert_eq!((source(leader).as_deref(), source("c").as_deref()), (Some("center"), Some("center")));
    let apart_ms = center.speaker(follower)["clock"]["apart_ms"].as_f64().expect("measured");
    assert!(apart_ms.abs() < 20.0, "{apart_ms} ms");
    poles.iter_mut().find(|pole| pole.speaker == leader).expect("the leader").kill();
    wait_for("it to go by itself", 60, || (source(follower).as_deref() == Some("center")).then_some(()));
}
