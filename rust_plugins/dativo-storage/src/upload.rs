//! A file being written: nobody sees it before it is finished, and dropping it leaves nothing.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use dativo_plugin::{Error, Result};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use tempfile::{Builder, NamedTempFile};

use crate::disk::STAGED;
use crate::refusal::{disk, store};
use crate::runtime::{runtime, wait};

const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS_ON_THE_WAY: usize = 2;

/// A file being written, through `Write`; call [`finish`](Self::finish), or nothing was written.
#[derive(Debug)]
pub struct Upload {
    uri: String,
    bytes: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File { staged: NamedTempFile, target: PathBuf },
    Object { objects: Arc<dyn ObjectStore>, key: Path, buffer: Vec<u8>, parts: Option<WriteMultipart> },
    Done,
}

impl Upload {
    pub(crate) fn file(uri: &str, target: &LocalPath, folder: &LocalPath) -> Result<Self> {
        // The umask applies: a finished file has the mode of any other.
        let staged = Builder::new().prefix(STAGED).permissions(Permissions::from_mode(0o666)).tempfile_in(folder);
        Ok(Self {
            uri: uri.to_owned(),
            bytes: 0,
            kind: Kind::File { staged: disk(uri, staged)?, target: target.to_owned() },
        })
    }

    pub(crate) fn object(uri: &str, objects: Arc<dyn ObjectStore>, key: Path) -> Self {
        Self { uri: uri.to_owned(), bytes: 0, kind: Kind::Object { objects, key, buffer: Vec::new(), parts: None } }
    }

    /// Give the number of bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Write all of these bytes.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        match &mut self.kind {
            Kind::File { staged, .. } => disk(&self.uri, staged.write_all(data))?,
            Kind::Object { objects, key, buffer, parts } => {
                buffer.extend_from_slice(data);
                if buffer.len() >= PART_BYTES {
                    let part = std::mem::take(buffer);
                    send(&self.uri, objects, key, parts, part)?;
                }
            }
            Kind::Done => return Err(Error::write(format!("{}: it is finished already", self.uri))),
        }
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// Make the file visible, whole, and give its size in bytes.
    pub fn finish(mut self) -> Result<u64> {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::File { staged, target } => {
                disk(&self.uri, staged.as_file().sync_all())?;
                disk(&self.uri, staged.persist(target).map_err(|error| error.error))?;
            }
            Kind::Object { objects, key, buffer, parts: None } => {
                store(&self.uri, wait(objects.put(&key, PutPayload::from(buffer)))?)?;
            }
            Kind::Object { buffer, parts: Some(mut parts), .. } => {
                store(
                    &self.uri,
                    wait(async move {
                        parts.put(buffer.into());
                        parts.finish().await
                    })?,
                )?;
            }
            Kind::Done => {}
        }
        Ok(self.bytes)
    }

    /// Drop what was written.
    pub fn abort(mut self) -> Result<()> {
        self.give_up()
    }

    fn give_up(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::File { staged, .. } => disk(&self.uri, staged.close()),
            Kind::Object { parts: Some(parts), .. } => store(&self.uri, wait(parts.abort())?),
            Kind::Object { .. } | Kind::Done => Ok(()),
        }
    }
}

/// Hand a part to the upload, which is begun with the first of them, and wait until few are on the way.
fn send(
    uri: &str,
    objects: &Arc<dyn ObjectStore>,
    key: &Path,
    parts: &mut Option<WriteMultipart>,
    part: Vec<u8>,
) -> Result<()> {
    let upload = match parts {
        Some(upload) => upload,
        None => {
            let begun = store(uri, wait(objects.put_multipart(key))?)?;
            parts.insert(WriteMultipart::new_with_chunk_size(begun, PART_BYTES))
        }
    };
    let _inside = runtime()?.enter();
    store(uri, wait(upload.wait_for_capacity(PARTS_ON_THE_WAY))?)?;
    upload.put(part.into());
    Ok(())
}

impl Write for Upload {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.append(data).map_err(io::Error::other)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Nobody is left to tell; the bucket's lifecycle rule ends what could not be aborted.
        drop(self.give_up());
    }
}
