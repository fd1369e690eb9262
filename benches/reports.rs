//! A year's report of a province over a real server: 10 M plays of 3,000 speakers in 120 communes, in sums as the account keeps them.

use std::time::Instant;

use sqlx::Connection as _;

use crate::harness::Center;

const SPEAKERS: i64 = 3_000;
const COMMUNES: i64 = 120;
const PLAYS_A_DAY: i64 = 9;
const ROUNDS: usize = 5;

/// The plays themselves are not written: no report reads them.
pub fn year() {
    let mut center = Center::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = Instant::now();
    let plays = runtime.block_on(fill(&center));
    println!("{plays} plays in sums, written in {:.0} s", begun.elapsed().as_secs_f64());
    center.start();
    let token = center.token();
    let client = center.http_client();
    for (what, query) in [
        ("a year", "from=2026-01-01&to=2026-12-31"),
        ("a year, from a day in its midst", "from=2026-01-15&to=2027-01-14"),
        ("a quarter, by day", "from=2026-07-01&to=2026-09-30"),
        ("a month", "from=2026-11-01&to=2026-11-30"),
        ("a year, as a PDF", "from=2026-01-01&to=2026-12-31&form=pdf"),
        ("a year, as an Excel file", "from=2026-01-01&to=2026-12-31&form=xlsx"),
    ] {
        let file = if query.contains("form=") { "/file" } else { "" };
        let url = format!("{}/api/v1/reports/period{file}?{query}", center.http);
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                let bytes = runtime.block_on(async {
                    let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
                    answer.error_for_status().unwrap().bytes().await.unwrap()
                });
                assert!(bytes.len() > 10_000);
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "{what:36} {:8.0} ms at the median, {:.0} at most   (target: 1000)",
            times[ROUNDS / 2],
            times[ROUNDS - 1]
        );
    }
    center.kill();
    runtime.shutdown_background();
}

async fn fill(center: &Center) -> i64 {
    let url = format!("sqlite://{}?mode=rw", center.data().join("center.db").display());
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    let mut run = async |sql: String| {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *tx).await.unwrap();
    };
    let numbers =
        |count: i64| format!("with recursive n(n) as (select 0 union all select n + 1 from n where n < {})", count - 1);
    run(format!(
        "insert into areas (code, parent, title) {} select 'x' || n, '66', 'Xã ' || n from n",
        numbers(COMMUNES)
    ))
    .await;
    run(format!(
        "insert into speakers (id, title, area, password_hash, created_ms, birth, online) {} \
         select 's' || n, 'Cụm loa ' || n, 'x' || (n % {COMMUNES}), '', 0, 0, 1 from n",
        numbers(SPEAKERS)
    ))
    .await;
    let mut day = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let each = SPEAKERS / COMMUNES * PLAYS_A_DAY;
    // Of a commune's plays of a day: field, language, priority, how they ended and why, and how many in a hundred.
    let kinds = [
        ("society", "vie", "normal", "played", "", 40),
        ("health", "vie", "normal", "played", "", 20),
        ("economy", "vie", "normal", "played", "", 10),
        ("culture", "cjm", "normal", "played", "", 10),
        ("security", "vie", "priority", "played", "", 10),
        ("society", "vie", "normal", "late", "powered_off", 3),
        ("society", "vie", "normal", "partial", "interrupted", 2),
        ("society", "vie", "normal", "missed", "content_missing", 2),
        ("health", "vie", "normal", "missed", "powered_off", 1),
        ("society", "vie", "normal", "unreported", "no_report", 1),
        ("disaster", "vie", "emergency", "played", "", 1),
    ];
    while chrono::Datelike::year(&day) == 2026 {
        let period = loaxa::domain::report::day_number(day);
        for (field, language, priority, outcome, reason, percent) in kinds {
            let plays = (each * percent / 100).max(1);
            let sounded = if matches!(outcome, "played" | "late" | "partial") { plays } else { 0 };
            run(format!(
                "insert into totals {} select {period}, 'x' || n, '{field}', '{language}', '{priority}', '{outcome}', '{reason}', {plays}, \
                 {sounded}, 0, {sounded}, {sounded}, {plays} * 900000, {sounded} * 880000 from n",
                numbers(COMMUNES)
            ))
            .await;
        }
        run(format!(
            "insert into speaker_totals {} select {period}, 's' || n, 'x' || (n % {COMMUNES}), {PLAYS_A_DAY}, \
             {PLAYS_A_DAY} - (n + {period}) % 3, {PLAYS_A_DAY} * ((n * 7 + {period}) % 50 <> 0), (n + {period}) % 3, \
             {PLAYS_A_DAY} * 900000, {PLAYS_A_DAY} * 880000 from n",
            numbers(SPEAKERS)
        ))
        .await;
        for within_ms in [1, 2, 5, 100, 1_000] {
            run(format!(
                "insert into start_errors {} select {period}, 'x' || n, {within_ms}, 40 from n",
                numbers(COMMUNES)
            ))
            .await;
        }
        day = day.succ_opt().unwrap();
    }
    run("insert into totals select period / 100, area, field, language, priority, outcome, reason, sum(plays), sum(sounded), sum(heard_back), \
         sum(on_time), sum(prompt), sum(requested_ms), sum(heard_ms) from totals group by 1, 2, 3, 4, 5, 6, 7".into())
    .await;
    run("insert into speaker_totals select period / 100, speaker, area, sum(plays), sum(complete), sum(sounded), sum(silent), \
         sum(requested_ms), sum(heard_ms) from speaker_totals group by 1, 2, 3".into())
    .await;
    run("insert into start_errors select period / 100, area, within_ms, sum(plays) from start_errors group by 1, 2, 3"
        .into())
    .await;
    tx.commit().await.unwrap();
    connection.close().await.unwrap();
    SPEAKERS * PLAYS_A_DAY * 365
}
