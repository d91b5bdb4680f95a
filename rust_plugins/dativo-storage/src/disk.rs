//! The local disk as a store. Files appear whole: they are written beside their name and renamed.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use dativo_plugin::{Error, Result};

use crate::refusal::{changed, disk};
use crate::{FileInfo, Source, Upload};

/// How files start that are being written; `Disk` of the Python side uses and hides the same name.
pub(crate) const STAGED: &str = ".dativo-";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk;

impl Disk {
    pub(crate) fn find(self, uri: &str) -> Result<Option<FileInfo>> {
        let path = local(uri);
        match fs::metadata(&path) {
            Ok(facts) if facts.is_dir() => Ok(None),
            Ok(facts) => Ok(Some(info(&path, &facts))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => disk(uri, Err(error)),
        }
    }

    pub(crate) fn list(self, folder: &str) -> Result<Vec<FileInfo>> {
        let (mut found, mut folders) = (Vec::new(), vec![local(folder)]);
        while let Some(folder) = folders.pop() {
            let name = folder.to_string_lossy().into_owned();
            let entries = match fs::read_dir(&folder) {
                Err(error) if is_absent(&error) => continue,
                other => disk(&name, other)?,
            };
            for entry in entries {
                let entry = disk(&name, entry)?;
                // A link is followed to a file and not into a folder, so that no walk goes in circles.
                if disk(&name, entry.file_type())?.is_dir() {
                    folders.push(entry.path());
                } else if !entry.file_name().to_string_lossy().starts_with(STAGED) {
                    found.extend(self.find(&entry.path().to_string_lossy())?);
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn read_range(self, uri: &str, range: Range<u64>, etag: Option<&str>) -> Result<Bytes> {
        let mut file = opened(uri, etag)?;
        disk(uri, file.seek(SeekFrom::Start(range.start)))?;
        let mut bytes = Vec::new();
        disk(uri, file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes))?;
        Ok(bytes.into())
    }

    pub(crate) fn read(self, uri: &str, etag: Option<&str>) -> Result<Source> {
        Ok(Source::file(uri, opened(uri, etag)?))
    }

    pub(crate) fn write(self, uri: &str) -> Result<Upload> {
        let path = local(uri);
        let folder = path.parent().unwrap_or(Path::new("/"));
        disk(uri, fs::create_dir_all(folder))?;
        Upload::file(uri, &path, folder)
    }

    pub(crate) fn delete(self, uri: &str) -> Result<()> {
        match fs::remove_file(local(uri)) {
            Err(error) if is_absent(&error) => Ok(()),
            other => disk(uri, other),
        }
    }
}

/// Give a local path as an absolute URI, without following links: a link's name is its name.
pub(crate) fn absolute(path: &str) -> String {
    format!("file://{}", local(path).display())
}

fn local(path: &str) -> PathBuf {
    let plain = path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path);
    let mut clean = std::env::current_dir().unwrap_or_default();
    for part in Path::new(plain).components() {
        match part {
            std::path::Component::ParentDir => drop(clean.pop()),
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}

fn opened(uri: &str, etag: Option<&str>) -> Result<File> {
    let file = disk(uri, File::open(local(uri)))?;
    let facts = disk(uri, file.metadata())?;
    if facts.is_dir() {
        return Err(Error::new("NOT_A_FILE", format!("{uri} is a folder, not a file; name its files, or use a glob")));
    }
    if etag.is_some_and(|wanted| wanted != tag(&facts)) {
        return Err(changed(uri));
    }
    Ok(file)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

pub(crate) fn info(path: &Path, facts: &Metadata) -> FileInfo {
    FileInfo {
        uri: format!("file://{}", path.display()),
        size: facts.len(),
        modified: modified(facts),
        etag: tag(facts),
    }
}

fn tag(facts: &Metadata) -> String {
    let nanoseconds = i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec());
    format!("{:x}-{nanoseconds:x}-{:x}", facts.ino(), facts.len())
}

/// Round the time of change as Python does: by a float of seconds, half to even. Cursors compare these texts.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn modified(facts: &Metadata) -> DateTime<Utc> {
    let seconds = (facts.mtime() * 1_000_000_000 + facts.mtime_nsec()) as f64 / 1e9;
    let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
    DateTime::from_timestamp_micros(seconds.trunc() as i64 * 1_000_000 + micros).unwrap_or_default()
}
