//! What a writer is given and gives: rows that come in pieces, files that the host fetches.

use std::collections::VecDeque;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_ipc::reader::StreamReader;
use dativo_plugin::{Error, Result, arrow};
use serde_json::{Value, json};

use crate::checksum;
use crate::pieces::name;
use crate::request::Request;
use crate::staging::{Staging, changed};
use crate::watch::{Patience, Watch};

const END: &str = "in/end.json";

/// What became of the rows, which is told after the plugin has dropped them.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    broken: OnceLock<Error>,
    rows: AtomicU64,
    ended: AtomicBool,
}

impl Fate {
    /// Fail where the rows did not come whole, and the plugin took that for their end; and where it says that it is
    /// done, and did not take or did not lay down every row. One that commits by itself may count as it likes.
    pub(crate) fn held_against(&self, answer: Result<Value>, commits: bool) -> Result<Value> {
        if let Some(error) = self.broken.get() {
            return Err(error.clone());
        }
        let answer = answer?;
        let (rows, ended) = (self.rows.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        let laid: u64 = answer["files"].as_array().into_iter().flatten().filter_map(|file| file["rows"].as_u64()).sum();
        if ended && (commits || laid == rows) {
            return Ok(answer);
        }
        let more = if ended { "" } else { ", more were there," };
        Err(Error::new("ROWS_LOST", format!("answered OK, but {rows} rows were taken{more} and {laid} laid down"))
            .detail("taken", rows)
            .detail("laid", laid))
    }
}

/// The batches that the host puts below `in/`, in order, as they come.
pub(crate) struct Rows {
    staging: Staging,
    watch: Arc<Watch>,
    idle: Duration,
    about: String,
    taken: Vec<Value>,
    ready: VecDeque<RecordBatch>,
    schema: SchemaRef,
    fate: Arc<Fate>,
}

impl Rows {
    /// Wait for the first batch; none when the host says that there is none.
    pub(crate) fn open(request: &Request, watch: &Arc<Watch>) -> Result<Option<Self>> {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let mut rows = Self {
            staging: request.staging()?.clone(),
            watch: Arc::clone(watch),
            idle: request.limits.idle,
            about: request.rows(),
            taken: Vec::new(),
            ready: VecDeque::new(),
            schema,
            fate: Arc::default(),
        };
        let Some(first) = rows.pull()? else { return Ok(None) };
        rows.schema = first.schema();
        rows.ready.push_front(first);
        Ok(Some(rows))
    }

    pub(crate) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        while self.ready.is_empty() {
            let Some(key) = self.wait_for(&format!("in/{}", name(self.taken.len() + 1)))? else { return Ok(None) };
            let data = self.staging.get(&key)?;
            self.ready = batches(&data).map_err(|_| self.lost(self.taken.len() + 1))?;
            self.taken.push(json!({ "bytes": data.len(), "crc32": checksum::of(&data) }));
            self.staging.delete(&key)?;
        }
        Ok(self.ready.pop_front())
    }

    /// Wait for a piece; none when it is behind the last.
    fn wait_for(&self, key: &str) -> Result<Option<String>> {
        let patience = Patience::new(self.idle);
        loop {
            let names = self.staging.names()?;
            if names.contains(key) {
                return Ok(Some(key.to_owned()));
            }
            if names.contains(END) {
                return self.at_end();
            }
            patience.wait(&self.watch)?;
        }
    }

    /// Hold all that was taken against what was sent.
    fn at_end(&self) -> Result<Option<String>> {
        let said = self.staging.json(END, None)?;
        let sent = said["pieces"].as_array().ok_or_else(|| changed(END))?;
        match (0..sent.len().max(self.taken.len())).find(|&at| sent.get(at) != self.taken.get(at)) {
            Some(at) => Err(self.lost(at + 1)),
            None => Ok(None),
        }
    }

