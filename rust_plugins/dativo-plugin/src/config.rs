//! What a plugin is told when it is opened: its side of the job, the stream, and how to reach the stores it names.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Cancel, Error, Result, Section, Stream};

/// What readers and writers are told alike.
#[derive(Clone, Debug)]
pub struct Config {
    block: Section,
    options: Section,
    connection: Section,
    credentials: Section,
    told: Told,
    cancel: Cancel,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    stream: Stream,
    tenant: String,
    job: String,
    base: PathBuf,
    #[serde(skip)]
    object_store: Section,
}

impl Config {
    fn new(side: &str, whole: &Section, cancel: Cancel) -> Result<Self> {
        let block = Section::new(side, whole.get(side)?.unwrap_or_default());
        let mut told: Told = whole.parse()?;
        told.object_store = whole.section("object_store")?;
        Ok(Self {
            options: block.section("engine")?.section("options")?,
            connection: block.section("connection")?,
            credentials: block.section("credentials")?,
            block,
            told,
            cancel,
        })
    }

    /// Give a value of the job's block, or else of its `engine.options`; none when it is in neither.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        if self.block.has(key) { self.block.get(key) } else { self.options.get(key) }
    }

    /// Give a value of the job's block, or else of its `engine.options`, that has to be there.
    pub fn require<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        if self.options.has(key) && !self.block.has(key) { self.options.require(key) } else { self.block.require(key) }
    }

    /// Give the job's whole block: `source` or `target`.
    #[must_use]
    pub fn block(&self) -> &Section {
        &self.block
    }

    /// Give `engine.options` of the block.
    #[must_use]
    pub fn options(&self) -> &Section {
        &self.options
    }

    /// Give `connection` of the block.
    #[must_use]
    pub fn connection(&self) -> &Section {
        &self.connection
    }

    /// Give `credentials` of the block.
    #[must_use]
    pub fn credentials(&self) -> &Section {
        &self.credentials
    }

    /// Give the stream with the contract's columns; without columns when there is no contract yet.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.told.stream
    }

    /// Give the tenant that the job belongs to.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.told.tenant
    }

    /// Give the job's name.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.told.job
    }

    /// Give the folder of the job file.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.told.base
    }

    /// Find a local path of the job: from the working directory if it is there, else from the job file's folder.
    #[must_use]
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        if path.is_absolute() || path.exists() { path.to_path_buf() } else { self.told.base.join(path) }
    }

    /// Give the options of the crate `object_store` for a scheme such as `s3`; empty when the job says nothing.
    pub fn object_store(&self, scheme: &str) -> Result<HashMap<String, String>> {
        let options: Option<Map<String, Value>> = self.told.object_store.get(scheme)?;
        Ok(options.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect())
    }

    /// Give the handle that says whether the host asked to stop, for verbs that are not handed one.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// What a reader is told.
#[derive(Clone, Debug)]
pub struct ReaderConfig {
    common: Config,
}

impl ReaderConfig {
    /// Read it from JSON, as a test of a plugin may.
    pub fn from_json(config: Value) -> Result<Self> {
        Self::new(config, Cancel::default())
    }

    pub(crate) fn new(config: Value, cancel: Cancel) -> Result<Self> {
        Ok(Self { common: Config::new("source", &whole(config)?, cancel)? })
    }
}

impl Deref for ReaderConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.common
    }
}

/// What a writer is told.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    common: Config,
    own: Own,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Own {
    output_base: String,
    commits: bool,
    file_size_bytes: Option<u64>,
    compression: Option<String>,
    #[serde(skip)]
    asset: Section,
}

impl WriterConfig {
    /// Read it from JSON, as a test of a plugin may.
    pub fn from_json(config: Value) -> Result<Self> {
        Self::new(config, Cancel::default())
    }

    pub(crate) fn new(config: Value, cancel: Cancel) -> Result<Self> {
        let whole = whole(config)?;
        let mut own: Own = whole.parse()?;
        own.asset = whole.section("asset")?;
        Ok(Self { common: Config::new("target", &whole, cancel)?, own })
    }

