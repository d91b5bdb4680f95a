//! Compressed files as plain bytes: gzip of any number of members, zstd of any number of frames.
//!
//! A truncated or damaged archive is an error, never an early end of the data.

use std::io::{self, BufRead, BufReader, Read};

use dativo_plugin::{Error, Result};
use flate2::bufread::GzDecoder;

const BUFFER_BYTES: usize = 256 * 1024;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Compression {
    /// Tell it by the file's name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let ends = |suffixes: [&str; 2]| suffixes.iter().any(|suffix| lower.ends_with(suffix));
        if ends([".gz", ".gzip"]) {
            Self::Gzip
        } else if ends([".zst", ".zstd"]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// Give the plain bytes of a file.
pub(crate) fn unpack(
    packed: impl Read + Send + 'static,
    name: &str,
    kind: Compression,
) -> Result<Box<dyn Read + Send>> {
    let inner: Box<dyn Read + Send> = match kind {
        Compression::None => return Ok(Box::new(packed)),
        Compression::Gzip => Box::new(Members::new(BufReader::with_capacity(BUFFER_BYTES, packed))),
        Compression::Zstd => {
            let mut packed = BufReader::with_capacity(BUFFER_BYTES, packed);
            let empty = packed.fill_buf().map_err(dativo_storage::Source::unwrapped)?.is_empty();
            if empty { Box::new(Nothing) } else { Box::new(zstd::Decoder::with_buffer(packed).map_err(Error::from)?) }
        }
    };
    Ok(Box::new(Unpacked { inner, name: name.to_owned(), kind, at: 0 }))
}

/// An archive of 0 bytes, which is none.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "0 bytes are no archive"))
    }
}

/// The members of a gzip file, one after the other. Zeros may stand behind each, as tapes have them.
struct Members<R> {
    current: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(packed: R) -> Self {
        Self { current: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.current {
            let size = member.read(buffer)?;
            if size > 0 || buffer.is_empty() {
                return Ok(size);
            }
            let Some(mut packed) = self.current.take().map(GzDecoder::into_inner) else { break };
            if skip_zeros(&mut packed)? {
                self.current = Some(GzDecoder::new(packed));
            }
        }
        Ok(0)
    }
}

/// Pass over zeros; say whether anything is left.
fn skip_zeros(packed: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let there = packed.fill_buf()?;
        if there.is_empty() {
            return Ok(false);
        }
        let zeros = there.iter().take_while(|&&byte| byte == 0).count();
        let all = zeros == there.len();
        packed.consume(zeros);
        if !all {
            return Ok(true);
        }
    }
}

/// Names the file when its archive is broken.
struct Unpacked {
    inner: Box<dyn Read + Send>,
    name: String,
    kind: Compression,
    at: u64,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(size) => {
                self.at += size as u64;
                Ok(size)
            }
            // What the store says, or who cancels, is not about the archive.
            Err(error) => match error.downcast::<Error>() {
                Ok(ours) => Err(io::Error::other(ours)),
                Err(other) => Err(io::Error::other(self.broken(&other))),
            },
        }
    }
}

impl Unpacked {
    fn broken(&self, error: &io::Error) -> Error {
        let kind = if self.kind == Compression::Gzip { "gzip" } else { "zstd" };
        let message = format!(
            "{}: broken {kind} archive after {} unpacked bytes ({error}); it is damaged, cut short, or not compressed at \
             all (then say `compression: none`)",
            self.name, self.at
        );
        Error::new("BROKEN_ARCHIVE", message)
    }
}
