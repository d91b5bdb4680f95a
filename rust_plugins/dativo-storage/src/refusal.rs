//! What a store answers, as errors of the SDK with the codes of `dativo_dagster/storage`.

use dativo_plugin::{Error, Result};

const LONGEST: usize = 300;

/// Make the error for a file that is not the one that was planned.
#[must_use]
pub fn changed(uri: &str) -> Error {
    let message = format!("{uri} changed while it was being read; nothing of it was taken. The next try plans it anew");
    Error::new("FILE_CHANGED", message).retryable(true)
}

pub(crate) fn not_found(uri: &str) -> Error {
    Error::not_found(format!("there is no file {uri}; check the path and its spelling"))
}

/// Turn what the disk says into our errors.
pub(crate) fn disk<T>(uri: &str, result: std::io::Result<T>) -> Result<T> {
    use std::io::ErrorKind;
    result.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => not_found(uri),
        ErrorKind::IsADirectory => {
            Error::new("NOT_A_FILE", format!("{uri} is a folder, not a file; name its files, or use a glob"))
        }
        ErrorKind::PermissionDenied => {
            Error::access(format!("{uri}: this process may not use it; check owner and mode"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::new("STORAGE_FULL", format!("{uri}: {error}")).retryable(true)
        }
        _ => Error::connection(format!("{uri}: {error}")),
    })
}

/// Turn what an object store says into our errors.
pub(crate) fn store<T>(uri: &str, result: object_store::Result<T>) -> Result<T> {
    use object_store::Error as Refusal;
    result.map_err(|error| {
        let text = error.to_string();
        let refused = matches!(error, Refusal::PermissionDenied { .. } | Refusal::Unauthenticated { .. });
        match error {
            _ if text.contains("NoSuchBucket") => bucket_not_found(uri),
            Refusal::NotFound { .. } => not_found(uri),
            Refusal::Precondition { .. } => changed(uri),
            // Listing has no error of its own for what is refused.
            _ if refused || text.contains("403 Forbidden") || text.contains("401 Unauthorized") => {
                Error::access(format!("{uri}: the store refused the credentials or the permission ({})", short(&text)))
            }
            _ => {
                let message = format!("{uri}: the store cannot be reached or failed ({})", short(&text));
                Error::new("STORAGE_UNREACHABLE", message).retryable(true)
            }
        }
    })
}

fn bucket_not_found(uri: &str) -> Error {
    let bucket = uri.split_once("://").map_or(uri, |(_, rest)| rest).split('/').next().unwrap_or_default();
    Error::new("BUCKET_NOT_FOUND", format!("{uri}: there is no bucket {bucket:?}; create it or correct its name"))
}

/// Keep the first line: below it are the layers of the client.
fn short(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    line.chars().take(LONGEST).collect()
}
