//! Write readers and writers for dativo in safe Rust.
//!
//! Implement [`Reader`] or [`Writer`], say [`export!`] once, and build a `cdylib`. All `unsafe` is in this crate: the
//! C ABI of `include/dativo_plugin.h`, its ownership rules, and the guard that turns a panic into an error.

#[doc(hidden)]
pub mod abi;
mod config;
mod conversions;
mod error;
#[doc(hidden)]
pub mod export;
mod model;
mod progress;
mod reader;
mod reading;
mod rows;
mod section;
mod types;
mod writer;

pub use arrow;
pub use serde_json;

pub use crate::config::{Config, ReaderConfig, WriterConfig};
pub use crate::error::{Error, Result};
pub use crate::model::{Check, Column, Cursor, DataFile, Discovery, Estimate, Stream, Unit, Window};
pub use crate::progress::{Cancel, Progress};
pub use crate::reader::Reader;
pub use crate::reading::Reading;
pub use crate::rows::RowStream;
pub use crate::section::Section;
pub use crate::writer::{WriteRequest, Writer};

/// The examples of the workspace's README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
