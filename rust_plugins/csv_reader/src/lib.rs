//! Reads CSV files into Arrow, in parallel, with the meaning of the built-in connector `csv`.
//!
//! Text becomes blocks of whole records (`cut`, `input`), which threads parse in turn (`parallel`). A block is
//! parsed strip by strip: first where its fields are (`strip`), then column after column (`column`). A column in
//! which some text has no plain meaning comes as text in that block, and the host's validation decides.

#![forbid(unsafe_code)]

mod batches;
mod block;
mod column;
mod corrupt;
mod cut;
mod dialect;
mod faults;
mod field;
mod files;
mod header;
mod input;
mod marks;
mod moment;
mod nulls;
mod number;
mod options;
mod parallel;
mod reader;
mod schema;
mod strip;
mod text;
mod typed;
mod unpack;
mod window;

pub use batches::{Batches, Layout};
pub use dialect::Dialect;
pub use nulls::Nulls;
pub use reader::CsvReader;
pub use unpack::Compression;

dativo_plugin::export!(reader = CsvReader);
