//! What the author of a writer writes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Cancel, Check, DataFile, Error, Result, RowStream, WriterConfig};

/// Where one `write` puts its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteRequest {
    /// The URI of a folder, with a slash at the end, or an absolute path.
    pub base: String,
    /// How the names of the files start in it: unique for each call.
    pub name: String,
}

/// A target. Only [`open`](Self::open) and [`write`](Self::write) have to be written.
///
/// A writer whose configuration says `commits: false` lays down Parquet files that the job's table commits. Its
/// methods are never called by two threads at once; the host opens several writers to write in parallel.
pub trait Writer: Sized + Send + 'static {
    #[doc(hidden)]
    const EXISTS: bool = true;

    /// Make the writer. Looks at the configuration only: whether the target answers is for [`check`](Self::check).
    fn open(config: WriterConfig) -> Result<Self>;

    /// Write all rows; nothing is visible yet. On failure it removes what it has written.
    ///
    /// Ask `cancel` now and then whether to stop; `rows` asks it before each batch.
    fn write(&mut self, rows: RowStream, request: &WriteRequest, cancel: &Cancel) -> Result<Vec<DataFile>>;

    /// Try to reach the target with the configured credentials; leaves nothing behind.
    fn check(&mut self) -> Result<Check> {
        Err(Error::not_implemented())
    }

    /// Make the files visible and give what is worth logging; may be called again with the same token.
    fn commit(&mut self, _token: &str, _files: &[DataFile]) -> Result<Map<String, Value>> {
        Err(Error::not_implemented())
    }

    /// Remove what `write` left; does not fail for what is gone.
    fn abort(&mut self, _token: &str, _files: &[DataFile]) -> Result<()> {
        Err(Error::not_implemented())
    }

    /// Give the JSON Schema of the configuration.
    fn schema() -> Value {
        json!({})
    }
}
