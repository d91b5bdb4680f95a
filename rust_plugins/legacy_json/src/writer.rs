//! The writer: one file of JSON lines for each batch, in the folder that the host names.

use std::ffi::c_char;
use std::fs;
use std::path::PathBuf;
use std::ptr::{null, null_mut};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::border::{give, text};
use crate::options::{Config, Fault};

/// A writer and how many batches it was given.
pub(crate) struct Writer {
    folder: PathBuf,
    fault: Fault,
    after: u64,
    batches: u64,
}

#[derive(Deserialize)]
struct Batch {
    records: Vec<Value>,
    file_counter: u64,
}

impl Writer {
    fn write(&mut self, batch: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let faulty = self.batches >= self.after;
        self.batches += 1;
        match self.fault {
            Fault::Error if faulty => Err("the target went away".into()),
            Fault::InvalidJson if faulty => Ok(b"[{\"path\": ".to_vec()),
            Fault::TruncatedUtf8 if faulty => Ok(b"[{\"path\": \"caf\xc3\"}]".to_vec()),
            fault => self.file(&serde_json::from_str(batch)?, if faulty { fault } else { Fault::None }),
        }
    }

    fn file(&self, batch: &Batch, fault: Fault) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let path = self.folder.join(format!("part-{:05}.jsonl", batch.file_counter));
        let text: String = batch.records.iter().map(|record| format!("{record}\n")).collect();
        fs::create_dir_all(&self.folder)?;
        if fault != Fault::MissingFile {
            fs::write(&path, &text)?;
        }
        let rows = batch.records.len() + usize::from(fault == Fault::Lies);
        Ok(serde_json::to_vec(&json!([{ "path": path, "size_bytes": text.len(), "record_count": rows }]))?)
    }
}

/// Make a writer; NULL when the configuration is none.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn create_writer(config: *const c_char) -> *mut Writer {
    // SAFETY: the host keeps to the ABI.
    match unsafe { text(config) }.and_then(|json| serde_json::from_str::<Config>(json).ok()) {
        Some(Config { engine, output_base }) if engine.options.fault != Fault::Create => {
            Box::into_raw(Box::new(Writer {
                folder: output_base.into(),
                fault: engine.options.fault,
                after: engine.options.after,
                batches: 0,
            }))
        }
        _ => {
            eprintln!("legacy_json: cannot make a writer of this configuration");
            null_mut()
        }
    }
}

/// Write a batch and give its files; NULL on failure.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write_batch(writer: *mut Writer, batch: *const c_char) -> *const c_char {
    // SAFETY: the host gives what `create_writer` gave, on one thread at a time, and a text.
    let (writer, batch) = unsafe { (writer.as_mut(), text(batch)) };
    let (Some(writer), Some(batch)) = (writer, batch) else { return null() };
    writer.write(batch).map_or_else(
        |error| {
            eprintln!("legacy_json: {error}");
            null()
        },
        give,
    )
}

/// Free a writer.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free_writer(writer: *mut Writer) {
    if !writer.is_null() {
        // SAFETY: the host gives back what `create_writer` gave.
        drop(unsafe { Box::from_raw(writer) });
    }
}
