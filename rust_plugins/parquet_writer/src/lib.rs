//! Writes Arrow as Parquet files, in parallel.

#![forbid(unsafe_code)]

mod dictionary;
mod encode;
mod failure;
mod files;
mod groups;
mod measure;
mod options;
mod schema;
mod write;
mod writer;

pub use crate::writer::ParquetWriter;
