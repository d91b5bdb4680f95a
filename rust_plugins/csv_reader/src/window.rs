//! Which files are new since a cursor, by the rules of `dativo_dagster/state/files.py`: both readers share cursors.
//!
//! A cursor's value is `{"files": {id: {"last_modified": ISO time in UTC, "size": bytes}}}`.

use std::fmt::Write;

use dativo_plugin::{Cursor, Result, Unit, Window};
use dativo_storage::FileInfo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A file that the job names, and the id that the cursor knows it by.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) info: FileInfo,
    pub(crate) id: String,
}

/// What a unit remembers of its file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Spec {
    pub(crate) uri: String,
    size: u64,
    modified: String,
    pub(crate) etag: String,
}

impl Found {
    fn mark(&self) -> Value {
        json!({"last_modified": self.info.modified_text(), "size": self.info.size})
    }

    /// Give what changes with the content: the store's ETag, on disk the time of change, which a copy may keep.
    fn version(&self) -> String {
        if self.info.uri.starts_with("file:") { self.info.modified_text() } else { self.info.etag.clone() }
    }

    fn unit(&self) -> Result<Unit> {
        let FileInfo { uri, size, etag, .. } = self.info.clone();
        let unit = Unit::new(self.id.as_str(), &Spec { uri, size, modified: self.info.modified_text(), etag })?;
        Ok(Unit { bytes: Some(size), ..unit })
    }
}

/// Make a unit of each file, or where only what is new counts of each that the cursor does not know with this size and
/// time.
pub(crate) fn window(found: &[Found], since: Option<&Cursor>, incremental: bool) -> Result<Window> {
    let since = since.filter(|_| incremental);
    let mut known: Map<String, Value> =
        since.and_then(|cursor| cursor.value.get("files")?.as_object().cloned()).unwrap_or_default();
    let chosen: Vec<&Found> = found.iter().filter(|file| known.get(&file.id) != Some(&file.mark())).collect();
    let units: Result<Vec<Unit>> = chosen.iter().map(|file| file.unit()).collect();
    known.extend(chosen.iter().map(|file| (file.id.clone(), file.mark())));
    Ok(Window {
        units: units?,
        fingerprint: fingerprint(&chosen),
        before: since.cloned(),
        after: Some(Cursor::new(&json!({"files": known}))?),
        skipped: (found.len() - chosen.len()) as u64,
        whole: !incremental,
        ..Window::default()
    })
}

/// Name the content of files, whatever order they are in.
fn fingerprint(files: &[&Found]) -> String {
    let mut facts: Vec<String> =
        files.iter().map(|file| format!("{}\0{}\0{}", file.id, file.info.size, file.version())).collect();
    facts.sort_unstable();
    let mut name = String::new();
    for byte in Sha256::digest(facts.join("\n").as_bytes()).iter().take(12) {
        write!(name, "{byte:02x}").expect("a String takes all");
    }
    name
}
