//! The one error of plugins: what the host, its retries and the person who reads it need.

use std::fmt;

use serde_json::{Map, Value};

/// What every fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure with a stable code, a message for people, and whether the same call may succeed later.
///
/// The message says what was wrong, where, and what to do. It holds no secret and no row.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    facts: Box<Facts>,
}

#[derive(Clone, Debug, PartialEq)]
struct Facts {
    code: String,
    message: String,
    retryable: bool,
    retry_after: u32,
    details: Map<String, Value>,
}

const NOT_IMPLEMENTED: &str = "NOT_IMPLEMENTED";

/// Constructors, by what went wrong.
impl Error {
    /// An error with a code of your own, in upper snake case.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (clean(code.into()), clean(message.into()));
        Self { facts: Box::new(Facts { code, message, retryable: false, retry_after: 0, details: Map::new() }) }
    }

    /// The configuration is wrong; a person has to change it.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new("CONFIGURATION_ERROR", message)
    }

    /// The system cannot be reached. Retryable.
    pub fn connection(message: impl Into<String>) -> Self {
        Self::new("CONNECTION_FAILED", message).retryable(true)
    }

    /// The system was reached and refused the credentials.
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new("AUTHENTICATION_FAILED", message)
    }

    /// The store or the disk refused the permission.
    pub fn access(message: impl Into<String>) -> Self {
        Self::new("ACCESS_DENIED", message)
    }

    /// What the configuration names is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new("FILE_NOT_FOUND", message)
    }

    /// The data is not what it should be.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new("VALIDATION_FAILED", message)
    }

    /// Something passing. Retryable.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new("TRANSIENT_ERROR", message).retryable(true)
    }

    /// The source asked for fewer calls, and to wait some seconds; 0 when it did not say. Retryable.
    pub fn rate_limit(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new("RATE_LIMIT_EXCEEDED", message).retryable(true).retry_after(retry_after_seconds)
    }

    /// Rows could not be written.
    pub fn write(message: impl Into<String>) -> Self {
        Self::new("WRITE_FAILED", message)
    }

    /// The target did not take the commit; nothing of it is visible.
    pub fn commit(message: impl Into<String>) -> Self {
        Self::new("COMMIT_FAILED", message)
    }

    /// The plugin itself is at fault.
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new("PLUGIN_ERROR", message)
    }

    /// The host asked to stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new("CANCELLED", "cancelled by the host")
    }

    /// This plugin has no such verb; the host then does without it.
    #[must_use]
    pub fn not_implemented() -> Self {
        Self::new(NOT_IMPLEMENTED, "this plugin has no such verb")
    }
}

/// What an error says, and how to say more.
impl Error {
    /// Say whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.facts.retryable = retryable;
        self
    }

    /// Say how many seconds to wait before the next try.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.facts.retry_after = seconds;
        self
    }

    /// Add a fact for machines.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.facts.details.insert(key.into(), value.into());
        self
    }

    /// Say where it happened: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.facts.message = clean(format!("{context}: {}", self.facts.message));
        self
    }

    /// Give the stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.facts.code
    }

    /// Give the message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.facts.message
    }

    /// Give whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.facts.retryable
    }

    /// Give the seconds to wait before the next try; 0 when unknown.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u32 {
        self.facts.retry_after
    }

    /// Give the facts for machines.
    #[must_use]
    pub fn details(&self) -> &Map<String, Value> {
        &self.facts.details
    }

    pub(crate) fn is_not_implemented(&self) -> bool {
        self.facts.code == NOT_IMPLEMENTED
    }
}

/// Texts cross the border NUL-terminated, so they hold no NUL.
fn clean(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.facts.code, self.facts.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes of the host, with what they mean.
    const CODES: &str = include_str!("../../../dativo_ingest/codes.py");

    #[test]
    fn every_code_is_one_that_the_host_explains() {
        let all = [
            Error::config(""),
            Error::connection(""),
            Error::auth(""),
            Error::access(""),
            Error::not_found(""),
            Error::data(""),
            Error::transient(""),
            Error::rate_limit("", 0),
            Error::write(""),
            Error::commit(""),
            Error::plugin(""),
            Error::cancelled(),
            Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)),
            Error::new("PLUGIN_PANIC", ""),
            Error::new("PLUGIN_POISONED", ""),
            Error::new("PLUGIN_VERSION_INCOMPATIBLE", ""),
            Error::new("BAD_TYPE", ""),
        ];
        let unknown: Vec<_> = all.iter().filter(|error| !CODES.contains(&format!("\"{}\":", error.code()))).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn only_what_passes_by_itself_is_retryable() {
        assert!(Error::connection("").is_retryable() && Error::transient("").is_retryable());
        assert!(!Error::auth("").is_retryable() && !Error::data("").is_retryable());
        assert_eq!(Error::rate_limit("", 30).retry_after_seconds(), 30);
    }
}
