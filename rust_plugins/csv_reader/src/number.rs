//! Numbers from bytes: only what `validation/text.py` reads as the same number. Anything else is none, and stays text.
//!
//! `data` has at least eight bytes behind `end`; what is in them does not matter.

const ZEROS: u64 = 0x3030_3030_3030_3030;
const DIGITS_OF_U64: usize = 19;

/// Ten to the power of what a decimal may have behind its point.
pub(crate) const fn power(exponent: u8) -> i128 {
    10_i128.pow(exponent as u32)
}

/// Read one to nineteen digits.
#[inline(always)]
pub(crate) fn digits(data: &[u8], start: usize, end: usize) -> Option<u64> {
    match end - start {
        0 => None,
        size @ 1..=8 => up_to_eight(data, start, size),
        size @ 9..=16 => {
            let high = up_to_eight(data, start, size - 8)?;
            Some(high * 100_000_000 + up_to_eight(data, end - 8, 8)?)
        }
        17..=DIGITS_OF_U64 => {
            let high = up_to_eight(data, start, end - start - 16)?;
            let middle = up_to_eight(data, end - 16, 8)?;
            Some((high * 100_000_000 + middle) * 100_000_000 + up_to_eight(data, end - 8, 8)?)
        }
        _ => None,
    }
}

/// Read one to eight digits at once.
#[inline(always)]
fn up_to_eight(data: &[u8], start: usize, size: usize) -> Option<u64> {
    let bytes: [u8; 8] = data[start..start + 8].try_into().expect("a slice of eight bytes");
    // The digits move to the end, and zeros stand before them.
    let shift = 64 - 8 * size as u32;
    let word = (u64::from_le_bytes(bytes) << shift) | (ZEROS & !(!0 << shift));
    let value = word.wrapping_sub(ZEROS);
    if ((word.wrapping_add(0x4646_4646_4646_4646) | value) & 0x8080_8080_8080_8080) != 0 {
        return None;
    }
    let pairs = (value * 10 + (value >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF)
}

/// Read a whole number with an optional minus.
#[inline(always)]
pub(crate) fn signed(data: &[u8], start: usize, end: usize) -> Option<i64> {
    let negative = data[start] == b'-';
    let number = digits(data, start + usize::from(negative), end.max(start + usize::from(negative)))?;
    if negative { 0_i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}

/// Read an exact number with `scale` digits behind the point, fewer being filled up with zeros.
#[inline(always)]
pub(crate) fn decimal(data: &[u8], start: usize, end: usize, precision: u8, scale: u8) -> Option<i128> {
    let negative = data[start] == b'-';
    let start = start + usize::from(negative);
    let places = usize::from(scale);
    let number = if precision <= 18 && end > start + places + 1 && data[end - places - 1] == b'.' && places > 0 {
        // The usual writing, and small: all digits together fit a word.
        let whole = digits(data, start, end - places - 1)?;
        let fraction = digits(data, end - places, end)?;
        i128::from(whole) * power(scale) + i128::from(fraction)
    } else {
        any_decimal(data.get(start..end)?, scale)?
    };
    if number >= power(precision) {
        return None;
    }
    Some(if negative { -number } else { number })
}

#[cold]
#[inline(never)]
fn any_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(point) if point + 1 < text.len() => (&text[..point], &text[point + 1..]),
        Some(_) => return None,
        None => (text, &text[..0]),
    };
    if whole.is_empty() || whole.len() + usize::from(scale) > 38 || fraction.len() > usize::from(scale) {
        return None;
    }
    let mut number = 0_i128;
    for &byte in whole.iter().chain(fraction) {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i128::from(byte - b'0');
    }
    Some(number * power(scale - fraction.len() as u8))
}

/// Read the nearest float: digits, perhaps a point between digits, perhaps a small exponent.
#[inline(always)]
pub(crate) fn double(data: &[u8], start: usize, end: usize) -> Option<f64> {
    const EXACT: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let negative = data[start] == b'-';
    let first = start + usize::from(negative);
    if end > first && end - first <= 16 {
        // Up to 15 digits and their power of ten are both exact, so that one division rounds once.
        let point = data[first..end].iter().position(|&byte| byte == b'.').map_or(end, |at| first + at);
        let places = (end - point).saturating_sub(1);
        let whole = if point - first <= 15 { digits(data, first, point) } else { None };
        let fraction = if point == end { Some(0) } else { digits(data, point + 1, end) };
        if let (Some(whole), Some(fraction)) = (whole, fraction) {
            let number = (whole * 10_u64.pow(places as u32) + fraction) as f64 / EXACT[places];
            return Some(if negative { -number } else { number });
        }
    }
    parsed(data.get(start..end)?).filter(|number: &f64| number.is_normal() || *number == 0.0)
}

