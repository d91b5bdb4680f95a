//! Where records end, without parsing them: only quotes and escapes are followed, each of them.

use memchr::{memchr, memrchr};

use crate::dialect::Dialect;
use crate::marks::{Needle, WIDTH, before, marks};

/// Stretches of text outside quotes, in order; kept from call to call for its memory.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    plain: Vec<(usize, usize)>,
}

impl Cutter {
    /// Give the offset after the last record that is surely whole in `data[..length]`, which starts at a record.
    ///
    /// `data` has 64 bytes more than `length`.
    pub(crate) fn last_end(&mut self, data: &[u8], length: usize, dialect: Dialect) -> usize {
        self.follow(data, length, dialect);
        let ends = self.plain.iter().rev().map(|&(start, stop)| last_line_end(&data[..length], start, stop));
        ends.into_iter().find(|&end| end > 0).unwrap_or(0)
    }

    fn follow(&mut self, data: &[u8], length: usize, dialect: Dialect) {
        self.plain.clear();
        let (quote, escape) = (dialect.quote, dialect.escape);
        let Some(any) = quote.or(escape) else { return self.plain.push((0, length)) };
        let needles = [Needle::new(any), Needle::new(escape.unwrap_or(any))];
        let (mut begin, mut open, mut skipped, mut text_from) = (0, false, usize::MAX, usize::MAX);
        for word in 0..length.div_ceil(WIDTH) {
            let mut found = marks(data, word * WIDTH, &needles) & before(length, word);
            while found != 0 {
                let at = word * WIDTH + found.trailing_zeros() as usize;
                found &= found - 1;
                if at == skipped {
                    continue;
                }
                if Some(data[at]) == escape {
                    skipped = at + 1;
                    if !open {
                        self.plain.push((begin, at));
                        begin = at + 2;
                        text_from = begin; // a quote right behind an escaped character opens nothing
                    }
                } else if !open {
                    if at == 0 || (dialect.ends(data[at - 1]) && at != text_from) {
                        self.plain.push((begin, at));
                        open = true;
                    }
                } else if dialect.doubled && at + 1 < length && Some(data[at + 1]) == quote {
                    skipped = at + 1;
                } else {
                    open = false;
                    begin = at + 1;
                    text_from = begin;
                }
            }
        }
        if !open && begin < length {
            self.plain.push((begin, length));
        }
    }
}

/// Give the offset after the last line end in `data[start..stop]`; 0 when there is none.
fn last_line_end(data: &[u8], start: usize, mut stop: usize) -> usize {
    if start < stop && stop == data.len() && data[stop - 1] == b'\r' {
        stop -= 1; // the next read may bring the \n that belongs to it
    }
    let stretch = data.get(start..stop).unwrap_or_default();
    memrchr(b'\n', stretch).or_else(|| memrchr(b'\r', stretch)).map_or(0, |at| start + at + 1)
}

/// Count line ends: `\n`, `\r\n` and a lone `\r`.
pub(crate) fn lines_in(data: &[u8]) -> u64 {
    let mut ends = memchr::memchr_iter(b'\n', data).count();
    if memchr(b'\r', data).is_some() {
        ends += memchr::memchr_iter(b'\r', data).filter(|&at| data.get(at + 1) != Some(&b'\n')).count();
    }
    ends as u64
}

/// Give the offset after the first line end; none when there is none.
pub(crate) fn line_end(data: &[u8]) -> Option<usize> {
    let at = memchr::memchr2(b'\n', b'\r', data)?;
    Some(if data[at] == b'\r' && data.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, dialect: Dialect) -> usize {
        let mut data = text.as_bytes().to_vec();
        data.resize(text.len() + 2 * WIDTH, b'\n');
        Cutter::default().last_end(&data, text.len(), dialect)
    }

    #[test]
    fn a_line_end_inside_quotes_ends_no_record() {
        let plain = Dialect::default();
        assert_eq!(cut("a,b\n1,\"x\ny", plain), 4);
        assert_eq!(cut("a,b\n1,\"x\ny\"\n2", plain), 12);
        assert_eq!(cut("\"x\"\"\n\"\n1", plain), 7);
        assert_eq!(cut("5\" x\n1,2\n", plain), 9);
        assert_eq!(cut("\"a\nb", plain), 0);
        assert_eq!(cut("\"a\nb", Dialect { quote: None, ..plain }), 3);
    }

    #[test]
    fn a_carriage_return_at_the_end_may_be_half_a_line_end() {
        assert_eq!(cut("1\r2\r", Dialect::default()), 2);
        assert_eq!(cut("1\r\n2\r", Dialect::default()), 3);
    }

    #[test]
    fn an_escaped_line_end_ends_no_record() {
        let escaped = Dialect { escape: Some(b'\\'), doubled: false, ..Dialect::default() };
        assert_eq!(cut("a\nb\\\nc", escaped), 2);
        assert_eq!(cut("a\n\"b\\\"\n\"\nc", escaped), 9);
    }

    #[test]
    fn lines_are_counted_once_whatever_ends_them() {
        assert_eq!(lines_in(b"a\r\nb\nc\rd\r"), 4);
        assert_eq!(line_end(b"a\r\nb"), Some(3));
        assert_eq!(line_end(b"a\rb"), Some(2));
        assert_eq!(line_end(b"ab"), None);
    }
}
