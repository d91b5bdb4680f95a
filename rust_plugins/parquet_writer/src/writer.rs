//! The writer as the host calls it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use dativo_plugin::serde_json::{self, Map, Value, json};
use dativo_plugin::{Cancel, Check, DataFile, Error, Result, RowStream, WriteRequest, Writer, WriterConfig};
use dativo_storage::{Store, scheme};

use crate::files::Files;
use crate::options::{self, Options};
use crate::schema::Stored;
use crate::write::write;

/// Writes Parquet files: for the job's table to commit, or with a manifest of its own.
///
/// A manifest, `_dativo_manifest-{token}.json` in `output_base`, names the files of one commit. The first one of a token
/// is the one that counts.
#[derive(Debug)]
pub struct ParquetWriter {
    config: WriterConfig,
    options: Options,
}

impl Writer for ParquetWriter {
    fn open(config: WriterConfig) -> Result<Self> {
        Ok(Self { options: Options::from_config(&config)?, config })
    }

    fn check(&mut self) -> Result<Check> {
        let base = self.config.output_base();
        Ok(match self.probe(base) {
            Ok(()) => Check::passed(format!("{base} can be written to")),
            Err(error) => Check::failed(&error),
        })
    }

    fn write(&mut self, rows: RowStream, request: &WriteRequest, cancel: &Cancel) -> Result<Vec<DataFile>> {
        let store = Store::open(&request.base, &self.config)?;
        let stored = Stored::new(&rows.schema())?;
        let files = Files::new(&store, &stored, request, self.options.file_size_bytes);
        write(rows, &stored, &self.options, files, cancel)
    }

    fn commit(&mut self, token: &str, files: &[DataFile]) -> Result<Map<String, Value>> {
        let uri = joined(self.config.output_base(), &format!("_dativo_manifest-{}.json", in_a_name(token)));
        let store = Store::open(&uri, &self.config)?;
        if let Some(committed) = committed(&store, &uri)? {
            // The rows are visible already, so files of another attempt would double them.
            let doubled = files.iter().filter(|file| !committed.iter().any(|known| known.path == file.path));
            doubled.into_iter().try_for_each(|file| store.delete(&file.path))?;
            return Ok(answer(&uri, &committed));
        }
        let mut manifest = store.write(&uri)?;
        manifest.append(&serde_json::to_vec_pretty(&json!({"token": token, "files": files}))?)?;
        manifest.finish()?;
        Ok(answer(&uri, files))
    }

    fn abort(&mut self, _token: &str, files: &[DataFile]) -> Result<()> {
        files.iter().try_for_each(|file| Store::open(&file.path, &self.config)?.delete(&file.path))
    }

    fn schema() -> Value {
        options::schema()
    }
}

impl ParquetWriter {
    /// Write a small file and delete it.
    fn probe(&self, base: &str) -> Result<()> {
        if base.is_empty() {
            return Err(Error::config("output_base is missing: there is nowhere to write to"));
        }
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let uri = joined(&existing(base), &format!(".dativo-probe-{}-{moment}", std::process::id()));
        let store = Store::open(&uri, &self.config)?;
        let mut probe = store.write(&uri)?;
        probe.append(b"probe")?;
        probe.finish()?;
        store.delete(&uri)
    }
}

/// Give the folder itself, or on a disk the nearest one above that is there: a check leaves no folder behind.
fn existing(base: &str) -> String {
    if scheme(base) != "file" {
        return base.to_owned();
    }
    let plain = Path::new(base.strip_prefix("file://").unwrap_or(base));
    plain.ancestors().find(|folder| folder.is_dir()).unwrap_or(plain).display().to_string()
}

/// Give the files of a manifest; none when there is no such manifest.
fn committed(store: &Store, uri: &str) -> Result<Option<Vec<DataFile>>> {
    let Some(found) = store.find(uri)? else { return Ok(None) };
    let text = store.read_range(uri, 0..found.size, Some(&found.etag))?;
    let mut manifest: Map<String, Value> = serde_json::from_slice(&text)?;
    let files = manifest.remove("files").unwrap_or_default();
    serde_json::from_value(files).map(Some).map_err(|error| Error::from(error).context(uri))
}

fn answer(manifest: &str, files: &[DataFile]) -> Map<String, Value> {
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    Map::from_iter([
        ("manifest".to_owned(), manifest.into()),
        ("files".to_owned(), files.len().into()),
        ("rows".to_owned(), rows.into()),
    ])
}

fn joined(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// A token is the host's; here it becomes a part of a name.
fn in_a_name(token: &str) -> String {
    token.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}
