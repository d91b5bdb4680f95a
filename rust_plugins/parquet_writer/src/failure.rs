//! Failures of the Parquet crate as the host knows them.

use std::io;

use dativo_plugin::Error;
use parquet::errors::ParquetError;

/// Give the error for rows that cannot be encoded or written.
///
/// The crate's message may hold a value of a row, so it is left out, but for what a store said, which holds none.
pub(crate) fn unwritable(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => of_store(*error),
            Err(_) => Error::write("rows could not be compressed"),
        },
        ParquetError::ArrowError(_) => Error::write("rows do not fit the columns, such as NULL in a required one"),
        ParquetError::NYI(_) => Error::new("TYPE_UNSUPPORTED", "Parquet has no place for the type of a column"),
        _ => Error::write("rows could not be encoded as Parquet"),
    }
}

/// A store's own error went through `std::io::Write` and comes out again.
fn of_store(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => Error::from(error).context("the Parquet file"),
    }
}
