//! What a job may say about the files: codec, sizes, dictionaries, statistics, threads.

use std::num::NonZero;
use std::thread::available_parallelism;

use dativo_plugin::serde_json::{Value, json};
use dativo_plugin::{Error, Result, WriterConfig};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::EnabledStatistics;

const MIB: usize = 1024 * 1024;

/// Which columns are written with a dictionary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dictionary {
    /// Those whose first rows hold each value twice or more.
    #[default]
    Auto,
    /// All; the encoder gives one up when it grows too large.
    Always,
    /// None.
    Never,
}

/// How values that have no dictionary are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As they are, which every reader knows.
    #[default]
    Plain,
    /// As differences to the value before: smaller and faster, for readers that know the encodings of Parquet 2.
    Delta,
}

/// How files are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// The codec of pages, with its level.
    pub(crate) compression: Compression,
    /// A file is closed once it is as large.
    pub(crate) file_size_bytes: u64,
    /// A row group ends once its rows take as much memory in Arrow.
    pub(crate) row_group_bytes: usize,
    /// A row group ends at as many rows.
    pub(crate) row_group_rows: usize,
    /// A data page ends once it is as large, before compression.
    pub(crate) data_page_bytes: usize,
    /// Which columns are written with a dictionary.
    pub(crate) dictionary: Dictionary,
    /// How the other columns are laid out.
    pub(crate) encoding: Layout,
    /// Whether minima, maxima and counts are kept: for each page, each column of a row group, or not at all.
    pub(crate) statistics: EnabledStatistics,
    /// How many threads encode.
    pub(crate) threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            compression: Compression::ZSTD(ZstdLevel::default()),
            file_size_bytes: 512 * MIB as u64,
            row_group_bytes: 128 * MIB,
            row_group_rows: MIB,
            data_page_bytes: MIB,
            dictionary: Dictionary::Auto,
            encoding: Layout::Plain,
            statistics: EnabledStatistics::Page,
            threads: available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl Options {
    /// Read the options of a job: keys of `target`, or of its `engine.options`. A row group is never larger than a file.
    pub(crate) fn from_config(config: &WriterConfig) -> Result<Self> {
        let default = Self::default();
        let file_size_bytes = config.file_size_bytes().unwrap_or(default.file_size_bytes).max(1);
        let codec = match config.get::<String>("compression")? {
            Some(codec) => Some(codec),
            None => config.compression().map(str::to_owned),
        };
        let row_group_bytes = positive(config, "row_group_bytes")?.unwrap_or(default.row_group_bytes);
        Ok(Self {
            compression: compression(codec.as_deref().unwrap_or("zstd"), config.get("compression_level")?)?,
            file_size_bytes,
            row_group_bytes: row_group_bytes.min(usize::try_from(file_size_bytes).unwrap_or(usize::MAX)),
            row_group_rows: positive(config, "row_group_rows")?.unwrap_or(default.row_group_rows),
            data_page_bytes: positive(config, "data_page_bytes")?.unwrap_or(default.data_page_bytes),
            dictionary: word(config, "dictionary", &DICTIONARIES)?.unwrap_or_default(),
            encoding: word(config, "encoding", &LAYOUTS)?.unwrap_or_default(),
            statistics: word(config, "statistics", &STATISTICS)?.unwrap_or(default.statistics),
            threads: positive(config, "threads")?.unwrap_or(default.threads),
        })
    }
}

const DICTIONARIES: [(&str, Dictionary); 3] =
    [("auto", Dictionary::Auto), ("always", Dictionary::Always), ("never", Dictionary::Never)];

const LAYOUTS: [(&str, Layout); 2] = [("plain", Layout::Plain), ("delta", Layout::Delta)];

const STATISTICS: [(&str, EnabledStatistics); 3] =
    [("page", EnabledStatistics::Page), ("chunk", EnabledStatistics::Chunk), ("none", EnabledStatistics::None)];

fn positive(config: &WriterConfig, key: &str) -> Result<Option<usize>> {
    match config.get(key)? {
        Some(0) => Err(Error::config(format!("target.{key} has to be 1 or more"))),
        value => Ok(value),
    }
}

fn word<T: Copy>(config: &WriterConfig, key: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    let Some(said) = config.get::<String>(key)? else { return Ok(None) };
    let found = known.iter().find(|(name, _)| *name == said);
    found
        .map(|(_, value)| Some(*value))
        .ok_or_else(|| Error::config(format!("target.{key} is {said:?}; it is one of {}", names(known).join(", "))))
}

fn names<'a, T>(known: &[(&'a str, T)]) -> Vec<&'a str> {
    known.iter().map(|(name, _)| *name).collect()
}

