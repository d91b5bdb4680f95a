//! What a store knows of a file.

use chrono::{DateTime, SecondsFormat, Utc};

/// One file as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// An absolute URI.
    pub uri: String,
    /// How long it is, in bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
    /// Changes whenever the content may have: the store's ETag, or on disk the inode with size and time of change.
    pub etag: String,
}

impl FileInfo {
    /// Give the time of the last change as Python's `isoformat` writes it, so that cursors of both agree.
    #[must_use]
    pub fn modified_text(&self) -> String {
        let whole = self.modified.timestamp_subsec_micros() == 0;
        self.modified.to_rfc3339_opts(if whole { SecondsFormat::Secs } else { SecondsFormat::Micros }, false)
    }
}
