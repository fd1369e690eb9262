//! Configuration in layers: defaults < TOML file < `LOAXA_*` environment < flags.
//!
//! A settings type is a plain serde struct of tables; each value remembers which layer it came from, so that
//! `loaxa config --print` can say so and an error can name the place to mend. Unknown keys are refused, since a
//! misspelt key that is silently ignored is found out on the pole.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::{Table, Value};

#[derive(Debug, Error)]
pub enum SettingsError {
    #[error("the configuration file {path} cannot be read: {problem}")]
    File { path: String, problem: String },
    #[error("the configuration value {key} from {source_name} is not right: {problem}")]
    Value { key: String, source_name: String, problem: String },
}

/// The effective settings and where each value came from, by dotted key.
#[derive(Debug, Clone)]
pub struct Settings<T> {
    pub values: T,
    pub sources: BTreeMap<String, String>,
}

/// Merges the layers. `environment` and `flags` are pairs of names and texts: `LOAXA_CENTER__MQTT` and `center.mqtt` mean the same.
pub fn load<T: Serialize + DeserializeOwned + Default>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Settings<T>, SettingsError> {
    let problem = |key: &str, source: &str, problem: String| SettingsError::Value {
        key: key.to_owned(),
        source_name: source.to_owned(),
        problem,
    };
    let defaults = Table::try_from(T::default()).map_err(|e| problem("(defaults)", "the program", e.to_string()))?;
    let mut merged = defaults.clone();
    let mut sources = BTreeMap::new();
    note_sources(&defaults, "", "default", &mut sources);
    if let Some(path) = file {
        let failed = |problem: String| SettingsError::File { path: path.display().to_string(), problem };
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        let table: Table = text.parse().map_err(|e: toml::de::Error| failed(one_line(&e, &text)))?;
        note_sources(&table, "", &path.display().to_string(), &mut sources);
        merge(&mut merged, table);
        // Now, so that a fault is known to be this file's.
        T::deserialize(merged.clone()).map_err(|e| failed(one_line(&e, &text)))?;
    }
    let environment = environment.into_iter().filter_map(|(name, text)| {
        let key = name.strip_prefix("LOAXA_")?.to_ascii_lowercase().replace("__", ".");
        // Others belong to commands (LOAXA_TOKEN) or to the other program on the same machine.
        known(&defaults, &key).then_some((key, text, name))
    });
    let flags = flags.into_iter().map(|(key, text)| (key.to_owned(), text, format!("flag for {key}")));
    for (key, text, source) in environment.collect::<Vec<_>>().into_iter().chain(flags) {
        set(&mut merged, &defaults, &key, &text).map_err(|e| problem(&key, &source, e))?;
        sources.insert(key.clone(), source.clone());
        T::deserialize(merged.clone()).map_err(|e| problem(&key, &source, one_line(&e, "")))?;
    }
    let values = T::deserialize(merged).map_err(|e| problem("(all)", "the program", e.to_string()))?;
    Ok(Settings { values, sources })
}

/// What a TOML error says, in one line, with the line of the file it is about.
pub fn one_line(error: &toml::de::Error, text: &str) -> String {
    let told = error.to_string();
    let message = if error.span().is_some() {
        error.message().to_owned()
    } else {
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.lines().count().max(1)),
        None => message,
    }
}

fn known(defaults: &Table, key: &str) -> bool {
    let mut path = key.split('.').peekable();
    let mut table = Some(defaults);
    while let Some(level) = path.next() {
        let value = table.and_then(|table| table.get(level));
        if path.peek().is_none() {
            return value.is_some_and(|value| !value.is_table());
        }
        table = value.and_then(Value::as_table);
    }
    false
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn note_sources(table: &Table, prefix: &str, source: &str, sources: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => note_sources(inner, &key, source, sources),
            _ => {
                sources.insert(key, source.to_owned());
            }
        }
    }
}

/// Sets one value from text, read as the type that its default has.
fn set(merged: &mut Table, defaults: &Table, key: &str, text: &str) -> Result<(), String> {
    let mut path: Vec<&str> = key.split('.').collect();
    let Some(last) = path.pop() else { return Err("no such setting".into()) };
    let (mut into, mut default) = (merged, Some(defaults));
    for section in path {
        default = default.and_then(|table| table.get(section)).and_then(Value::as_table);
        into = into
            .get_mut(section)
            .and_then(Value::as_table_mut)
            .ok_or_else(|| format!("there is no section {section:?}"))?;
    }
    let value = match default.and_then(|table| table.get(last)) {
        Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|_| format!("{text:?} is not a whole number"))?),
        Some(Value::Float(_)) => Value::Float(text.parse().map_err(|_| format!("{text:?} is not a number"))?),
        Some(Value::Boolean(_)) => Value::Boolean(text.parse().map_err(|_| format!("{text:?} is not true or false"))?),
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    into.insert(last.to_owned(), value);
    Ok(())
}

