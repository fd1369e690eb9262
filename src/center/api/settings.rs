//! What this center was told about itself, to be read: by which name each setting is known and how it stands. Changed where the center
//! runs, since most of it decides who gets in; what holds a password is not told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::guard::elsewhere;
use crate::center::app::App;
use crate::center::people::person::Person;
use crate::domain::role::Right;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    pub site: String,
    pub title: String,
    pub area: String,
    pub area_title: String,
    pub time_zone: String,
    /// How people reach the page, and boards the broker, from elsewhere.
    pub http_url: String,
    pub mqtt_url: String,
    pub settings: Vec<Setting>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// As in the configuration file; `LOAXA_SESSION__IDLE_MIN` in the environment is `session.idle_min`.
    pub key: String,
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// Whether it is as it comes.
    pub usual: bool,
}

/// Those may hold a password, or say where a private key lies.
const UNTOLD: &[&str] = &["mqtt.broker", "store.database", "tls.key"];

/// The settings of the center
#[utoipa::path(get, path = "/api/v1/settings", responses((status = 200, body = SettingsView), (status = 403, body = Problem)))]
pub async fn settings(State(app): State<Arc<App>>, person: Person) -> Result<Json<SettingsView>, Problem> {
    let top = std::slice::from_ref(&app.site.area);
    if !person.may(Right::ReadAudit, top) && !person.may(Right::ManageAreas, top) {
        return Err(elsewhere(Right::ManageAreas, &app.site.area));
    }
    let site = &app.site;
    Ok(Json(SettingsView {
        site: site.site.to_string(),
        title: site.title.clone(),
        area: site.area.to_string(),
        area_title: site.area_title.clone(),
        time_zone: site.time_zone.clone(),
        http_url: app.http_url(),
        mqtt_url: app.mqtt_url(),
        settings: told(&app.config).map_err(Problem::internal)?,
    }))
}

fn told(config: &crate::center::config::Config) -> Result<Vec<Setting>, serde_json::Error> {
    let (now, usual) = (serde_json::to_value(config)?, serde_json::to_value(crate::center::config::Config::default())?);
    let mut settings = vec![];
    for (section, entries) in now.as_object().into_iter().flatten() {
        for (name, value) in entries.as_object().into_iter().flatten() {
            let key = format!("{section}.{name}");
            if !UNTOLD.contains(&key.as_str()) {
                settings.push(Setting { usual: usual[section][name] == *value, value: value.clone(), key });
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use crate::center::config::Config;

    #[test]
    fn what_may_hold_a_password_is_not_told() {
        let mut config = Config::default();
        config.mqtt.broker = "mqtts://center:geheim@broker.vn".into();
        config.store.database = "postgres://loaxa:geheim@db/loaxa".into();
        config.session.idle_min = 5;
        let settings = super::told(&config).unwrap();
        assert!(settings.iter().all(|setting| !setting.value.to_string().contains("geheim")));
        let idle = settings.iter().find(|setting| setting.key == "session.idle_min").unwrap();
        assert_eq!((&idle.value, idle.usual), (&serde_json::json!(5), false));
        assert!(settings.iter().filter(|setting| !setting.usual).count() == 1);
    }
}
