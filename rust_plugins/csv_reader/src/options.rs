//! What a job says about its files: the options of the connector `csv`, in the source block or in `engine.options`.

use std::thread::available_parallelism;

use dativo_plugin::{Error, ReaderConfig, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::dialect::Dialect;
use crate::faults::Place;
use crate::nulls::Nulls;
use crate::unpack::Compression;

const BLOCK_BYTES: usize = 2 * 1024 * 1024;
const LARGEST_BLOCK: usize = 128 * 1024 * 1024;
const MOST_THREADS: usize = 8; // more would hold more than 200 MB of blocks, and wait for the disk
/// What a source block may say beside the options: for the host, and what every reader gets.
const OTHER_KEYS: [&str; 18] = [
    "type",
    "connector",
    "custom_reader",
    "place",
    "name",
    "description",
    "connection",
    "credentials",
    "objects",
    "sheets",
    "tables",
    "incremental",
    "rate_limits",
    "engine",
    "dsn",
    "limits",
    "batch_size",
    "chunk_size",
];
const ENCODINGS: [&str; 6] = ["utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii", "u8"];

/// One line of `files`: a path or a pattern, the stream it belongs to, and the name the cursor knows it by.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct FileSpec {
    #[serde(alias = "file")]
    pub(crate) path: String,
    pub(crate) object: Option<String>,
    pub(crate) id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Files {
    One(FileOrPath),
    Many(Vec<FileOrPath>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileOrPath {
    Path(String),
    File(FileSpec),
}

/// The options, read and checked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) files: Vec<FileSpec>,
    pub(crate) compression: Option<Compression>,
    delimiter: Option<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    doubled: bool,
    pub(crate) header: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) skip_rows: u64,
    pub(crate) nulls: Nulls,
    pub(crate) batch_rows: Option<usize>,
    pub(crate) allow_empty: bool,
    pub(crate) incremental: bool,
    pub(crate) block_bytes: usize,
    pub(crate) threads: usize,
}

impl Options {
    pub(crate) fn new(config: &ReaderConfig) -> Result<Self> {
        let said = Said::new(config)?;
        let options = Self {
            files: files(&said)?,
            compression: said.get::<String>("compression")?.map(|kind| compression(&kind)).transpose()?,
            delimiter: said.byte("delimiter")?,
            quote: if said.has("quote_char") { said.byte("quote_char")? } else { Some(b'"') },
            escape: said.byte("escape_char")?,
            doubled: said.get("double_quote")?.unwrap_or(true),
            header: said.get("header")?.unwrap_or(true),
            columns: said.get("columns")?.unwrap_or_default(),
            skip_rows: said.get("skip_rows")?.unwrap_or(0),
            nulls: said.get::<Vec<String>>("null_values")?.map_or_else(Nulls::default, Nulls::new),
            batch_rows: said.batch_rows()?,
            allow_empty: said.get("allow_empty")?.unwrap_or(false),
            incremental: said.incremental(),
            block_bytes: said.get("block_bytes")?.unwrap_or(BLOCK_BYTES).clamp(1, LARGEST_BLOCK),
            threads: said.get("threads")?.unwrap_or_else(cores).clamp(1, 64),
        };
        if let Some(format) = said.get::<String>("format")?.filter(|format| format != "csv") {
            return Err(Error::config(format!(
                "format: this reader reads csv, not {format:?}; use `connector: files`"
            )));
        }
        said.check_encoding()?;
        said.check_keys()?;
        options.check()?;
        Ok(options)
    }

    /// Give how a file of this name is written.
    pub(crate) fn dialect(&self, name: &str) -> Dialect {
        let told = if name.to_ascii_lowercase().contains(".tsv") { b'\t' } else { b',' };
        Dialect {
            delimiter: self.delimiter.unwrap_or(told),
            quote: self.quote,
            escape: self.escape,
            doubled: self.doubled,
        }
    }

    fn check(&self) -> Result<()> {
        let marks = [Some(self.delimiter.unwrap_or(b',')), self.quote, self.escape];
        let same = (0..3).any(|a| (0..a).any(|b| marks[a].is_some() && marks[a] == marks[b]));
        if same {
            return Err(Error::config("delimiter, quote_char and escape_char: each has to be another character"));
        }
        Ok(())
    }
}

/// Where options may stand: the source block, `engine.options.native`, `engine.options`.
struct Said {
    places: [Map<String, Value>; 3],
}

impl Said {
    fn new(config: &ReaderConfig) -> Result<Self> {
        let native = config.options().section("native")?;
        Ok(Self {
            places: [config.block().as_map().clone(), native.as_map().clone(), config.options().as_map().clone()],
        })
    }

    fn raw(&self, key: &str) -> Option<&Value> {
        self.places.iter().find_map(|place| place.get(key))
    }

    fn has(&self, key: &str) -> bool {
        self.raw(key).is_some()
    }

    fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.raw(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let misfit = |_| Error::config(format!("{key}: its value is not of the kind that this option takes"));
        T::deserialize(value).map(Some).map_err(misfit)
    }

    fn byte(&self, key: &str) -> Result<Option<u8>> {
        let Some(text) = self.get::<String>(key)? else { return Ok(None) };
        match text.as_str() {
            "" => Ok(None),
            "\\t" | "tab" => Ok(Some(b'\t')),
            _ => match *text.as_bytes() {
                [byte] if byte.is_ascii() && byte != b'\r' && byte != b'\n' => Ok(Some(byte)),
                _ => Err(Error::config(format!("{key}: {text:?} is not one ASCII character"))),
            },
        }
    }

    /// Give the most rows of a batch. What recipes call `chunk_size` was the rows of a pandas chunk, and is not taken.
    fn batch_rows(&self) -> Result<Option<usize>> {
        let block = &self.places[0];
        let Some(key) = ["batch_rows", "chunk_size", "batch_size"].into_iter().find(|key| block.contains_key(*key))
        else {
            return Ok(None);
        };
        match self.get(key)? {
            Some(0) => Err(Error::config(format!("{key}: a batch has at least one row"))),
            rows => Ok(rows),
        }
    }

    fn incremental(&self) -> bool {
        let rule = self.places[0].get("incremental");
        let strategy = match rule {
            Some(Value::Object(rule)) => rule.get("strategy"),
            other => other,
        };
        strategy.and_then(Value::as_str) == Some("file_modified_time")
    }

    /// Refuse what nobody reads: a slip of the pen would be passed over in silence.
    fn check_keys(&self) -> Result<()> {
        let schema = crate::schema::schema();
        let known = |key: &str| OTHER_KEYS.contains(&key) || schema["properties"].get(key).is_some();
        match self.places[0].keys().find(|key| !known(key)) {
            Some(key) => Err(Error::config(format!("{key}: this reader has no such option; correct its spelling"))),
            None => Ok(()),
        }
    }

    fn check_encoding(&self) -> Result<()> {
        let Some(encoding) = self.get::<String>("encoding")? else { return Ok(()) };
        let plain = encoding.to_ascii_lowercase().replace('_', "-");
        if ENCODINGS.contains(&plain.as_str()) {
            return Ok(());
        }
        Err(Place::new("encoding").encoding_not_supported(&format!("{encoding:?}")))
    }
}

fn files(said: &Said) -> Result<Vec<FileSpec>> {
    let Some(files) = said.get::<Files>("files")?.or(said.get("file")?) else {
        return Err(Error::config("files: name at least one path, URI or pattern"));
    };
    let many = match files {
        Files::One(file) => vec![file],
        Files::Many(files) => files,
    };
    let spec = |file| match file {
        FileOrPath::Path(path) => FileSpec { path, ..FileSpec::default() },
        FileOrPath::File(file) => file,
    };
    let files: Vec<FileSpec> = many.into_iter().map(spec).collect();
    if files.is_empty() || files.iter().any(|file| file.path.is_empty()) {
        return Err(Error::config("files: each needs a path, and there has to be one"));
    }
    Ok(files)
}

fn compression(kind: &str) -> Result<Compression> {
    match kind {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        _ => Err(Error::config(format!("compression: {kind:?} is none of none, gzip and zstd"))),
    }
}

fn cores() -> usize {
    available_parallelism().map_or(2, |cores| cores.get().min(MOST_THREADS))
}
