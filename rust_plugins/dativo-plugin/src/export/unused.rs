//! The reader of a plugin that only writes, and the reverse. There is no value of either.

use crate::{
    Cancel, DataFile, Error, Progress, Reader, ReaderConfig, Reading, Result, RowStream, Stream, Unit, WriteRequest,
    Writer, WriterConfig,
};

/// No reader at all.
#[derive(Debug)]
pub enum NoReader {}

/// No writer at all.
#[derive(Debug)]
pub enum NoWriter {}

impl Reader for NoReader {
    const EXISTS: bool = false;

    fn open(_: ReaderConfig) -> Result<Self> {
        Err(Error::not_implemented())
    }

    fn read(&mut self, _: &Stream, _: &Unit, _: Progress) -> Result<Reading> {
        match *self {}
    }
}

impl Writer for NoWriter {
    const EXISTS: bool = false;

    fn open(_: WriterConfig) -> Result<Self> {
        Err(Error::not_implemented())
    }

    fn write(&mut self, _: RowStream, _: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
        match *self {}
    }
}
