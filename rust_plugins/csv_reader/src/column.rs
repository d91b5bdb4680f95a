//! How the columns of a block are read: as the contract's type where text has one plain meaning, else as text.

use arrow::array::{ArrayRef, types};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;

use crate::nulls::Nulls;
use crate::strip::Strip;
use crate::text::Text;
use crate::typed::{Bits, Typed};
use crate::{moment, number};

/// A column of a block, as it grows.
pub(crate) trait Column {
    /// Read the column's fields of one strip. `data` is padded.
    fn extend(&mut self, data: &[u8], strip: &Strip, index: usize, nulls: &Nulls);

    /// Say whether every text so far had its plain meaning.
    fn fits(&self) -> bool;

    /// Give the Arrow array; an error when a text is no UTF-8.
    fn finish(self: Box<Self>) -> Result<ArrayRef, ArrowError>;
}

/// Give the type in which a column comes whose contract says `wanted`. The host's validation casts text.
pub(crate) fn readable(wanted: &DataType) -> DataType {
    use DataType::{
        Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32,
        UInt64,
    };
    match wanted {
        Boolean | Date32 | Decimal128(..) | Float32 | Float64 | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16
        | UInt32 | UInt64 | Timestamp(..) => wanted.clone(),
        _ => DataType::Utf8,
    }
}

/// Make a column for about so many rows and, of text, so many bytes.
pub(crate) fn column(kind: &DataType, rows: usize, bytes: usize) -> Box<dyn Column> {
    macro_rules! whole {
        ($type:ty, $read:path) => {
            Typed::<$type, _>::boxed(kind, rows, |data, start, end| $read(data, start, end)?.try_into().ok())
        };
    }
    match *kind {
        DataType::Boolean => Box::new(Bits::new(rows)),
        DataType::Int8 => whole!(types::Int8Type, number::signed),
        DataType::Int16 => whole!(types::Int16Type, number::signed),
        DataType::Int32 => whole!(types::Int32Type, number::signed),
        DataType::Int64 => Typed::<types::Int64Type, _>::boxed(kind, rows, number::signed),
        DataType::UInt8 => whole!(types::UInt8Type, number::digits),
        DataType::UInt16 => whole!(types::UInt16Type, number::digits),
        DataType::UInt32 => whole!(types::UInt32Type, number::digits),
        DataType::UInt64 => Typed::<types::UInt64Type, _>::boxed(kind, rows, number::digits),
        DataType::Float32 => Typed::<types::Float32Type, _>::boxed(kind, rows, number::float),
        DataType::Float64 => Typed::<types::Float64Type, _>::boxed(kind, rows, number::double),
        DataType::Date32 => {
            Typed::<types::Date32Type, _>::boxed(kind, rows, |data, start, end| moment::date(&data[start..end]))
        }
        DataType::Decimal128(precision, scale) => {
            let scale = scale.unsigned_abs();
            Typed::<types::Decimal128Type, _>::boxed(kind, rows, move |data, start, end| {
                number::decimal(data, start, end, precision, scale)
            })
        }
        DataType::Timestamp(unit, ref zone) => timestamps(kind, unit, zone.is_some(), rows),
        _ => Box::new(Text::new(rows, bytes)),
    }
}

fn timestamps(kind: &DataType, unit: TimeUnit, zoned: bool, rows: usize) -> Box<dyn Column> {
    macro_rules! moments {
        ($type:ty, $unit:expr) => {
            Typed::<$type, _>::boxed(kind, rows, move |data, start, end| {
                moment::timestamp(&data[start..end], $unit, zoned)
            })
        };
    }
    // Each unit is known when the loop over the rows is compiled.
    match unit {
        TimeUnit::Second => moments!(types::TimestampSecondType, TimeUnit::Second),
        TimeUnit::Millisecond => moments!(types::TimestampMillisecondType, TimeUnit::Millisecond),
        TimeUnit::Microsecond => moments!(types::TimestampMicrosecondType, TimeUnit::Microsecond),
        TimeUnit::Nanosecond => moments!(types::TimestampNanosecondType, TimeUnit::Nanosecond),
    }
}
