//! Whatever the size of the blocks and the number of threads: the same rows. Whatever the bytes: no panic, no hang.

use std::io::Cursor;
use std::sync::Arc;

use csv_reader::{Batches, Dialect, Layout};
use dativo_plugin::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use dativo_plugin::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use dativo_plugin::arrow::util::display::array_value_to_string;
use dativo_plugin::{Cancel, Error};

/// A generator of numbers that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

fn wanted() -> Schema {
    Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(9, 2), true),
        Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("s", DataType::Utf8, true),
    ])
}

fn read(text: &[u8], layout: &Layout) -> Result<Vec<RecordBatch>, Error> {
    let text = Box::new(Cursor::new(text.to_vec()));
    Batches::new(text, "x.csv", layout, &wanted(), Cancel::default(), Cancel::default())?.collect()
}

/// Give the good rows and the corrupt ones as texts: a block may have a column as text, and any number of rows.
fn shown(batches: &[RecordBatch]) -> (Vec<String>, Vec<String>) {
    let (mut good, mut corrupt) = (Vec::new(), Vec::new());
    for batch in batches {
        let broken: Option<ArrayRef> = batch.column_by_name("_dativo_corrupt").map(Arc::clone);
        for row in 0..batch.num_rows() {
            match &broken {
                Some(column) => {
                    corrupt.push(cells(column.as_struct().columns(), row));
                }
                None => good.push(cells(batch.columns(), row)),
            }
        }
    }
    (good, corrupt)
}

fn cells(columns: &[ArrayRef], row: usize) -> String {
    let cell = |column: &ArrayRef| {
        let text = array_value_to_string(column, row).unwrap();
        // The same number and moment, typed or as text.
        if column.is_null(row) { "NULL".into() } else { format!("{:?}", text.replace('T', " ")) }
    };
    columns.iter().map(cell).collect::<Vec<_>>().join("|")
}

fn csv(dice: &mut Dice, records: usize, wild: bool) -> String {
    let ends = ["\n", "\r\n", "\r"];
    let end = dice.pick(&ends);
    let mut text = format!("i,d,t,s{end}");
    for _ in 0..records {
        let fields = [
            dice.pick(&["1", "-77", "123456789012", "", "\"5\""]),
            dice.pick(&["1.50", "-0.07", "", "1234567.89", "\"2.00\""]),
            dice.pick(&["2024-02-29 10:11:12", "1969-12-31 23:59:59", ""]),
            dice.pick(&[
                "x",
                "",
                "\"a,b\"",
                "\"say \"\"hi\"\"\"",
                "\"two\nlines\"",
                "é",
                "5\" disk",
                "\"x\"y\"z",
                "\"\r\n\"",
            ]),
        ];
        let count = if wild && dice.roll(9) == 0 { 3 } else { 4 };
        text += &fields[..count].join(",");
        if wild && dice.roll(9) == 0 {
            text += dice.pick(&[",more", "\n", "\r", "x\"", ",\""]);
        }
        text += if wild { dice.pick(&ends) } else { end };
    }
    text
}

#[test]
fn blocks_of_any_size_and_any_number_of_threads_give_the_same_rows() {
    let mut dice = Dice(7);
    for round in 0..150 {
        let text = csv(&mut dice, 40, round % 2 == 1);
        let layout = |block_bytes, threads| Layout { block_bytes, threads, ..Layout::default() };
        let whole = read(text.as_bytes(), &layout(1 << 20, 1)).map(|batches| shown(&batches));
        for block_bytes in [1, 2, 3, 7, 61, 64, 65, 127, 500] {
            let cut = read(text.as_bytes(), &layout(block_bytes, 1 + round % 4)).map(|batches| shown(&batches));
            assert_eq!(cut, whole, "blocks of {block_bytes} bytes of {text:?}");
        }
    }
}

#[test]
fn a_clean_file_comes_in_its_types_and_whole() {
    let text = csv(&mut Dice(1), 5_000, false);
    let batches = read(text.as_bytes(), &Layout { block_bytes: 10_000, ..Layout::default() }).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 5_000);
    assert!(batches.iter().all(|batch| batch.schema().field(0).data_type() == &DataType::Int64));
}

#[test]
fn any_bytes_in_any_dialect_are_rows_or_an_error() {
    let mut dice = Dice(3);
    let bytes = b"\",\n\r\\a1-.: \xC3\xA9\x00;";
    for _ in 0..4_000 {
        let length = dice.roll(90);
        let text: Vec<u8> = (0..length).map(|_| bytes[dice.roll(bytes.len())]).collect();
        let dialect = Dialect {
            delimiter: [b',', b';'][dice.roll(2)],
            quote: [Some(b'"'), None][dice.roll(2)],
            escape: [None, Some(b'\\')][dice.roll(2)],
            doubled: dice.roll(2) == 0,
        };
        let layout = Layout {
            dialect,
            header: dice.roll(2) == 0,
            skip_rows: dice.roll(3) as u64,
            block_bytes: 1 + dice.roll(40),
            threads: 1 + dice.roll(3),
            ..Layout::default()
        };
        if let Err(error) = read(&text, &layout) {
            let known = ["BAD_ENCODING", "DUPLICATE_COLUMN", "NO_HEADER", "UNCLOSED_QUOTE"];
            assert!(known.contains(&error.code()), "{error} for {text:?}");
        }
    }
}

#[test]
fn a_record_without_end_is_bounded() {
    let text = format!("i,d,t,s\n1,\"{}", "x\n".repeat(5_000));
    let error =
        read(text.as_bytes(), &Layout { block_bytes: 64, max_record_bytes: 1_000, ..Layout::default() }).unwrap_err();
    assert_eq!(error.code(), "RECORD_TOO_LONG");
}

#[test]
fn who_cancels_gets_an_error_soon() {
    let host = Cancel::default();
    let text = Box::new(Cursor::new(csv(&mut Dice(2), 10_000, false).into_bytes()));
    let layout = Layout { block_bytes: 1_000, ..Layout::default() };
    let mut batches = Batches::new(text, "x.csv", &layout, &wanted(), Cancel::default(), host.clone()).unwrap();
    assert!(batches.next().unwrap().is_ok());
    host.cancel();
    let ended = batches.find_map(Result::err).unwrap();
    assert_eq!(ended.code(), "CANCELLED");
}

#[test]
fn many_columns_and_none_but_one() {
    let names: Vec<String> = (0..2_000).map(|n| format!("c{n}")).collect();
    let row = vec!["7"; names.len()].join(",");
    let text = format!("{}\n{}", names.join(","), format!("{row}\n").repeat(200));
    let batches = read(text.as_bytes(), &Layout { block_bytes: 100_000, ..Layout::default() }).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 200);
    let (rows, _) = shown(&read(b"s\n1\n\n2", &Layout::default()).unwrap());
    assert_eq!(rows, ["\"1\"", "NULL", "\"2\""]);
}
