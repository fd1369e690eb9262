//! Making and running a center; its areas.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use axum::http::Method;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::signing::Signing;
use super::{Place, keys, table};
use crate::center::api::AreaView;
use crate::center::app::now_ms;
use crate::center::datadir::{DataDir, NewSite, random_text};
use crate::center::serve::{self as server, Told};
use crate::domain::approval::key_text;
use crate::domain::hours::{Hours, HoursStatement};
use crate::domain::ids::{AreaCode, SiteId};
use crate::protocol::enrolment::authority_fingerprint;

#[derive(Args)]
pub struct Init {
    /// Short name of this center: the first part of its MQTT topics
    #[arg(long, default_value = "loaxa")]
    site: SiteId,
    /// The office's name
    #[arg(long, default_value = "Trung tâm truyền thanh")]
    title: String,
    /// Code of the area at the top (a province has 2 digits, a commune 5)
    #[arg(long, default_value = "vn")]
    area: AreaCode,
    #[arg(long, default_value = "Việt Nam")]
    area_title: String,
    #[arg(long, default_value = "Asia/Ho_Chi_Minh")]
    time_zone: Tz,
    /// PostgreSQL by URL, instead of SQLite in the data directory
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// File with the passphrase of the authority's key; asked for or made up if not given
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub fn init(place: &Place, init: Init) -> Result<(), String> {
    let dir = place.data()?;
    let given = keys::given_passphrase(init.passphrase_file.as_deref(), "LOAXA_AUTHORITY_PASSPHRASE")?;
    let (passphrase, made_up) = match given {
        Some(passphrase) => (passphrase, false),
        None if std::io::stdin().is_terminal() => (keys::new_passphrase("Passphrase for the authority's key")?, false),
        None => (random_text(15)?.into(), true),
    };
    let new = NewSite {
        site: init.site,
        title: init.title,
        area: init.area,
        area_title: init.area_title,
        time_zone: init.time_zone.to_string(),
        database: init.database,
        approver: None,
    };
    let data = DataDir::init(&dir, new, &passphrase, now_ms())?;
    let site = data.site()?;
    let authority = key_text::format(&site.authority);
    let fingerprint = authority_fingerprint(&site.authority);
    let mut made = json!({
        "data": dir, "site": site.site, "area": site.area, "authority": authority, "authority_fingerprint": fingerprint,
    });
    if made_up {
        made["authority_passphrase"] = json!(*passphrase);
    }
    place.answer(&made, |_| {
        let mut lines = vec![format!("A new center, {:?}, is in {}.", site.title, dir.display())];
        if made_up {
            lines.push(format!("Passphrase of the authority's key (kept nowhere; write it down): {}", *passphrase));
        }
        lines.push(format!("Public key of the authority, which speakers pin: {authority}"));
        lines.push(format!("Its fingerprint, for the paper that boards are compared with: {fingerprint}"));
        lines.push(
            "authority.key signs who may approve. Keep a copy of it and its passphrase away from this machine.".into(),
        );
        lines.push(format!("Next: loaxa serve --data {}", dir.display()));
        lines.join("\n")
    })
}

#[derive(Args)]
pub struct Serve {
    /// Address of the API and the page (default 127.0.0.1:8080)
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Address of the embedded broker (default 127.0.0.1:8883)
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<String>,
    /// An external broker instead of the embedded one: mqtts://[user:password@]host:port
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// Serve API and page without TLS (on loopback; elsewhere see http.plain_anywhere)
    #[arg(long)]
    plain_http: bool,
    /// Serve MQTT without TLS, with passwords (on loopback; elsewhere see mqtt.plain_anywhere)
    #[arg(long)]
    plain_mqtt: bool,
    /// End when standard input does: for a program that runs a center for itself, however that program ends
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

pub async fn serve(place: &Place, serve: Serve) -> Result<(), String> {
    let off = |flag: bool| flag.then(|| "false".to_owned());
    let flags = [
        ("http.address", serve.http),
        ("mqtt.address", serve.mqtt),
        ("mqtt.broker", serve.broker),
        ("http.tls", off(serve.plain_http)),
        ("mqtt.tls", off(serve.plain_mqtt)),
    ];
    let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let config = place.settings(flags)?.values;
    let filter = format!("warn,rmqtt=error,rmqtt_net=error,rmqtt_retainer=error,loaxa={}", config.log.level);
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("log.level: {e}"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let root = place.data()?;
    if serve.until_stdin_ends {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        });
    }
    let json = place.json;
    server::serve(&root, config, |told| if json { println!("{}", in_json(&told)) } else { tell(&told) }).await
}

/// One line for a program that started us, each time.
fn in_json(told: &Told<'_>) -> Value {
    let (mut line, setup) = match told {
        Told::Vacant { http, setup } => (json!({ "http": http, "pid": std::process::id() }), Some(*setup)),
        Told::Running(running, setup) => (json!(running), *setup),
    };
    if let Some(setup) = setup {
        line["setup_code"] = json!(setup.code);
        line["setup_url"] = json!(setup.url);
    }
    line
}

fn tell(told: &Told<'_>) {
    match told {
        Told::Vacant { setup, .. } => {
            println!(
                "no center is here yet. To set one up, open this address in a browser (good once, until this ends):"
            );
            println!("set-up        {}", setup.url);
        }
        Told::Running(running, setup) => {
            println!("page and API  {}", running.http);
            println!("MQTT broker   {}", running.mqtt);
            if let Some(setup) = setup {
                println!("first admin   {}  (good once, until this ends)", setup.url);
            }
        }
    }
}

pub fn token(place: &Place) -> Result<(), String> {
    let token = DataDir::open(&place.data()?)?.token()?;
    place.answer(&json!({ "token": token }), |_| token.clone())
}

#[derive(Subcommand)]
pub enum Area {
    /// Add a unit
    Add {
        code: AreaCode,
        #[arg(long)]
        title: String,
        /// The unit above; the top of the tree if not given
        #[arg(long)]
        parent: Option<AreaCode>,
    },
    /// List all units
    List,
    /// Set the lawful hours of a unit and all below it; the authority signs them
    Hours {
        code: AreaCode,
        /// Windows of the day, such as 05:00-06:30,17:00-18:00; 00:00-24:00 = always
        #[arg(long, required = true, value_delimiter = ',')]
        allow: Vec<String>,
        /// The center's if not given
        #[arg(long)]
        time_zone: Option<String>,
        /// Longest session in minutes
        #[arg(long)]
        max_session_min: Option<u32>,
        /// Longest sound of one day in minutes
        #[arg(long)]
        max_day_min: Option<u32>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Change a unit's name, or the unit above it where no speaker stands in it
    Edit(super::areas::Edit),
    /// Bring in an official list of units (CSV): all of it or nothing
    Import(super::areas::ImportFile),
    /// Let units become part of another, with their speakers, schedules and accounts; the authority signs it for the boards
    Merge(super::areas::Merge),
    /// Decide whose priority bulletins go first in a unit: its own, or those from above
    #[command(group(clap::ArgGroup::new("whose").required(true)))]
    Order {
        code: AreaCode,
        #[arg(long, group = "whose")]
        own_first: bool,
        #[arg(long, group = "whose")]
        above_first: bool,
    },
}

pub async fn area(place: &Place, command: Area) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Area::Edit(edit) => super::areas::edit(place, &client, edit).await?,
        Area::Import(file) => super::areas::import(place, &client, file).await?,
        Area::Merge(merge) => super::areas::merge(place, &client, merge).await?,
        Area::Add { code, title, parent } => {
            let body = json!({ "code": code, "title": title, "parent": parent });
            client.send::<Value>(Method::POST, "/areas", &body).await?;
            place.answer(&body, |_| format!("area {code} ({title}) added"))?;
        }
        Area::List => {
            let areas: Vec<AreaView> = client.get("/areas").await?;
            place.answer(&areas, |areas| {
                let mut table = table(&["code", "title", "above", "own lawful hours", "priority bulletins"]);
                for area in areas {
                    let order = area.own_first.map_or("", |own| if own { "own first" } else { "from above first" });
                    table.add_row([
                        area.code.clone(),
                        area.title.clone(),
                        area.parent.clone().unwrap_or_default(),
                        area.hours.join(" "),
                        order.into(),
                    ]);
                }
                let unsaid = areas.iter().all(|area| area.hours.is_empty());
                let note = "\nno lawful hours were signed: nothing is planned outside 05:00-22:00 by Vietnam's clock";
                format!("{table}{}", if unsaid { note } else { "" })
            })?;
        }
        Area::Hours { code, allow, time_zone, max_session_min, max_day_min, signing } => {
            let windows = allow.iter().map(|window| match window.split_once('-') {
                Some((from, to)) => Ok((from.trim().to_owned(), to.trim().to_owned())),
                None => Err(format!("--allow {window:?}: write from-to, such as 05:00-06:30")),
            });
            let center: Value = client.get("/center").await?;
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            // What is signed here is taken from here where it can be: a server that lies must not choose the site or its clock.
            let own = place.data.as_ref().and_then(|dir| DataDir::open(dir).ok()?.site().ok());
            let site = own.as_ref().map_or_else(|| word(&center["site"]), |own| own.site.to_string());
            let site_zone = own.map_or_else(|| word(&center["time_zone"]), |own| own.time_zone);
            let known: Option<Value> = client.get(&format!("/areas/{code}/hours")).await.ok();
            // By the clock, so that a center restored from an older copy does not sign what speakers count as old.
            let clock_version = now_ms().max(0) as u64 / 1000;
            let known_version = known.and_then(|known| known["version"].as_u64()).unwrap_or(0);
            if known_version > clock_version + 366 * 86_400 {
                return Err(format!(
                    "the center says that version {known_version} of these hours is in force, which cannot be; nothing was signed"
                ));
            }
            let statement = HoursStatement {
                site: site.parse().map_err(|e| format!("{e}"))?,
                area: code.clone(),
                version: clock_version.max(known_version + 1),
                time_zone: time_zone.unwrap_or(site_zone),
                windows: windows.collect::<Result<_, _>>()?,
                max_session_s: max_session_min.map(|minutes| minutes.saturating_mul(60)),
                max_day_s: max_day_min.map(|minutes| minutes.saturating_mul(60)),
                made_ms: now_ms(),
            };
            // Said before the passphrase is asked for.
            Hours::new(&statement).map_err(|e| e.to_string())?;
            let Some(envelope) = signing.sign(place, &statement)? else { return client.close().await };
            client.send::<Value>(Method::PUT, &format!("/areas/{code}/hours"), &json!(envelope)).await?;
            place.answer(&statement, |_| {
                format!("lawful hours of {code}: {} (version {})", allow.join(", "), statement.version)
            })?;
        }
        Area::Order { code, own_first, above_first: _ } => {
            let body = json!({ "own_first": own_first });
            client.send::<Value>(Method::PUT, &format!("/areas/{code}/order"), &body).await?;
            place.answer(&body, |_| match own_first {
                true => format!("in {code} its own priority bulletins go first"),
                false => format!("in {code} priority bulletins from above go first"),
            })?;
        }
    }
    client.close().await
}
