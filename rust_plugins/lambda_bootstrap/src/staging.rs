//! The folder of a bucket that host and function share for one invocation.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use dativo_plugin::{Error, Result};
use dativo_storage::Store;
use serde_json::Value;

use crate::checksum::{self, Checksum};

/// One folder; names are relative to it.
#[derive(Clone, Debug)]
pub(crate) struct Staging {
    url: String,
    store: Store,
}

impl Staging {
    /// Open the staging of a request; none where it has none.
    pub(crate) fn of(words: &Value) -> Result<Option<Self>> {
        let Some(url) = words["url"].as_str() else { return Ok(None) };
        let mut options: HashMap<String, String> = HashMap::new();
        for (key, value) in words["options"].as_object().into_iter().flatten() {
            options.insert(key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        let plain = options.iter().any(|(key, value)| key.contains("endpoint") && value.starts_with("http://"));
        if plain {
            options.entry("allow_http".into()).or_insert_with(|| "true".into());
        }
        let url = format!("{}/", url.trim_end_matches('/'));
        Ok(Some(Self { store: Store::open_with(&url, &options)?, url }))
    }

    /// Put an object.
    pub(crate) fn put(&self, name: &str, data: &[u8]) -> Result<()> {
        let mut upload = self.store.write(&self.uri(name))?;
        upload.append(data)?;
        upload.finish().map(|_| ())
    }

    /// Put a file of the disk, piece by piece; gives its checksum.
    pub(crate) fn put_file(&self, name: &str, path: &Path) -> Result<u64> {
        use std::io::Read;
        let (mut file, mut upload) = (std::fs::File::open(path)?, self.store.write(&self.uri(name))?);
        let (mut buffer, mut sum) = (vec![0; 1024 * 1024], Checksum::new());
        loop {
            match file.read(&mut buffer)? {
                0 => return upload.finish().map(|_| sum.get()),
                got => {
                    sum.add(&buffer[..got]);
                    upload.append(&buffer[..got])?;
                }
            }
        }
    }

    /// Get a whole object.
    pub(crate) fn get(&self, name: &str) -> Result<Vec<u8>> {
        let uri = self.uri(name);
        let found =
            self.store.find(&uri)?.ok_or_else(|| Error::not_found(format!("{uri} is gone from the staging")))?;
        if found.size == 0 {
            return Ok(Vec::new());
        }
        Ok(self.store.read_range(&uri, 0..found.size, None)?.to_vec())
    }

    /// Get an object that is JSON, and that has this checksum where one is known.
    pub(crate) fn json(&self, name: &str, sum: Option<u64>) -> Result<Value> {
        let data = self.get(name)?;
        if sum.is_some_and(|sum| sum != checksum::of(&data)) {
            return Err(changed(&self.uri(name)));
        }
        serde_json::from_slice(&data).map_err(|_| changed(&self.uri(name)))
    }

    /// Delete an object; one that is gone is fine.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        self.store.delete(&self.uri(name))
    }

    /// Give the names of all objects.
    pub(crate) fn names(&self) -> Result<BTreeSet<String>> {
        let found = self.store.list(&self.url)?;
        Ok(found.into_iter().filter_map(|file| file.uri.strip_prefix(&self.url).map(str::to_owned)).collect())
    }

    fn uri(&self, name: &str) -> String {
        format!("{}{name}", self.url)
    }
}

/// What the host sent is not what is there.
pub(crate) fn changed(what: &str) -> Error {
    let message = format!(
        "{what} is not what the host put into the staging folder; nothing of it is committed; run again, and look \
         whether something else writes or deletes there"
    );
    Error::new("FUNCTION_ROWS_LOST", message).retryable(true)
}
