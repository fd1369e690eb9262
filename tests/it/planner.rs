//! What editors are told before anything sounds, and what the plans then hold: through the command line, against a real center.

use serde_json::Value;

use crate::harness::{Center, Pole, Sound, playlists, unix_ms};

/// Writes a playlist file and gives its path.
fn file(center: &Center, name: &str, text: &str) -> String {
    let path = center.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn import(center: &Center, text: &str, more: &[&str]) -> Value {
    let path = file(center, "import.toml", text);
    center.json(["schedule", "import", &path].iter().chain(more))
}

/// Codes of the findings about a schedule, in order.
fn codes(answer: &Value, schedule: &str) -> Vec<String> {
    let all = answer["findings"].as_array().unwrap();
    let about = all.iter().filter(|finding| finding["schedule"] == schedule);
    about.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// The coming occurrences of a schedule in a speaker's plan.
fn planned(center: &Center, speaker: &str, schedule: &str) -> Vec<Value> {
    let plan = center.json(["plan", "show", speaker]);
    let all = plan["plan"]["occurrences"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["id"].as_str().unwrap().starts_with(&format!("{schedule}@"))).collect()
}

/// A time of day so many minutes from now, in UTC.
fn in_minutes(minutes: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(unix_ms() + minutes * 60_000).unwrap();
    time.format("%H:%M").to_string()
}

/// A center that is not running, with bulletins and one speaker in each of two communes.
fn furnished() -> Center {
    let center = Center::new();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    center.approved("tune", "nhac-hieu.wav");
    for (id, area) in [("a", "24133"), ("b", "24169")] {
        let config = center.dir.path().join(format!("{id}.toml"));
        center.cli(["speaker", "add", id, "--title", id, "--area", area, "--config-out", config.to_str().unwrap()]);
    }
    center
}

#[test]
fn lawful_hours_are_signed_by_the_authority_inherited_and_held() {
    let center = furnished();
    center.cli(["area", "hours", "66", "--allow", "04:30-21:00", "--max-day-min", "60"]);
    center.cli(["area", "hours", "24133", "--allow", "05:00-06:30,17:00-18:00"]);
    let answer = import(
        &center,
        "[programme.p]\nitems = [\"dengue\"]\n[schedule.night]\nat = [\"03:15\"]\ntargets = [\"66\"]\nprogramme = \"p\"\n\
         [schedule.early]\nat = [\"04:45\"]\ntargets = [\"66\"]\nprogramme = \"p\"\n",
        &[],
    );
    assert_eq!(codes(&answer, "night"), ["quiet_hours"]);
    let night = answer["findings"].as_array().unwrap().iter().find(|f| f["schedule"] == "night").unwrap();
    assert_eq!(night["speakers"], 2);
    assert!(night["vi"].as_str().unwrap().contains("03:15"), "{night}");
    assert_eq!(planned(&center, "a", "night").len() + planned(&center, "b", "night").len(), 0);
    // The commune is stricter than its province.
    assert_eq!(codes(&answer, "early"), ["quiet_hours"]);
    assert_eq!((planned(&center, "a", "early").len(), planned(&center, "b", "early").len()), (0, 14));
    let in_a_week = chrono::DateTime::from_timestamp_millis(unix_ms() + 7 * 86_400_000).unwrap();
    let at = in_a_week.format("%Y-%m-%dT03:15:30+07:00").to_string();
    let why = center.cli(["plan", "why", "a", "--at", &at]);
    assert!(why.contains("03:15:30 im lặng: «night» ngoài giờ được phép phát thanh"), "{why}");
    // Who does not hold the authority's key cannot change them, nor bring back older ones.
    let mut wrong = center.command();
    wrong.env("LOAXA_AUTHORITY_PASSPHRASE", "không phải mật khẩu này");
    let output = wrong.args(["area", "hours", "66", "--allow", "00:00-24:00"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let refused = center.cli_fails(["area", "hours", "66", "--allow", "22:00-05:00"]);
    assert!(
        refused.contains("windows") && refused.contains("22:00-05:00") && refused.contains("22:00-24:00"),
        "{refused}"
    );
}

#[test]
fn what_is_about_to_play_is_not_changed_silently() {
    let center = furnished();
    let rule = |title: &str, programme: &str| {
        format!(
            "[programme.one]\nitems = [\"dengue\"]\n[programme.two]\nitems = [\"water\"]\n[schedule.s]\ntitle = \"{title}\"\n\
             at = [\"{}\", \"{}\"]\ntime_zone = \"UTC\"\ntargets = [\"66\"]\nprogramme = \"{programme}\"\n",
            in_minutes(5),
            in_minutes(100)
        )
    };
    let first = rule("Cũ", "one");
    assert!(codes(&import(&center, &first, &[]), "s").is_empty());
    let title = |index: usize| planned(&center, "a", "s")[index]["title"].as_str().unwrap().to_owned();
    assert_eq!((title(0), title(1)), ("Cũ".into(), "Cũ".into()));
    // The same again is no edit.
    assert!(codes(&import(&center, &first, &[]), "s").is_empty());
    let second = first.replace("Cũ", "Mới").replace("programme = \"one\"", "programme = \"two\"");
    let told = import(&center, &second, &[]);
    assert_eq!(codes(&told, "s"), ["locked"]);
    assert_eq!((title(0), title(1)), ("Cũ".into(), "Mới".into()));
    assert_eq!(planned(&center, "a", "s")[0]["items"][0]["bulletin"], "dengue");
    // On purpose it can be.
    import(&center, &second.replace("Mới", "Gấp"), &["--at-once"]);
    assert_eq!((title(0), title(1)), ("Gấp".into(), "Gấp".into()));
    // Removing leaves what is about to play, unless it is said.
    center.cli(["schedule", "remove", "s"]);
    assert_eq!(planned(&center, "a", "s").len(), 1);
    assert!(center.cli_fails(["schedule", "remove", "s"]).contains("not in the store"));
    center.cli(["schedule", "remove", "s", "--at-once"]);
    assert!(planned(&center, "a", "s").is_empty());
    let third = rule("Lại", "one");
    import(&center, &third, &["--at-once"]);
    center.cli(["schedule", "remove", "s", "--at-once"]);
    assert!(planned(&center, "a", "s").is_empty());
}

#[test]
fn clashes_repeats_and_gaps_are_told_when_the_edit_is_made() {
    let center = furnished();
    let base = "[programme.long]\nitems = [\"dengue\", \"water\"]\n[programme.tune]\nitems = [\"tune\"]\n\
        [schedule.a-long]\ntitle = \"Dài\"\nat = [\"05:00\"]\ntargets = [\"66\"]\nprogramme = \"long\"\n";
    assert!(codes(&import(&center, base, &[]), "a-long").is_empty());
    let both = format!(
        "{base}[schedule.b-urgent]\ntitle = \"Gấp\"\nat = [\"05:00:07\"]\npriority = \"priority\"\narea = \"66\"\ntargets = [\"24133\"]\n\
         programme = \"tune\"\n[schedule.c-again]\nat = [\"05:20\"]\ntargets = [\"24169\"]\nprogramme = \"long\"\nduration_s = 12\n"
    );
    // Only looked at: nothing is changed.
    let told = center.json(["schedule", "check", &file(&center, "both.toml", &both)]);
    assert_eq!(codes(&told, "a-long"), ["interrupted"]);
    assert!(planned(&center, "a", "b-urgent").is_empty());
    let told = import(&center, &both, &[]);
    let clash = told["findings"].as_array().unwrap().iter().find(|f| f["code"] == "interrupted").unwrap();
    assert_eq!(clash["speakers"], 1, "{clash}");
    assert!((14..=15).contains(&clash["times"].as_i64().unwrap()), "every day of the coming fortnight: {clash}");
    assert!(clash["vi"].as_str().unwrap().contains("tạm dừng 3 giây cho «Gấp» rồi phát tiếp"), "{clash}");
    // The second bulletin does not fit into twelve seconds, and the first was heard twenty minutes before.
    let mut again = codes(&told, "c-again");
    again.sort();
    assert_eq!(again, ["does_not_fit", "repeated"]);
    assert_eq!(planned(&center, "a", "a-long").len(), 2 * planned(&center, "b", "a-long").len());
    // Two of the priority level: the commune decides whose goes first.
    let two = "[schedule.d-own]\nat = [\"05:00:08\"]\npriority = \"priority\"\narea = \"24133\"\ntargets = [\"24133\"]\nprogramme = \"long\"\n";
    assert_eq!(codes(&import(&center, two, &[]), "d-own"), ["delayed", "repeated"]);
    center.cli(["area", "order", "24133", "--own-first"]);
    let late = &center.json(["plan", "show", "a"])["left_out"];
    let late = late.as_array().unwrap().iter().find(|one| one["why"] == "delayed").unwrap();
    assert!(late["occurrence"].as_str().unwrap().starts_with("b-urgent@"), "{late}");
    // A slip of the pen in an exception, and a rule that never plays.
    let slips = "[schedule.e]\nat = [\"09:00\"]\nuntil = \"2026-01-01\"\ntargets = [\"66\"]\nprogramme = \"tune\"\n\
        exceptions = [{ at = \"2026-11-25T09:01\", skip = true }]\n";
    assert_eq!(codes(&import(&center, slips, &[]), "e"), ["idle_exception", "never_plays"]);
}

#[test]
fn each_speaker_gets_the_languages_of_its_residents() {
    let center = furnished();
    let audio = playlists().join("audio/hop-thon.m4a");
    let audio = audio.to_str().unwrap();
    let add = |id: &str, language: &str, of: &str| {
        [
            "bulletin",
            "add",
            audio,
            "--id",
            id,
            "--title",
            id,
            "--language",
            language,
            "--area",
            "66",
            "--version-of",
            of,
        ]
        .map(str::to_owned)
    };
    center.cli(add("dengue-cjm", "cjm", "dengue"));
    assert!(center.cli_fails(add("x", "cjm", "dengue")).contains("dengue-cjm is the version of dengue in cjm already"));
    assert!(center.cli_fails(add("x", "rog", "dengue-cjm")).contains("itself a version of dengue"));
    center.cli(["speaker", "set", "a", "--languages", "cjm,vie"]);
    center.cli(["speaker", "set", "b", "--languages", "cjm"]);
    let text = "[programme.p]\nitems = [{ tune = \"tune\" }, \"dengue\"]\n[schedule.s]\nat = [\"05:00\"]\ntargets = [\"66\"]\nprogramme = \"p\"\n";
    let told = import(&center, text, &[]);
    let finding = &told["findings"][0];
    assert_eq!((&finding["code"], &finding["speakers"]), (&"not_approved".into(), &2.into()), "{told}");
    assert!(
        finding["en"]
            .as_str()
            .unwrap()
            .contains("the Eastern Cham version of a bulletin (dengue-cjm): nobody approved"),
        "{finding}"
    );
    // What is missing is no reason for silence once the programme is over.
    let day = chrono::DateTime::from_timestamp_millis(unix_ms() + 7 * 86_400_000).unwrap().format("%Y-%m-%d");
    let why = |time: &str| center.cli(["plan", "why", "b", "--at", &format!("{day}T{time}+07:00")]);
    assert!(why("05:00:05").contains("bản tiếng Chăm") && why("05:00:45").contains("không có lịch phát"));
    // Until then they hear the original: better in another language than not at all.
    assert_eq!(planned(&center, "b", "s")[0]["items"][1]["bulletin"], "dengue");
    center.approve("dengue-cjm");
    let items = |speaker: &str| -> Vec<String> {
        let items = planned(&center, speaker, "s")[0]["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["bulletin"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(items("a"), ["tune", "dengue-cjm", "dengue"]);
    assert_eq!(items("b"), ["tune", "dengue-cjm"]);
    assert!(center.cli(["area", "list"]).contains("00:00-24:00"));
    // Nobody has made a Roglai version: residents hear the original, and the editor is told.
    center.cli(["speaker", "set", "b", "--languages", "rog"]);
    assert_eq!(items("b"), ["tune", "dengue"]);
    let told = import(&center, text, &[]);
    assert!(told["findings"][0]["vi"].as_str().unwrap().contains("bản tin dengue chưa có bản tiếng Raglai"), "{told}");
}

#[test]
fn programmes_and_schedules_come_and_go_in_the_forms_of_others() {
    let center = furnished();
    let text = "[calendar.le]\ndays = [\"2026-11-25\"]\n[programme.p]\ntitle = \"Sáng & <chiều>\"\n\
        items = [{ tune = \"tune\" }, \"dengue\", { pause_s = 2 }, { relay = \"https://radio.example/vov1\", minutes = 5 }, { filler = \"water\" }]\n\
        [schedule.s]\nat = [\"05:00\"]\nnot_on = [\"calendar:le\", \"holidays:vn\"]\nduration_s = 120\ntargets = [\"66\"]\nprogramme = \"p\"\n";
    // Nobody's list holds that station: it is refused with what to write where.
    let path = center.dir.path().join("relay.toml");
    std::fs::write(&path, text).unwrap();
    let told = center.cli_fails(["schedule", "import", path.to_str().unwrap()]);
    assert!(told.contains("[programme.p]") && told.contains("allow = [\"radio.example\"]"), "{told}");
    std::fs::write(center.data().join("loaxa.toml"), "[relay]\nallow = [\"127.0.0.1\"]\n").unwrap();
    assert!(center.cli_fails(["programme", "list"]).contains("relay.allow: \"127.0.0.1\""));
    std::fs::write(center.data().join("loaxa.toml"), "[relay]\nallow = [\"radio.example\"]\n").unwrap();
    let told = import(&center, text, &[]);
    assert_eq!(codes(&told, "s"), ["relay_not_approved"]);
    let before = center.json(["programme", "list"]);
    for form in ["m3u8", "xspf", "toml"] {
        let path = center.dir.path().join(format!("p.{form}"));
        let path = path.to_str().unwrap();
        center.cli(["programme", "export", "p", path]);
        let again = center.json(["programme", "import", path]);
        assert_eq!(again["programmes"], serde_json::json!(["p"]), "{form}");
        assert_eq!(center.json(["programme", "list"]), before, "{form}");
    }
    let strange = file(&center, "khac.m3u8", "#EXTM3U\n#EXTINF:9,Lạ\nkhong-co.mp3\n");
    assert!(center.cli_fails(["programme", "import", &strange]).contains("khong-co"));
    // Everything out, and in again: nothing differs.
    let all = center.dir.path().join("all.toml");
    let all = all.to_str().unwrap();
    let schedules = center.json(["schedule", "list"]);
    center.cli(["schedule", "export", all]);
    center.cli(["schedule", "import", all]);
    assert_eq!(center.json(["schedule", "list"]), schedules);
    assert!(center.cli_fails(["calendar", "remove", "le"]).contains("schedule s still names it"));
    assert!(center.cli_fails(["programme", "remove", "p"]).contains("schedule s still plays it"));
    // A phone's calendar: each play once, in UTC.
    let calendar = center.cli(["plan", "calendar", "--area", "66"]);
    let unfolded = calendar.replace("\r\n ", "");
    let starts: Vec<&str> = unfolded.split("\r\n").filter_map(|line| line.strip_prefix("DTSTART:")).collect();
    assert_eq!(
        starts.len(),
        planned(&center, "a", "s").len() + usize::from(starts.len() > planned(&center, "a", "s").len())
    );
    assert!(starts.iter().all(|start| start.ends_with("T220000Z")), "{starts:?}");
    assert!(!starts.iter().any(|start| start.starts_with("20261124T")), "the named day is left out: {starts:?}");
    // The slot of two minutes is filled to its end.
    let occurrence = &planned(&center, "a", "s")[0];
    let (start, end) = (occurrence["start_ms"].as_i64().unwrap(), occurrence["end_ms"].as_i64().unwrap());
    assert!((118_000..=120_000).contains(&(end - start)), "{occurrence}");
}

#[test]
fn now_means_now_and_the_speaker_says_so() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("tune", "nhac-hieu.wav");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.cli(["programme", "import", &file(&center, "p.toml", "[programme.p]\nitems = [\"tune\"]\n")]);
    let now = center.json(["schedule", "now", "p", "--targets", "66", "--in-s", "6"]);
    let schedule = now["schedule"].as_str().unwrap();
    let play = center.play("a", schedule, 40);
    assert_eq!(play["outcome"], "played", "{play}\n{}", pole.log());
    let start = chrono::DateTime::from_timestamp_millis(play["start_ms"].as_i64().unwrap() + 1000).unwrap();
    let why = center.cli(["plan", "why", "a", "--english", "--at", &start.to_rfc3339()]);
    assert!(why.contains("(bulletin “tune”) plays, normal level") && why.contains("it was played in full"), "{why}");
}
