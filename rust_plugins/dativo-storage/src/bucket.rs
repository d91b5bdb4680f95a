//! A bucket of S3 or of Google Cloud Storage.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dativo_plugin::{Cancel, Error, Result};
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
};

use crate::refusal::{changed, not_found, store};
use crate::runtime::{runtime, wait};
use crate::{FileInfo, Source, Upload, scheme};

/// Which content of an object is meant, so that later reads fail once it is another.
#[derive(Clone, Debug)]
pub(crate) enum Pin {
    None,
    Etag(String),
    Version(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    scheme: &'static str,
    name: String,
    pub(crate) objects: Arc<dyn ObjectStore>,
}

impl Bucket {
    pub(crate) fn open(uri: &str, options: &HashMap<String, String>) -> Result<Self> {
        let name = parts(uri).0.to_owned();
        if name.is_empty() {
            return Err(Error::new("UNKNOWN_STORAGE", format!("{uri}: the bucket is missing")));
        }
        let _inside = runtime()?.enter();
        let (scheme, objects) = match scheme(uri) {
            "s3" => ("s3", s3(uri, &name, options)?),
            _ => ("gs", gs(uri, &name, options)?),
        };
        Ok(Self { scheme, name, objects })
    }

    pub(crate) fn find(&self, uri: &str) -> Result<Option<FileInfo>> {
        match wait(self.objects.head(&self.key(uri)?))? {
            Ok(meta) => Ok(Some(self.info(&meta))),
            Err(object_store::Error::NotFound { .. }) => {
                // A missing bucket looks the same to a head request; listing tells them apart.
                let key = self.key(uri)?;
                store(uri, wait(self.objects.list(Some(&key)).try_next())?)?;
                Ok(None)
            }
            Err(error) => store(uri, Err(error)),
        }
    }

    pub(crate) fn list(&self, folder: &str) -> Result<Vec<FileInfo>> {
        let prefix = self.key(folder)?;
        let found = self.objects.list((!prefix.as_ref().is_empty()).then_some(&prefix));
        store(folder, wait(found.map_ok(|meta| self.info(&meta)).try_collect::<Vec<_>>())?)
    }

    pub(crate) fn read_range(&self, uri: &str, range: Range<u64>, etag: Option<&str>) -> Result<Bytes> {
        let pin = if etag.is_some() { self.pin(uri, etag)?.1 } else { Pin::None };
        wait(get(&*self.objects, uri, &self.key(uri)?, range, &pin))?
    }

    pub(crate) fn read(&self, uri: &str, etag: Option<&str>, cancel: &Cancel) -> Result<Source> {
        let (size, pin) = self.pin(uri, etag)?;
        Source::object(uri, self.clone(), self.key(uri)?, size, pin, cancel.clone())
    }

    pub(crate) fn write(&self, uri: &str) -> Result<Upload> {
        Ok(Upload::object(uri, Arc::clone(&self.objects), self.key(uri)?))
    }

    pub(crate) fn delete(&self, uri: &str) -> Result<()> {
        match wait(self.objects.delete(&self.key(uri)?))? {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => store(uri, other),
        }
    }

    /// Look at an object as it is now: its size, and what its later reads ask for.
    fn pin(&self, uri: &str, etag: Option<&str>) -> Result<(u64, Pin)> {
        let meta = match wait(self.objects.head(&self.key(uri)?))? {
            Err(object_store::Error::NotFound { .. }) if etag.is_some() => return Err(changed(uri)),
            Err(object_store::Error::NotFound { .. }) => return Err(not_found(uri)),
            other => store(uri, other)?,
        };
        if etag.is_some_and(|wanted| wanted != self.info(&meta).etag) {
            return Err(changed(uri));
        }
        let pin = match (self.scheme, meta.version, meta.e_tag) {
            ("gs", Some(version), _) => Pin::Version(version),
            (_, _, Some(etag)) => Pin::Etag(etag),
            _ => Pin::None,
        };
        Ok((meta.size, pin))
    }

    fn key(&self, uri: &str) -> Result<Path> {
        let (bucket, key) = if uri.contains("://") { parts(uri) } else { (self.name.as_str(), uri) };
        if bucket != self.name {
            let message = format!("{uri} is not in the bucket {:?} that was opened", self.name);
            return Err(Error::new("UNKNOWN_STORAGE", message));
        }
        Path::parse(key.trim_matches('/')).map_err(|error| Error::config(format!("{uri} is no name: {error}")))
    }

    fn info(&self, meta: &ObjectMeta) -> FileInfo {
        FileInfo {
            uri: format!("{}://{}/{}", self.scheme, self.name, meta.location),
            size: meta.size,
            modified: meta.last_modified,
            etag: meta.e_tag.as_deref().unwrap_or_default().trim_matches('"').to_owned(),
        }
    }
}

/// Read a range of an object; `FILE_CHANGED` when it is not the one that was pinned.
pub(crate) async fn get(
    objects: &dyn ObjectStore,
    uri: &str,
    key: &Path,
    range: Range<u64>,
    pin: &Pin,
) -> Result<Bytes> {
    let mut options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    match pin {
        Pin::None => {}
        Pin::Etag(etag) => options.if_match = Some(etag.clone()),
        Pin::Version(version) => options.version = Some(version.clone()),
    }
    match objects.get_opts(key, options).await {
        Err(object_store::Error::NotFound { .. }) if !matches!(pin, Pin::None) => Err(changed(uri)),
        other => store(uri, store(uri, other)?.bytes().await),
    }
}

fn parts(uri: &str) -> (&str, &str) {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

fn s3(uri: &str, bucket: &str, options: &HashMap<String, String>) -> Result<Arc<dyn ObjectStore>> {
    let mut builder =
        AmazonS3Builder::from_env().with_client_options(client()).with_retry(retry()).with_bucket_name(bucket);
    for (key, value) in options {
        let known = key.to_ascii_lowercase().parse().map_err(|_| unknown(uri, key))?;
        builder = builder.with_config(known, value);
    }
    Ok(Arc::new(store(uri, builder.build())?))
}

fn gs(uri: &str, bucket: &str, options: &HashMap<String, String>) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_client_options(client())
        .with_retry(retry())
        .with_bucket_name(bucket);
    for (key, value) in options {
        let known = key.to_ascii_lowercase().parse().map_err(|_| unknown(uri, key))?;
        builder = builder.with_config(known, value);
    }
    Ok(Arc::new(store(uri, builder.build())?))
}

/// As patient as `dativo_dagster/storage/_stores.py`: who waits for minutes holds up a run that could be tried again.
fn client() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(Duration::from_secs(5)).with_timeout(Duration::from_secs(60))
}

fn retry() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(3), base: 2.0 };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(30) }
}

fn unknown(uri: &str, key: &str) -> Error {
    Error::config(format!("{uri}: the crate object_store has no option {key:?}; correct the options of the store"))
}
