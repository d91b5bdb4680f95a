//! A part of the configuration: typed values by key, and errors that name the key and never its value.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// A JSON object of the configuration that knows where it stands in the job.
#[derive(Clone, Default, PartialEq)]
pub struct Section {
    path: String,
    values: Map<String, Value>,
}

impl Section {
    pub(crate) fn new(path: impl Into<String>, values: Map<String, Value>) -> Self {
        Self { path: path.into(), values }
    }

    /// Give a value; none when the key is missing or null.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.raw(key) {
            None => Ok(None),
            Some(value) => T::deserialize(value).map(Some).map_err(|error| self.misfit(key, value, &error)),
        }
    }

    /// Give a value that has to be there.
    pub fn require<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get(key)?.ok_or_else(|| Error::config(format!("{} is missing", self.name(key))))
    }

    /// Give the object below a key; an empty one when there is none.
    pub fn section(&self, key: &str) -> Result<Self> {
        Ok(Self::new(self.name(key), self.get(key)?.unwrap_or_default()))
    }

    /// Give the whole section as one type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let value = Value::Object(self.values.clone());
        T::deserialize(&value).map_err(|error| Error::config(format!("{}: {}", self.path, reason(&value, &error))))
    }

    /// Give the keys that are there.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Give the section as JSON; it may hold secrets.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.values
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    fn raw(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    fn misfit(&self, key: &str, value: &Value, error: &serde_json::Error) -> Error {
        Error::config(format!("{}: {}", self.name(key), reason(value, error)))
    }
}

/// Only the keys: values may be secrets.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with the keys {:?}", self.path, self.values.keys().collect::<Vec<_>>())
    }
}

/// Say why a value does not fit. Serde quotes the value, so only what it says was expected is kept.
fn reason(value: &Value, error: &serde_json::Error) -> String {
    let said = error.to_string();
    if said.starts_with("missing field") {
        return said;
    }
    match said.rsplit_once(", expected ") {
        Some((_, expected)) if value.is_object() => format!("one of its values is not {expected}"),
        Some((_, expected)) => format!("expected {expected}, found {}", kind(value)),
        None => format!("{} that does not fit", kind(value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    fn section(values: Value) -> Section {
        Section::new("source", values.as_object().unwrap().clone())
    }

    fn message<T: fmt::Debug>(outcome: Result<T>) -> String {
        outcome.unwrap_err().message().to_owned()
    }

    #[test]
    fn values_come_as_the_type_that_is_asked_for() {
        let it = section(json!({ "n": 3, "list": ["a"], "none": null }));
        assert_eq!(it.get::<u8>("n").unwrap(), Some(3));
        assert_eq!(it.require::<Vec<String>>("list").unwrap(), ["a"]);
        assert_eq!((it.get::<u8>("none").unwrap(), it.get::<u8>("other").unwrap()), (None, None));
    }

    #[test]
    fn an_error_names_the_key_and_what_was_expected() {
        let it = section(json!({ "n": "three", "deep": { "key": -1 } }));
        assert_eq!(message(it.get::<u8>("n")), "source.n: expected u8, found a text");
        assert_eq!(message(it.require::<u8>("x")), "source.x is missing");
        assert_eq!(
            message(it.section("deep").unwrap().require::<u8>("key")),
            "source.deep.key: expected u8, found a number"
        );
        assert_eq!(message(it.section("n")), "source.n: expected a map, found a text");
    }

    #[test]
    fn an_error_never_quotes_a_value() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Keys {
            pin: u16,
        }
        #[derive(Debug, Deserialize)]
        enum Mode {
            Safe,
        }
        let it = section(json!({ "pin": "hunter2, expected u8", "mode": "hunter2" }));
        for said in [message(it.parse::<Keys>()), message(it.get::<u8>("pin")), message(it.get::<Mode>("mode"))] {
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert_eq!(format!("{it:?}"), "source with the keys [\"mode\", \"pin\"]");
        let _ = Mode::Safe;
    }

    #[test]
    fn a_missing_field_of_a_whole_section_is_named() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Whole {
            host: String,
        }
        assert_eq!(message(section(json!({})).parse::<Whole>()), "source: missing field `host`");
    }
}
