//! What the author of a reader writes.

use serde_json::{Value, json};

use crate::{Check, Cursor, Discovery, Error, Estimate, Progress, ReaderConfig, Reading, Result, Stream, Unit, Window};

/// A source. Only [`open`](Self::open) and [`read`](Self::read) have to be written.
///
/// One value serves one configured source. Its methods are never called by two threads at once, and what
/// [`read`](Self::read) gives lives on its own.
pub trait Reader: Sized + Send + 'static {
    #[doc(hidden)]
    const EXISTS: bool = true;

    /// Make the reader. Looks at the configuration only: whether the source answers is for [`check`](Self::check).
    fn open(config: ReaderConfig) -> Result<Self>;

    /// Give the batches of one unit: lazily, in the order of the source, with bounded memory.
    ///
    /// Move `progress` while reading and ask it now and then whether to stop; between batches the SDK asks for you.
    fn read(&mut self, stream: &Stream, unit: &Unit, progress: Progress) -> Result<Reading>;

    /// Try to reach the source with the configured credentials.
    fn check(&mut self) -> Result<Check> {
        Err(Error::not_implemented())
    }

    /// List what the source has.
    fn discover(&mut self) -> Result<Discovery> {
        Err(Error::not_implemented())
    }

    /// Guess how much there is to read; reads no rows.
    fn estimate(&mut self, _stream: &Stream) -> Result<Estimate> {
        Err(Error::not_implemented())
    }

    /// Decide what there is to read since the cursor: freeze the upper bound and cut it into units. Reads no rows.
    ///
    /// Without it the host reads everything in every run, as [`Unit::all`].
    fn split(&mut self, _stream: &Stream, _since: Option<&Cursor>) -> Result<Window> {
        Err(Error::not_implemented())
    }

    /// Give the cursor that holds once the rows of the window, just read, are committed; `window.after` by default.
    fn reached(&mut self, _window: &Window) -> Result<Option<Cursor>> {
        Err(Error::not_implemented())
    }

    /// Give the JSON Schema of the configuration.
    fn schema() -> Value {
        json!({})
    }
}