/// The settings as commented TOML lines: `key = value  # source`. Keys named in `secret` are not shown.
pub fn show<T: Serialize>(settings: &Settings<T>, secret: &[&str]) -> String {
    let table = Table::try_from(&settings.values).unwrap_or_default();
    let mut lines = vec![];
    show_table(&table, ("", ""), &settings.sources, secret, &mut lines);
    lines.join("\n")
}

/// A key as TOML writes it: in quotes where it is no plain word.
fn toml_key(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match plain {
        true => key.to_owned(),
        false => serde_json::to_string(key).unwrap_or_default().replace('\u{7f}', "\\u007f"),
    }
}

/// `prefix` is the dotted key so far, as it is looked up and as TOML writes it.
fn show_table(
    table: &Table,
    prefix: (&str, &str),
    sources: &BTreeMap<String, String>,
    secret: &[&str],
    lines: &mut Vec<String>,
) {
    for (key, value) in table {
        let name = toml_key(key);
        let (key, name) = match prefix {
            ("", _) => (key.clone(), name),
            (keys, names) => (format!("{keys}.{key}"), format!("{names}.{name}")),
        };
        match value {
            Value::Table(inner) => show_table(inner, (&key, &name), sources, secret, lines),
            _ => {
                let source = sources.get(&key).map_or("default", String::as_str);
                let shown = if secret.contains(&key.as_str()) { "\"(hidden)\"".to_owned() } else { value.to_string() };
                lines.push(format!("{name} = {shown}  # {source}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Audio {
        out: String,
        volume_db: f32,
        period: i64,
    }

    impl Default for Audio {
        fn default() -> Self {
            Self { out: "cpal".into(), volume_db: 0.0, period: 10 }
        }
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct All {
        audio: Audio,
    }

    #[test]
    fn later_layers_win_and_each_value_knows_its_layer() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[audio]\nout = \"null\"\nperiod = 20\n").unwrap();
        let environment = [
            ("LOAXA_AUDIO__PERIOD".to_owned(), "30".to_owned()),
            ("LOAXA_AUDIO__DIR".into(), "x".into()),
            ("LOAXA_TOKEN".into(), "x".into()),
        ];
        let settings: Settings<All> =
            load(Some(file.path()), environment, [("audio.out", "wav:x".to_owned())]).unwrap();
        assert_eq!(settings.values.audio, Audio { out: "wav:x".into(), volume_db: 0.0, period: 30 });
        assert_eq!(settings.sources["audio.volume_db"], "default");
        assert_eq!(settings.sources["audio.period"], "LOAXA_AUDIO__PERIOD");
        assert!(show(&settings, &["audio.out"]).contains("audio.out = \"(hidden)\""));
    }

    #[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Versions {
        hours: BTreeMap<String, u64>,
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_whatever_the_keys_are() {
        let keys = ["66", "66.1", "đài", "a b", "\"", "\\", "\n", ""];
        let file = tempfile::NamedTempFile::new().unwrap();
        let hours: BTreeMap<String, u64> = keys.iter().zip(1..).map(|(key, n)| ((*key).to_owned(), n)).collect();
        std::fs::write(file.path(), toml::to_string(&Versions { hours }).unwrap()).unwrap();
        let settings: Settings<Versions> = load(Some(file.path()), [], []).unwrap();
        assert_eq!(settings.values.hours.len(), keys.len());
        assert_eq!(toml::from_str::<Versions>(&show(&settings, &[])).unwrap(), settings.values);
    }

    #[test]
    fn a_misspelt_key_or_a_wrong_value_is_refused_with_its_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[audio]\nvolum = 1\n").unwrap();
        let error = load::<All>(Some(file.path()), [], []).unwrap_err().to_string();
        assert!(error.contains("volum"), "{error}");
        let environment = [("LOAXA_AUDIO__PERIOD".to_owned(), "ten".to_owned())];
        let error = load::<All>(None, environment, []).unwrap_err().to_string();
        assert!(error.contains("LOAXA_AUDIO__PERIOD") && error.contains("ten"), "{error}");
    }
}
