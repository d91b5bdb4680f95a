//! Files on disk and in object stores, as plugins see them: blocking, by URI, with errors of the SDK.
//!
//! The rules are those of `dativo_dagster/storage`: a path without a scheme is local, URIs are not percent-encoded, an
//! etag changes whenever the content may have, and a file that is being written cannot be seen before it is finished.

#![forbid(unsafe_code)]

mod bucket;
mod disk;
mod info;
mod pattern;
mod refusal;
mod runtime;
mod source;
mod upload;

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use dativo_plugin::{Cancel, Config, Error, Result};

use crate::bucket::Bucket;
use crate::disk::Disk;
pub use crate::info::FileInfo;
use crate::pattern::Pattern;
pub use crate::pattern::is_pattern;
pub use crate::refusal::changed;
pub use crate::source::Source;
pub use crate::upload::Upload;

/// The local disk, or one bucket.
#[derive(Clone, Debug)]
pub struct Store {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Disk(Disk),
    Bucket(Bucket),
}

impl Store {
    /// Open the store that a URI lies in, with the options that the job has for its scheme.
    pub fn open(uri: &str, config: &Config) -> Result<Self> {
        Self::open_with(uri, &config.object_store(scheme(uri))?)
    }

    /// Open the store that a URI lies in. `options` are those of the crate `object_store`.
    pub fn open_with(uri: &str, options: &HashMap<String, String>) -> Result<Self> {
        let place = match scheme(uri) {
            "file" => Place::Disk(Disk),
            "s3" | "gs" => Place::Bucket(Bucket::open(uri, options)?),
            other => {
                let message = format!("{uri}: storage {other:?} is unknown; use a local path, s3:// or gs://");
                return Err(Error::new("UNKNOWN_STORAGE", message));
            }
        };
        Ok(Self { place })
    }

    /// Give what is known of one file; none when there is no such file.
    pub fn find(&self, uri: &str) -> Result<Option<FileInfo>> {
        match &self.place {
            Place::Disk(disk) => disk.find(uri),
            Place::Bucket(bucket) => bucket.find(uri),
        }
    }

    /// List all files below a folder, at any depth, by path.
    pub fn list(&self, folder: &str) -> Result<Vec<FileInfo>> {
        let mut found = match &self.place {
            Place::Disk(disk) => disk.list(folder)?,
            Place::Bucket(bucket) => bucket.list(folder)?,
        };
        found.sort_by(|a, b| a.uri.cmp(&b.uri));
        Ok(found)
    }

    /// List the files that a pattern names, by path. `*` and `?` stay inside one folder, `**` does not.
    pub fn glob(&self, pattern: &str) -> Result<Vec<FileInfo>> {
        let Some(wanted) = Pattern::new(pattern)? else { return Ok(self.find(pattern)?.into_iter().collect()) };
        let mut found = self.list(&wanted.folder)?;
        found.retain(|file| wanted.matches(&file.uri));
        Ok(found)
    }

    /// Read some bytes of a file; `FILE_CHANGED` when it no longer has this etag.
    pub fn read_range(&self, uri: &str, range: Range<u64>, etag: Option<&str>) -> Result<Bytes> {
        match &self.place {
            Place::Disk(disk) => disk.read_range(uri, range, etag),
            Place::Bucket(bucket) => bucket.read_range(uri, range, etag),
        }
    }

    /// Read a whole file as a stream, some ranges ahead; `FILE_CHANGED` when it no longer has this etag.
    pub fn read(&self, uri: &str, etag: Option<&str>, cancel: &Cancel) -> Result<Source> {
        match &self.place {
            Place::Disk(disk) => disk.read(uri, etag),
            Place::Bucket(bucket) => bucket.read(uri, etag, cancel),
        }
    }

    /// Open a file for writing. It is visible, whole, once finished, and never before.
    pub fn write(&self, uri: &str) -> Result<Upload> {
        match &self.place {
            Place::Disk(disk) => disk.write(uri),
            Place::Bucket(bucket) => bucket.write(uri),
        }
    }

    /// Delete a file; one that is gone already is fine.
    pub fn delete(&self, uri: &str) -> Result<()> {
        match &self.place {
            Place::Disk(disk) => disk.delete(uri),
            Place::Bucket(bucket) => bucket.delete(uri),
        }
    }
}

/// Give the scheme under which a job configures the store of a URI: `file`, `s3`, `gs`, or what stands there.
#[must_use]
pub fn scheme(uri: &str) -> &str {
    match uri.split_once("://").map_or("file", |(scheme, _)| scheme) {
        "s3a" => "s3",
        "gcs" => "gs",
        other => other,
    }
}