/// Give the codec of a name, at a level if it has levels.
fn compression(name: &str, level: Option<i32>) -> Result<Compression> {
    let unsigned = level.map(u32::try_from).transpose().map_err(|_| bad_level(name, "a level is not negative"))?;
    let wrong = |error: ParquetError| bad_level(name, error);
    match (name.to_ascii_lowercase().as_str(), unsigned) {
        ("zstd", None) => Ok(Compression::ZSTD(ZstdLevel::default())),
        ("zstd", Some(_)) => ZstdLevel::try_new(level.unwrap_or_default()).map(Compression::ZSTD).map_err(wrong),
        ("gzip", None) => Ok(Compression::GZIP(GzipLevel::default())),
        ("gzip", Some(level)) => GzipLevel::try_new(level).map(Compression::GZIP).map_err(wrong),
        ("brotli", None) => Ok(Compression::BROTLI(BrotliLevel::default())),
        ("brotli", Some(level)) => BrotliLevel::try_new(level).map(Compression::BROTLI).map_err(wrong),
        ("none" | "uncompressed" | "snappy" | "lz4" | "lz4_raw", Some(_)) => Err(bad_level(name, "it has no levels")),
        ("none" | "uncompressed", None) => Ok(Compression::UNCOMPRESSED),
        ("snappy", None) => Ok(Compression::SNAPPY),
        ("lz4" | "lz4_raw", None) => Ok(Compression::LZ4_RAW),
        _ => Err(Error::config(format!(
            "target.compression is {name:?}; it is one of none, snappy, gzip, lz4, zstd, brotli"
        ))),
    }
}

fn bad_level(codec: &str, why: impl std::fmt::Display) -> Error {
    Error::config(format!("target.compression_level does not fit {codec}: {why}"))
}

/// Give the JSON Schema of the options.
pub(crate) fn schema() -> Value {
    let positive = || json!({"type": "integer", "minimum": 1});
    json!({
        "type": "object",
        "properties": {
            "compression": {"enum": ["none", "snappy", "gzip", "lz4", "lz4_raw", "zstd", "brotli"]},
            "compression_level": {"type": "integer", "minimum": 0},
            "row_group_bytes": positive(),
            "row_group_rows": positive(),
            "data_page_bytes": positive(),
            "dictionary": {"enum": names(&DICTIONARIES)},
            "encoding": {"enum": names(&LAYOUTS)},
            "statistics": {"enum": names(&STATISTICS)},
            "threads": positive(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(config: Value) -> Result<Options> {
        Options::from_config(&WriterConfig::from_json(config)?)
    }

    #[test]
    fn nothing_said_is_zstd_in_files_of_half_a_gibibyte() {
        assert_eq!(options(json!({})).unwrap(), Options::default());
    }

    #[test]
    fn every_codec_has_its_name_and_level() {
        for (name, level, codec) in [
            ("none", None, Compression::UNCOMPRESSED),
            ("snappy", None, Compression::SNAPPY),
            ("LZ4", None, Compression::LZ4_RAW),
            ("lz4_raw", None, Compression::LZ4_RAW),
            ("gzip", Some(9), Compression::GZIP(GzipLevel::try_new(9).unwrap())),
            ("brotli", Some(5), Compression::BROTLI(BrotliLevel::try_new(5).unwrap())),
            ("zstd", Some(19), Compression::ZSTD(ZstdLevel::try_new(19).unwrap())),
        ] {
            let told = json!({"target": {"engine": {"options": {"compression": name, "compression_level": level}}}});
            assert_eq!(options(told).unwrap().compression, codec, "{name}");
        }
    }

    #[test]
    fn the_jobs_block_wins_over_the_hosts_default_codec() {
        let told = json!({"compression": "zstd", "target": {"compression": "snappy"}});
        assert_eq!(options(told).unwrap().compression, Compression::SNAPPY);
    }

    #[test]
    fn a_row_group_is_no_larger_than_a_file() {
        assert_eq!(options(json!({"file_size_bytes": 1000})).unwrap().row_group_bytes, 1000);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (key, value) in [
            ("compression", json!("zip")),
            ("compression_level", json!(99)),
            ("compression_level", json!(-1)),
            ("dictionary", json!("some")),
            ("statistics", json!("all")),
            ("row_group_rows", json!(0)),
            ("threads", json!("two")),
        ] {
            let error = options(json!({"target": {key: value}})).unwrap_err();
            assert_eq!(error.code(), "CONFIGURATION_ERROR");
            assert!(error.message().contains(&format!("target.{key}")), "{error}");
        }
    }
}
