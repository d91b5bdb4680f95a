//! The names of the columns: from the file's header, or as the job says.

use dativo_plugin::Result;

use crate::cut::lines_in;
use crate::dialect::Dialect;
use crate::faults::Place;
use crate::field::{self, Read};
use crate::input::{Input, MAX_RECORD_BYTES};

/// The first record of a file, and what lies before its end.
struct First {
    fields: Vec<Vec<u8>>,
    start: usize,
    end: usize,
}

/// Names of a file's columns, and the line on which its records begin.
#[derive(Debug, PartialEq)]
pub(crate) struct Names {
    pub(crate) names: Vec<String>,
    pub(crate) line: u64,
}

/// Read the header, which begins on `line`.
pub(crate) fn read(input: &mut Input, file: &str, dialect: Dialect, line: u64) -> Result<Names> {
    let mut size = 64 * 1024;
    loop {
        let (text, ended) = input.look(size)?;
        let (length, first) = (text.len(), first(text, dialect, ended));
        match first {
            Some(Ok(first)) => {
                let (before, record) = text[..first.end].split_at(first.start);
                let place = Place::at(file, line + lines_in(before));
                let next = line + lines_in(&text[..first.end]);
                if let Err(wrong) = std::str::from_utf8(record) {
                    let at = wrong.valid_up_to();
                    return Err(
                        place.undecodable(input_offset(input, first.start + at), record_byte(input, first.start + at)?)
                    );
                }
                let names = named(&first.fields, &place)?;
                input.drop_front(first.end);
                return Ok(Names { names, line: next });
            }
            Some(Err(open)) => {
                let line = line + lines_in(&text[..open]);
                return Err(Place::at(file, line).unclosed(input_offset(input, open)));
            }
            None if ended => return Err(Place::new(file).no_header()),
            None if length > MAX_RECORD_BYTES => {
                return Err(Place::at(file, line).no_csv("its header has no end"));
            }
            None => size = length * 2,
        }
    }
}

fn input_offset(input: &Input, at: usize) -> u64 {
    input.offset() + at as u64
}

fn record_byte(input: &mut Input, at: usize) -> Result<u8> {
    Ok(input.look(at + 1)?.0[at])
}

/// Find the first record that is not blank: none when it is not there, where its quote opens when nothing closes it.
fn first(text: &[u8], dialect: Dialect, ended: bool) -> Option<Result<First, usize>> {
    let start = text.iter().position(|byte| !matches!(byte, b'\n' | b'\r'))?;
    let (mut fields, mut at) = (Vec::new(), start);
    loop {
        let mut field = Vec::new();
        let read = field::read(text, at, dialect, &mut field);
        fields.push(field);
        match read {
            Read::Ended(end) if text[end] == dialect.delimiter => at = end + 1,
            Read::Ended(end) => {
                let both = text[end] == b'\r' && text.get(end + 1) == Some(&b'\n');
                let whole = end + 1 < text.len() || ended;
                return whole.then_some(Ok(First { fields, start, end: end + 1 + usize::from(both) }));
            }
            Read::Cut { .. } if !ended => return None,
            Read::Cut { open: true } => return Some(Err(at)),
            Read::Cut { open: false } => return Some(Ok(First { fields, start, end: text.len() })),
        }
    }
}

fn named(fields: &[Vec<u8>], place: &Place<'_>) -> Result<Vec<String>> {
    let text = |(index, field): (usize, &Vec<u8>)| match String::from_utf8_lossy(field).into_owned() {
        empty if empty.is_empty() => format!("column_{}", index + 1),
        name => name,
    };
    let names: Vec<String> = fields.iter().enumerate().map(text).collect();
    let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut twice: Vec<&str> = sorted.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    twice.dedup();
    if twice.is_empty() { Ok(names) } else { Err(place.twice(&twice)) }
}
