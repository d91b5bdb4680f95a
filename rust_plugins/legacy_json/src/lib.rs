//! A plugin of the earlier system: a reader and a writer over the older JSON ABI, of `docs/abi.md`.
//!
//! `engine.options` chooses how much it reads and how it fails; benchmarks and tests of the host are what it is for.
//! It has `unsafe` because that ABI has no SDK: each plugin spoke C by itself.

mod border;
mod options;
mod reader;
mod writer;
