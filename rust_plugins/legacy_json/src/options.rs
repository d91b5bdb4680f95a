//! What the job's `engine.options` say.

use serde::Deserialize;

/// The part of a reader's or a writer's configuration that this plugin looks at.
#[derive(Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) engine: Engine,
    #[serde(default)]
    pub(crate) output_base: String,
}

#[derive(Default, Deserialize)]
pub(crate) struct Engine {
    #[serde(default)]
    pub(crate) options: Options,
}

#[derive(Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    /// How many rows to give.
    pub(crate) rows: u64,
    pub(crate) batch_size: u64,
    pub(crate) fault: Fault,
    /// After how many good batches the fault shows.
    pub(crate) after: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rows: 25_000, batch_size: 10_000, fault: Fault::None, after: 1 }
    }
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    #[default]
    None,
    /// The constructor gives NULL.
    Create,
    /// A batch is NULL although there is more to come, and a message is on stderr; a write gives NULL.
    Error,
    /// The text of a batch, or a writer's answer, is no JSON.
    InvalidJson,
    /// The text of a batch, or a writer's answer, ends in the middle of a character.
    TruncatedUtf8,
    /// There is always another batch.
    Endless,
    /// The same batch comes for ever.
    Repeat,
    /// A batch is an object where a list should be.
    NoList,
    /// A record is a number where an object should be.
    NoObject,
    /// A writer says more rows than it wrote.
    Lies,
    /// A writer names a file that is not there.
    MissingFile,
}
