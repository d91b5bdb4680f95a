//! The writer, and all that it can do wrong in plain Rust.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dativo_plugin::{Cancel, Check, DataFile, Error, Result, RowStream, WriteRequest, Writer, WriterConfig};
use parquet::arrow::ArrowWriter;
use serde_json::{Map, Value, json};

use crate::fault::{Fault, Options};
use crate::{crash, fault};

pub(crate) struct Hostile {
    options: Options,
}

impl Writer for Hostile {
    fn open(config: WriterConfig) -> Result<Self> {
        let options = Options::of(&config)?;
        match options.fault {
            Fault::PanicOpen => panic!("open cannot cope"),
            Fault::HangOpen => crash::hang(),
            _ => Ok(Self { options }),
        }
    }

    fn check(&mut self) -> Result<Check> {
        match self.options.fault {
            Fault::PanicCheck => panic!("check cannot cope"),
            Fault::HangCheck => crash::hang(),
            _ => Ok(Check::passed("for now")),
        }
    }

    fn write(&mut self, rows: RowStream, request: &WriteRequest, _cancel: &Cancel) -> Result<Vec<DataFile>> {
        let path = local(request)?;
        let mut file = write_file(rows, &path, self.options)?;
        match self.options.fault {
            Fault::WrongRows => file.rows += 1,
            Fault::MissingFile => fs::remove_file(&path)?,
            Fault::StrayFile => file.path = "/etc/hostname".into(),
            _ => {}
        }
        Ok(vec![file])
    }

    fn commit(&mut self, token: &str, files: &[DataFile]) -> Result<Map<String, Value>> {
        match self.options.fault {
            Fault::PanicCommit => panic!("commit cannot cope"),
            Fault::HangCommit => crash::hang(),
            _ => Ok(Map::from_iter([("token".into(), json!(token)), ("files".into(), json!(files.len()))])),
        }
    }

    fn abort(&mut self, _token: &str, files: &[DataFile]) -> Result<()> {
        for file in files {
            let _ = fs::remove_file(plain(&file.path)); // it may be gone
        }
        Ok(())
    }

    fn schema() -> Value {
        fault::schema()
    }
}

fn write_file(rows: RowStream, path: &Path, options: Options) -> Result<DataFile> {
    let mut writer = ArrowWriter::try_new(File::create(path)?, rows.schema(), None).map_err(wrong)?;
    let mut file = DataFile { path: path.to_string_lossy().into(), ..DataFile::default() };
    for (number, batch) in rows.enumerate() {
        let batch = batch?;
        if number as u64 >= options.after {
            fail(options.fault)?;
        }
        file.rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(wrong)?;
    }
    writer.close().map_err(wrong)?;
    file.bytes = fs::metadata(path)?.len();
    Ok(file)
}

/// Go wrong in the middle of the rows, with half a file on the disk.
fn fail(fault: Fault) -> Result<()> {
    match fault {
        Fault::PanicWrite => panic!("write cannot cope"),
        Fault::SegfaultWrite => crash::segfault(),
        Fault::HangWrite => crash::hang(),
        Fault::ErrorWrite => Err(Error::write("the target went away")),
        _ => Ok(()),
    }
}

fn wrong(error: parquet::errors::ParquetError) -> Error {
    Error::write(error.to_string())
}

fn local(request: &WriteRequest) -> Result<PathBuf> {
    let folder = plain(&request.base);
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{}.parquet", request.name)))
}

fn plain(uri: &str) -> PathBuf {
    uri.strip_prefix("file://").unwrap_or(uri).into()
}