    /// Give where a writer that commits by itself puts its files: an absolute path, or a URI.
    #[must_use]
    pub fn output_base(&self) -> &str {
        &self.own.output_base
    }

    /// Say whether this writer commits by itself; else it lays down Parquet files that the job's table commits.
    #[must_use]
    pub fn commits(&self) -> bool {
        self.own.commits
    }

    /// Give how large a file should become, about.
    #[must_use]
    pub fn file_size_bytes(&self) -> Option<u64> {
        self.own.file_size_bytes
    }

    /// Give the name of the codec that the job asks for.
    #[must_use]
    pub fn compression(&self) -> Option<&str> {
        self.own.compression.as_deref()
    }

    /// Give the contract as the earlier system's asset definition.
    #[must_use]
    pub fn asset(&self) -> &Section {
        &self.own.asset
    }
}

impl Deref for WriterConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.common
    }
}

fn whole(config: Value) -> Result<Section> {
    match config {
        Value::Object(map) => Ok(Section::new("", map.into_iter().filter(|(_, value)| !value.is_null()).collect())),
        _ => Err(Error::config("the configuration of a plugin has to be a JSON object")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reader(source: Value) -> ReaderConfig {
        let base = std::env::temp_dir();
        let stream = json!({ "name": "orders", "columns": [{ "name": "id", "type": "int64" }] });
        let store = json!({ "s3": { "region": "eu", "port": 9000, "none": null } });
        let config = json!({
            "source": source, "stream": stream, "tenant": "acme", "job": "j", "base": base, "object_store": store,
        });
        ReaderConfig::from_json(config).unwrap()
    }

    #[test]
    fn a_key_of_the_block_goes_before_one_of_the_options() {
        let config = reader(json!({ "a": 1, "engine": { "options": { "a": 2, "b": 3 } } }));
        assert_eq!((config.require::<u8>("a").unwrap(), config.require::<u8>("b").unwrap()), (1, 3));
        assert_eq!(config.get::<u8>("c").unwrap(), None);
        assert_eq!(config.require::<u8>("c").unwrap_err().message(), "source.c is missing");
        assert_eq!(
            config.require::<bool>("b").unwrap_err().message(),
            "source.engine.options.b: expected a boolean, found a number"
        );
    }

    #[test]
    fn what_the_host_tells_is_there() {
        let config = reader(json!({ "connection": { "host": "h" }, "credentials": { "key": "hunter2" } }));
        assert_eq!((config.tenant(), config.job(), config.stream().columns.len()), ("acme", "j", 1));
        assert_eq!(config.connection().require::<String>("host").unwrap(), "h");
        assert_eq!(
            config.object_store("s3").unwrap(),
            HashMap::from([("region".into(), "eu".into()), ("port".into(), "9000".into())])
        );
        assert!(config.object_store("gs").unwrap().is_empty());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_local_path_starts_where_it_is_found() {
        let config = reader(json!({}));
        assert_eq!(config.resolve("Cargo.toml"), PathBuf::from("Cargo.toml"));
        assert_eq!(config.resolve("no/such.csv"), std::env::temp_dir().join("no/such.csv"));
        assert_eq!(config.resolve("/a/b"), PathBuf::from("/a/b"));
    }

    #[test]
    fn a_host_that_says_nothing_is_understood() {
        let config = WriterConfig::from_json(json!({ "tenant": null, "target": null, "compression": null })).unwrap();
        assert_eq!((config.tenant(), config.commits(), config.compression()), ("", false, None));
        assert_eq!(WriterConfig::from_json(json!(3)).unwrap_err().code(), "CONFIGURATION_ERROR");
    }

    #[test]
    fn a_writer_knows_where_and_how() {
        let asset = json!({ "name": "orders", "schema": [] });
        let config = json!({
            "target": {}, "asset": asset, "output_base": "s3://b/x", "commits": true, "file_size_bytes": 9, "compression": "zstd",
        });
        let config = WriterConfig::from_json(config).unwrap();
        assert_eq!(
            (config.output_base(), config.file_size_bytes(), config.compression()),
            ("s3://b/x", Some(9), Some("zstd"))
        );
        assert_eq!(config.asset().require::<String>("name").unwrap(), "orders");
    }
}