    fn lost(&self, piece: usize) -> Error {
        changed(&format!("piece {piece} of the rows ({})", self.about)).detail("piece", piece)
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pulled = match self.fate.broken.get() {
            Some(error) => Err(error.clone()),
            None => self.pull().inspect_err(|error| _ = self.fate.broken.set(error.clone())),
        };
        match &pulled {
            Ok(Some(batch)) => _ = self.fate.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed),
            Ok(None) => self.fate.ended.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        pulled.map_err(|error| ArrowError::ExternalError(Box::new(error))).transpose()
    }
}

impl RecordBatchReader for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Read the streams that stand one behind the other.
fn batches(data: &[u8]) -> Result<VecDeque<RecordBatch>> {
    let broken = |error: ArrowError| Error::plugin(format!("a piece of rows is broken: {error}"));
    let (mut found, mut at) = (VecDeque::new(), Cursor::new(data));
    while at.position() < data.len() as u64 {
        for batch in StreamReader::try_new(&mut at, None).map_err(broken)? {
            found.push_back(batch.map_err(broken)?);
        }
    }
    Ok(found)
}

/// A folder of this sandbox for the files of one invocation; removed with the object.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(id: &str) -> Result<Self> {
        let safe: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let path = std::env::temp_dir().join(format!("dativo-{safe}"));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn base(&self) -> String {
        format!("file://{}/", self.0.display())
    }

    /// Put the files below `out/` of the staging, and name them so.
    pub(crate) fn carry(&self, mut answer: Value, staging: &Staging) -> Result<Value> {
        for file in answer["files"].as_array_mut().into_iter().flatten() {
            let path = file["path"].as_str().unwrap_or_default();
            let inside = self.inside(path)?;
            let key = format!("out/{inside}");
            file["crc32"] = staging.put_file(&key, &self.0.join(&inside))?.into();
            file["path"] = key.into();
            file["bytes"] = std::fs::metadata(self.0.join(&inside))?.len().into();
        }
        Ok(answer)
    }

    fn inside(&self, path: &str) -> Result<String> {
        let local = Path::new(path.strip_prefix("file://").unwrap_or(path));
        let inside = local.strip_prefix(&self.0).ok().and_then(Path::to_str).filter(|name| !name.contains(".."));
        let outside = || Error::new("PLUGIN_BAD_RESULT", format!("wrote {path}, which is not below the given base"));
        inside.map(str::to_owned).ok_or_else(outside)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_left_rows_or_counts_others_is_refused_and_one_that_commits_counts_as_it_likes() {
        let code = |ended: bool, laid: u64, commits: bool| {
            let fate = Fate { rows: 2.into(), ended: ended.into(), ..Fate::default() };
            let answer = json!({ "files": [{ "rows": laid }] });
            fate.held_against(Ok(answer), commits).map_or_else(|error| error.code().to_owned(), |_| "OK".to_owned())
        };
        assert_eq!(code(true, 2, false), "OK");
        assert_eq!(code(true, 3, false), "ROWS_LOST");
        assert_eq!(code(true, 3, true), "OK");
        assert_eq!(code(false, 2, true), "ROWS_LOST");
    }

    #[test]
    fn a_plugin_that_takes_broken_rows_for_their_end_is_refused() {
        let fate = Fate { rows: 2.into(), ended: true.into(), ..Fate::default() };
        fate.broken.set(changed("piece 2")).unwrap();
        let error = fate.held_against(Ok(json!({ "files": [{ "rows": 2 }] })), true).unwrap_err();
        assert_eq!(error.code(), "FUNCTION_ROWS_LOST");
    }

    #[test]
    fn a_file_outside_of_the_folder_is_refused_and_the_folder_goes_with_the_invocation() {
        let folder = Folder::new("test/../1").unwrap();
        let path = folder.0.clone();
        assert_eq!(folder.inside(&format!("{}a/b.parquet", folder.base())).unwrap(), "a/b.parquet");
        assert_eq!(folder.inside("file:///etc/passwd").unwrap_err().code(), "PLUGIN_BAD_RESULT");
        drop(folder);
        assert!(!path.exists());
    }
}
