//! Writes an Arrow IPC file as Parquet without any host, to measure the writer alone:
//! `write_ipc INPUT.arrow FOLDER/ '{"target": {"compression": "snappy"}}'`.

use std::fs::File;
use std::io::BufReader;

use dativo_plugin::{Cancel, Result, RowStream, WriteRequest, Writer, WriterConfig, serde_json};
use parquet_writer::ParquetWriter;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, input, base, config] = arguments.as_slice() else { panic!("write_ipc INPUT FOLDER/ CONFIG") };
    let rows = arrow::ipc::reader::FileReader::try_new(BufReader::new(File::open(input)?), None)?;
    let mut writer = ParquetWriter::open(WriterConfig::from_json(serde_json::from_str(config)?)?)?;
    let request = WriteRequest { base: base.clone(), name: "part".into() };
    for file in writer.write(RowStream::new(rows), &request, &Cancel::default())? {
        println!("{}", serde_json::to_string(&file)?);
    }
    Ok(())
}
