//! All faults by name, and the other options.

use dativo_plugin::{Config, Result};
use serde::Deserialize;
use serde_json::{Value, json};

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $fault:ident = $name:literal,)*) => {
        /// What goes wrong.
        #[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
        pub(crate) enum Fault {
            #[default]
            #[serde(rename = "none")]
            None,
            $($(#[doc = $doc])* #[serde(rename = $name)] $fault,)*
        }

        const NAMES: &[&str] = &["none", $($name),*];
    };
}

faults! {
    // Panics: the SDK makes errors of them.
    PanicOpen = "panic_open",
    PanicCheck = "panic_check",
    PanicDiscover = "panic_discover",
    PanicRead = "panic_read",
    PanicStream = "panic_stream",
    PanicWrite = "panic_write",
    PanicCommit = "panic_commit",
    /// Panics when it is released.
    PanicDrop = "panic_drop",

    // Ends of the process.
    Segfault = "segfault",
    SegfaultStream = "segfault_stream",
    SegfaultWrite = "segfault_write",
    Abort = "abort",
    AbortStream = "abort_stream",
    /// Ends the process as if all were well.
    Exit = "exit",
    StackOverflow = "stack_overflow",
    DoubleRelease = "double_release",

    // No end.
    Endless = "endless",
    HangOpen = "hang_open",
    HangCheck = "hang_check",
    HangRead = "hang_read",
    HangStream = "hang_stream",
    HangWrite = "hang_write",
    HangCommit = "hang_commit",
    HangRelease = "hang_release",

    // Too much.
    HugeBatch = "huge_batch",
    Memory = "memory",
    StdoutFlood = "stdout_flood",
    StderrFlood = "stderr_flood",

    // Wrong data.
    /// One column has another type than the contract.
    WrongType = "wrong_type",
    /// Columns are missing and others are there.
    WrongColumns = "wrong_columns",
    /// Arrow's `get_schema` and the batches disagree.
    WrongBatch = "wrong_batch",
    /// The memory of a batch is used again for the next one.
    ReusedBuffer = "reused_buffer",

    // Wrong answers.
    ErrorStream = "error_stream",
    /// Asks to come again later.
    RateLimit = "rate_limit",
    /// Fails once, and then goes on as if nothing had been.
    ErrorThenData = "error_then_data",
    /// Says "failed" and fills no error.
    NullError = "null_error",
    ErrorWithoutMessage = "error_without_message",
    UnknownStatus = "unknown_status",
    InvalidUtf8 = "invalid_utf8",
    InvalidJson = "invalid_json",
    WrongJson = "wrong_json",

    // NULL where something should be.
    NullInstance = "null_instance",
    NullSlots = "null_slots",
    NullReading = "null_reading",
    NullNext = "null_next",
    NullStream = "null_stream",
    NullGetSchema = "null_get_schema",
    NullGetNext = "null_get_next",
    NullLastError = "null_last_error",

    // Writers that lie.
    ErrorWrite = "error_write",
    WrongRows = "wrong_rows",
    MissingFile = "missing_file",
    /// Names files outside the folder that it was given.
    StrayFile = "stray_file",
}

/// What `engine.options` say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) fault: Fault,
    /// How many good batches come before a fault in the stream.
    pub(crate) after: u64,
    pub(crate) rows: u64,
    pub(crate) batch_rows: u64,
    /// How many rows name the same text of 100,000 letters, in one batch and instead of all others.
    pub(crate) same_texts: usize,
    /// How much to flood, or to take of the memory.
    pub(crate) megabytes: usize,
    /// How long each batch takes, so that there is time to cancel.
    pub(crate) sleep_milliseconds: u64,
}

impl Options {
    pub(crate) fn of(config: &Config) -> Result<Self> {
        Ok(Self {
            fault: config.get("fault")?.unwrap_or_default(),
            after: config.get("after")?.unwrap_or(1),
            rows: config.get("rows")?.unwrap_or(3_000),
            batch_rows: config.get("batch_rows")?.unwrap_or(1_000),
            same_texts: config.get("same_texts")?.unwrap_or(0),
            megabytes: config.get("megabytes")?.unwrap_or(64),
            sleep_milliseconds: config.get("sleep_milliseconds")?.unwrap_or(0),
        })
    }
}

/// Give the JSON Schema of the configuration: tests find all faults here.
pub(crate) fn schema() -> Value {
    let number = json!({ "type": "integer", "minimum": 0 });
    let options = json!({
        "fault": { "enum": NAMES }, "after": number, "rows": number, "batch_rows": number,
        "same_texts": number, "megabytes": number, "sleep_milliseconds": number,
    });
    json!({ "properties": { "engine": { "properties": { "options": { "properties": options } } } } })
}
