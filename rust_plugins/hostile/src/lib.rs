//! A plugin that misbehaves in every way that a host must survive: `engine.options.fault` chooses how.
//!
//! Without a fault it is an ordinary reader and writer. It has `unsafe` because most faults cannot be had without: the
//! SDK is there to make them impossible. What it does wrong by plain Rust is in `reader` and `writer`; `tamper` takes
//! the tables that the SDK made and breaks them.

mod crash;
mod data;
mod fault;
mod init;
mod reader;
mod tamper;
mod tamper_reading;
mod writer;
