//! Dates and timestamps from ISO 8601 texts: only what `validation/moments.py` reads as the same moment.

use arrow::datatypes::TimeUnit;

const DAYS_TO_EPOCH: i64 = 719_162; // from 0001-01-01
const DAYS_BEFORE: [i64; 13] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAYS_IN: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const SECONDS_OF_DAY: i64 = 86_400;

/// Ticks of one second, and the most digits of a fraction.
fn resolution(unit: TimeUnit) -> (i64, usize) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

/// Read a day, as days since 1970.
#[inline(always)]
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    i32::try_from(day(text)?).ok()
}

/// Read a moment, as ticks since 1970. With `zoned` it says its zone, else it says none.
#[inline(always)]
pub(crate) fn timestamp(text: &[u8], unit: TimeUnit, zoned: bool) -> Option<i64> {
    if text.len() < 10 {
        return None;
    }
    let days = day(text)?;
    if unit == TimeUnit::Nanosecond && !(1678..=2261).contains(&number(text, 0, 4)?) {
        return None;
    }
    let (ticks, most_places) = resolution(unit);
    if text.len() == 10 {
        return (!zoned).then_some(days * SECONDS_OF_DAY * ticks);
    }
    let (clock, offset) = if zoned { apart(text)? } else { (text, 0) };
    let seconds = days * SECONDS_OF_DAY + time(clock)? - offset;
    let moment = seconds * ticks + fraction(clock.get(19..).unwrap_or_default(), ticks, most_places)?;
    (moment >= -DAYS_TO_EPOCH * SECONDS_OF_DAY * ticks || unit == TimeUnit::Nanosecond).then_some(moment)
}

/// Read `YYYY-MM-DD` at the start of a text of at least ten bytes.
#[inline(always)]
fn day(text: &[u8]) -> Option<i64> {
    let word = u64::from_le_bytes(text[..8].try_into().expect("a slice of eight bytes"));
    let digits = word ^ u64::from_le_bytes(*b"0000-00-");
    const SIGNS: u64 = 0xFF00_00FF_0000_0000;
    if digits & SIGNS != 0 || (digits.wrapping_add(0x0006_0600_0606_0606) | digits) & 0x00F0_F000_F0F0_F0F0 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let year = i64::from(pairs as u8) * 100 + i64::from((pairs >> 16) as u8);
    let month = (pairs >> 40) as u8;
    let day = pair(text, 8)?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = DAYS_IN.get(usize::from(month)).copied()? + u8::from(leap && month == 2);
    if year == 0 || day == 0 || day > last {
        return None;
    }
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let months = DAYS_BEFORE[usize::from(month)] + i64::from(leap && month > 2);
    Some(years + months + i64::from(day) - 1 - DAYS_TO_EPOCH)
}

/// Read the clock behind the day, `HH:MM` or `HH:MM:SS`, as seconds.
#[inline(always)]
fn time(text: &[u8]) -> Option<i64> {
    let long = text.len() >= 19;
    if (!long && text.len() != 16) || !matches!(text[10], b' ' | b'T') || text[13] != b':' || (long && text[16] != b':')
    {
        return None;
    }
    let (hour, minute) = (pair(text, 11)?, pair(text, 14)?);
    let second = if long { pair(text, 17)? } else { 0 };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second))
}

/// Read the fraction behind the seconds, point included, as ticks.
#[inline(always)]
fn fraction(text: &[u8], ticks: i64, most_places: usize) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let places = text.len() - 1;
    if text[0] != b'.' || places == 0 || places > most_places {
        return None;
    }
    Some(number(text, 1, places)? * (ticks / 10_i64.pow(places as u32)))
}

/// Take the zone off: the rest, and how many seconds the zone is ahead of UTC.
#[inline(always)]
fn apart(text: &[u8]) -> Option<(&[u8], i64)> {
    if let Some(rest) = text.strip_suffix(b"Z") {
        return Some((rest, 0));
    }
    let (rest, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match zone[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (pair(zone, 1)?, pair(zone, 4)?);
    if zone[3] != b':' || hours > 23 || minutes > 59 {
        return None;
    }
    Some((rest, sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60)))
}

#[inline(always)]
fn pair(text: &[u8], at: usize) -> Option<u8> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then_some(tens * 10 + ones)
}

#[inline(always)]
fn number(text: &[u8], start: usize, size: usize) -> Option<i64> {
    text[start..start + size].iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then_some(number * 10 + i64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: TimeUnit = TimeUnit::Microsecond;

    #[test]
    fn days_count_from_1970_by_the_calendar() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2000-02-29", 11_016), ("2024-03-01", 19_783)] {
            assert_eq!(date(text.as_bytes()), Some(days), "{text}");
        }
        assert_eq!(date(b"0001-01-01"), Some(-719_162));
        assert_eq!(date(b"9999-12-31"), Some(2_932_896));
        for text in [
            "0000-01-01",
            "2023-02-29",
            "1900-02-29",
            "2023-13-01",
            "2023-00-10",
            "2023-04-31",
            "2023-01-00",
            "2023/01/01",
            "2023-1-01",
            "2023-01-1",
            "2O23-01-01",
            "2023-01-01 ",
            "２023-1-01",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn moments_without_a_zone() {
        let read = |text: &str| timestamp(text.as_bytes(), US, false);
        assert_eq!(read("2023-08-22 19:29:00"), Some(1_692_732_540_000_000));
        assert_eq!(read("2023-08-22T19:29"), Some(1_692_732_540_000_000));
        assert_eq!(read("1970-01-02"), Some(86_400_000_000));
        assert_eq!(read("1970-01-01 00:00:00.5"), Some(500_000));
        assert_eq!(read("1969-12-31 23:59:59.999999"), Some(-1));
        for text in [
            "2023-08-22 19:29:00Z",
            "2023-08-22 19",
            "2023-08-22 24:00:00",
            "2023-08-22 19:60:00",
            "2023-08-22",
            "2023-08-22 19:29:60",
            "2023-08-22 19:29:00.",
            "2023-08-22 19:29:00.1234567",
            "2023-08-22_19:29:00",
        ] {
            assert_eq!(read(text).is_some(), text.len() == 10, "{text}");
        }
    }

    #[test]
    fn moments_with_a_zone_are_in_utc() {
        let read = |text: &str| timestamp(text.as_bytes(), TimeUnit::Second, true);
        assert_eq!(read("1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(read("1970-01-01 00:00:00Z"), Some(0));
        assert_eq!(read("1969-12-31T18:30-05:30"), Some(0));
        for text in ["1970-01-01", "1970-01-01 00:00:00", "1970-01-01T00:00:00+24:00", "0001-01-01T00:00:00+01:00", "Z"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn nanoseconds_hold_some_centuries() {
        let read = |text: &str| timestamp(text.as_bytes(), TimeUnit::Nanosecond, false);
        assert_eq!(read("1970-01-01 00:00:00.000000001"), Some(1));
        assert_eq!(read("1677-12-31 00:00:00"), None);
        assert_eq!(read("2262-01-01"), None);
    }
}
