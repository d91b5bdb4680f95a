//! What is wrong with a file, as errors of the SDK: codes and words of `dativo_dagster/formats/csv.py`.

use dativo_plugin::Error;

/// A file, and a line in it.
pub(crate) struct Place<'a> {
    name: &'a str,
    line: u64,
}

impl<'a> Place<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, line: 1 }
    }

    pub(crate) fn at(name: &'a str, line: u64) -> Self {
        Self { name, line }
    }

    pub(crate) fn unclosed(&self, offset: u64) -> Error {
        self.error(
            "UNCLOSED_QUOTE",
            &format!(
                "the quote at byte {offset} is never closed; the file is cut short, or its quoting is not what the job \
                 says (`quote_char`, `escape_char`; `quote_char: null` for none)"
            ),
        )
        .detail("offset", offset)
    }

    pub(crate) fn undecodable(&self, offset: u64, byte: u8) -> Error {
        self.error(
            "BAD_ENCODING",
            &format!(
                "byte {offset} (0x{byte:02x}) is not utf-8; this reader takes no other encoding, the connector csv does"
            ),
        )
        .detail("offset", offset)
        .detail("encoding", "utf-8")
    }

    pub(crate) fn encoding_not_supported(&self, encoding: &str) -> Error {
        self.error(
            "ENCODING_NOT_SUPPORTED",
            &format!("this reader takes utf-8 and not {encoding}; use `connector: csv`, or convert the file"),
        )
    }

    pub(crate) fn no_header(&self) -> Error {
        let message = format!(
            "{}: the file is empty, it has not even a header; say `header: false` if it never has one",
            self.name
        );
        Error::new("NO_HEADER", message)
    }

    pub(crate) fn no_names(&self) -> Error {
        let message = format!("{}: without a header the columns need names; list them under `columns`", self.name);
        Error::new("NO_COLUMN_NAMES", message)
    }

    pub(crate) fn twice(&self, names: &[&str]) -> Error {
        self.error(
            "DUPLICATE_COLUMN",
            &format!(
                "the header has a name twice: {}. Rename them in the file, or say `skip_rows: 1` with `header: false` \
                 and list unique names under `columns`",
                names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            ),
        )
        .detail("columns", names.to_vec())
    }

    pub(crate) fn no_csv(&self, why: &str) -> Error {
        self.error("BAD_CSV", &format!("the records from here on are no CSV ({why})"))
    }

    fn error(&self, code: &str, what: &str) -> Error {
        Error::new(code, format!("{}:{}: {what}", self.name, self.line))
            .detail("file", self.name)
            .detail("line", self.line)
    }
}
