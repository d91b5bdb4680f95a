//! Writes Arrow as Parquet files, in parallel: `custom_writer: native:parquet_writer`.
//!
//! ```text
//! RowStream ── write.rs cuts and groups rows ──> encode.rs, a pool of threads ──> files.rs, one file after the other
//!                  │ schema.rs: stored types          │ groups.rs: what is next
//!                  │ dictionary.rs: which columns repeat
//! ```

#![forbid(unsafe_code)]

mod dictionary;
mod encode;
mod failure;
mod files;
mod floats;
mod footer;
mod groups;
mod measure;
mod options;
mod schema;
mod write;
mod writer;

pub use crate::writer::ParquetWriter;

dativo_plugin::export!(writer = ParquetWriter);