/// As [`double`], rounded once to the narrower width.
#[inline(always)]
pub(crate) fn float(data: &[u8], start: usize, end: usize) -> Option<f32> {
    parsed(data.get(start..end)?).filter(|number: &f32| number.is_normal() || *number == 0.0)
}

/// Leave to the standard library what is written plainly. Zero is only what has no other digit.
fn parsed<T: std::str::FromStr + PartialEq + Default>(text: &[u8]) -> Option<T> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let split = unsigned.iter().position(|&byte| byte == b'e' || byte == b'E').unwrap_or(unsigned.len());
    let (mantissa, exponent) = unsigned.split_at(split);
    let exponent =
        exponent.get(1..).map(|rest| rest.strip_prefix(b"-").unwrap_or(rest.strip_prefix(b"+").unwrap_or(rest)));
    let plain = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = mantissa.splitn(2, |&byte| byte == b'.');
    let fits = parts.all(plain) && exponent.is_none_or(|digits| plain(digits) && digits.len() <= 3);
    if !fits {
        return None;
    }
    let number: T = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_zero = number == T::default();
    (!is_zero || mantissa.iter().all(|&byte| byte == b'0' || byte == b'.')).then_some(number)
}

/// Read a boolean, as machines write it.
#[inline(always)]
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" | b"True" | b"TRUE" | b"1" => Some(true),
        b"false" | b"False" | b"FALSE" | b"0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded<T>(text: &str, read: impl Fn(&[u8], usize, usize) -> T) -> T {
        let data = format!(">{text}<9999999999999999999999");
        read(data.as_bytes(), 1, 1 + text.len())
    }

    #[test]
    fn whole_numbers_of_every_length_come_back() {
        let mut number = 0_i64;
        for digit in [1, 9, 0, 8, 2, 7, 3, 6, 4, 5, 1, 9, 0, 8, 2, 7, 3, 6, 4] {
            number = number.saturating_mul(10).saturating_add(digit);
            assert_eq!(padded(&number.to_string(), signed), Some(number));
            assert_eq!(padded(&(-number).to_string(), signed), Some(-number));
        }
        for number in [i64::MIN, i64::MAX, 0] {
            assert_eq!(padded(&number.to_string(), signed), Some(number));
        }
        assert_eq!(padded("0007", signed), Some(7));
        for text in ["", "-", "+1", "1.0", "1e3", "0x1F", " 1", "1 ", "9223372036854775808", "--1", "1:", "1/", "１"] {
            assert_eq!(padded(text, signed), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_or_none() {
        let read = |text: &str| padded(text, |data, start, end| decimal(data, start, end, 12, 2));
        assert_eq!(read("982050.18"), Some(98_205_018));
        assert_eq!(read("-0.50"), Some(-50));
        assert_eq!(read("7"), Some(700));
        assert_eq!(read("7.5"), Some(750));
        assert_eq!(read("9999999999.99"), Some(999_999_999_999));
        for text in ["10000000000.00", "1.005", "1.", ".5", "", "-", "1e3", "nan", "1.-5", "1,00", "+1.00"] {
            assert_eq!(read(text), None, "{text}");
        }
        let wide = "12345678901234567890123456789012345678";
        assert_eq!(padded(wide, |d, s, e| decimal(d, s, e, 38, 0)), wide.parse().ok());
        assert_eq!(padded("1", |d, s, e| decimal(d, s, e, 38, 38)), None);
    }

    #[test]
    fn floats_are_what_the_standard_library_reads() {
        for text in ["0.1", "-0", "123456.789", "0.3", "1e22", "9007199254740993", "5e-300", "1.7976931348623157e308"] {
            assert_eq!(padded(text, double).map(f64::to_bits), text.parse().ok().map(f64::to_bits), "{text}");
            assert_eq!(padded("0.1", float), Some(0.1));
        }
        for text in
            ["", "-", ".", "1.", ".5", "inf", "nan", "1e400", "1e-400", "5e-324", "1e", "1_0", "0x1p3", "1e0001"]
        {
            assert_eq!(padded(text, double), None, "{text}");
        }
    }
}
