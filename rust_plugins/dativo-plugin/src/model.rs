//! The nouns that cross the border, as `dativo_ingest/model.py` has them. Keys of a newer version are ignored.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// One column of a stream. The type is a logical one, such as `decimal(12,2)` or `list<string>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub nullable: bool,
    pub description: String,
}

impl Default for Column {
    fn default() -> Self {
        Self { name: String::new(), kind: "string".into(), nullable: true, description: String::new() }
    }
}

impl Column {
    /// A column that may hold NULL.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: name.into(), kind: kind.into(), ..Self::default() }
    }
}

/// One thing that a source can give: a table, a set of files, an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Stream {
    pub name: String,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub cursor_field: Option<String>,
    pub description: String,
    pub properties: Map<String, Value>,
}

impl Stream {
    /// A stream with columns.
    pub fn new(name: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        Self { name: name.into(), columns: columns.into_iter().collect(), ..Self::default() }
    }
}

/// How far a stream has been read, in the source's own terms; only its reader understands the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// What the reader wants to remember.
    pub value: Map<String, Value>,
}

impl Cursor {
    /// Make a cursor of anything that serializes to a JSON object.
    pub fn new(value: &impl Serialize) -> Result<Self> {
        Ok(Self { value: object("a cursor", value)? })
    }

    /// Give the cursor as the type it was made of.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse("the cursor", &self.value)
    }
}

/// A part of a window that can be read by itself, and again with the same rows: a file, a key range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unit {
    /// Stable, and unique in its window.
    pub id: String,
    /// What the reader that made it needs to read it.
    pub spec: Map<String, Value>,
    /// An estimate, for progress only.
    pub rows: Option<u64>,
    /// An estimate, for progress only.
    pub bytes: Option<u64>,
}

impl Unit {
    /// Make a unit whose spec is anything that serializes to a JSON object.
    pub fn new(id: impl Into<String>, spec: &impl Serialize) -> Result<Self> {
        Ok(Self { id: id.into(), spec: object("the spec of a unit", spec)?, ..Self::default() })
    }

    /// The one unit of a stream that cannot be cut.
    #[must_use]
    pub fn all() -> Self {
        Self { id: "all".into(), ..Self::default() }
    }

    /// Give the spec as the type it was made of.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse("the spec of the unit", &self.spec)
    }
}

/// What one run reads of a stream, with its upper bound already frozen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// The parts; none when there is nothing new.
    pub units: Vec<Unit>,
    /// Names the data: the same rows at the source give the same fingerprint.
    pub fingerprint: String,
    /// The cursor that the window starts from.
    pub before: Option<Cursor>,
    /// The cursor that holds once the window is committed.
    pub after: Option<Cursor>,
    /// How many parts of the source the cursor says are done already.
    pub skipped: u64,
    /// What lies in it, for people, such as `from` and `to`.
    pub bounds: BTreeMap<String, String>,
    /// Whether it is all that the source has, not only what is new.
    pub whole: bool,
}

/// A written file that is not visible until its commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataFile {
    /// An absolute URI.
    pub path: String,
    /// How many rows it holds.
    pub rows: u64,
    /// How long it is.
    pub bytes: u64,
    /// Each partition field's value as text, none for NULL.
    pub partition: BTreeMap<String, Option<String>>,
    /// For the table that commits it.
    pub statistics: Map<String, Value>,
}

/// The outcome of a check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Check {
    pub passed: bool,
    pub message: String,
    pub code: Option<String>,
    pub retryable: bool,
    pub details: Map<String, Value>,
}

impl Check {
    /// All is well.
    pub fn passed(message: impl Into<String>) -> Self {
        Self { passed: true, message: message.into(), ..Self::default() }
    }

    /// It is not, and this is why.
    #[must_use]
    pub fn failed(error: &Error) -> Self {
        Self {
            passed: false,
            message: error.message().into(),
            code: Some(error.code().into()),
            retryable: error.is_retryable(),
            details: error.details().clone(),
        }
    }
}

/// What a source has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discovery {
    /// The streams, with columns where they can be known.
    pub streams: Vec<Stream>,
    /// Anything else worth showing.
    pub metadata: Map<String, Value>,
}

/// How much there is to read; none where nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Estimate {
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
}

fn object(what: &str, value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Error::plugin(format!("{what} has to be a JSON object"))),
        Err(error) => Err(Error::plugin(format!("{what} cannot be said in JSON: {error}"))),
    }
}

fn parse<T: DeserializeOwned>(what: &str, map: &Map<String, Value>) -> Result<T> {
    serde_json::from_value(Value::Object(map.clone()))
        .map_err(|error| Error::plugin(format!("{what} is none that this plugin made: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_of_a_newer_version_are_ignored_and_missing_ones_have_their_defaults() {
        let stream: Stream =
            serde_json::from_value(json!({ "name": "s", "columns": [{ "name": "c" }], "new": 1 })).unwrap();
        assert_eq!(stream, Stream::new("s", [Column::new("c", "string")]));
    }

    #[test]
    fn a_cursor_and_a_unit_are_any_type_of_their_author() {
        let cursor = Cursor::new(&json!({ "last": 7 })).unwrap();
        assert_eq!(cursor.parse::<BTreeMap<String, u8>>().unwrap()["last"], 7);
        assert_eq!(cursor.parse::<Vec<u8>>().unwrap_err().code(), "PLUGIN_ERROR");
        assert_eq!(Cursor::new(&7).unwrap_err().message(), "a cursor has to be a JSON object");
        assert_eq!(Unit::new("u", &json!({ "from": 1 })).unwrap().parse::<BTreeMap<String, u8>>().unwrap()["from"], 1);
    }
}
