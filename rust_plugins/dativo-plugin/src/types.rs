//! Logical types of contracts as Arrow has them, by the rules of `dativo_dagster/validation/typemap.py`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::{Column, Error, Result, Stream};

impl Stream {
    /// Give the Arrow schema of the columns.
    pub fn schema(&self) -> Result<SchemaRef> {
        let fields: Result<Vec<Field>> = self.columns.iter().map(Column::field).collect();
        Ok(Arc::new(Schema::new(fields?)))
    }
}

impl Column {
    /// Give the Arrow field of the column.
    pub fn field(&self) -> Result<Field> {
        let mut parser = Parser { text: &self.kind, rest: self.kind.trim(), depth: 0 };
        let field = parser.field(&self.name).and_then(|field| parser.end().map(|()| field));
        let field = field.map_err(|error| error.context(format!("column {}", self.name)))?;
        Ok(field.with_nullable(self.nullable))
    }
}

const MAX_DEPTH: usize = 32;

/// Recursive descent over the canonical text of one type.
struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    /// Read a type as the field that holds it: json and uuid are told by the field, not by its Arrow type.
    fn field(&mut self, name: &str) -> Result<Field> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("is nested too deep"));
        }
        let word = self.word()?;
        let field = Field::new(name, self.data_type(&word)?, true);
        self.depth -= 1;
        Ok(match word.as_str() {
            "json" => field.with_metadata([("dativo.type", "json")]),
            "uuid" => field.with_metadata([("ARROW:extension:name", "arrow.uuid")]),
            _ => field,
        })
    }

    fn data_type(&mut self, word: &str) -> Result<DataType> {
        Ok(match word {
            "boolean" => DataType::Boolean,
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "float32" => DataType::Float32,
            "double" => DataType::Float64,
            "string" | "json" => DataType::Utf8,
            "binary" => DataType::Binary,
            "uuid" => DataType::FixedSizeBinary(16),
            "date" => DataType::Date32,
            "decimal" => self.decimal()?,
            "time" => self.time()?,
            "timestamp" => DataType::Timestamp(self.unit()?, None),
            "timestamptz" => DataType::Timestamp(self.unit()?, Some("UTC".into())),
            "list" => self.list()?,
            "map" => self.map()?,
            "struct" => self.fields()?,
            _ => return Err(self.wrong("is no type that this version of dativo-plugin knows")),
        })
    }

    fn decimal(&mut self) -> Result<DataType> {
        self.expect("(")?;
        let precision = self.number()?;
        self.expect(",")?;
        let scale = self.number()?;
        self.expect(")")?;
        if precision == 0 || precision > 38 || scale > precision {
            return Err(self.wrong("is no decimal of 1 to 38 digits"));
        }
        Ok(DataType::Decimal128(precision, scale.cast_signed()))
    }

    fn time(&mut self) -> Result<DataType> {
        let unit = self.unit()?;
        let coarse = matches!(unit, TimeUnit::Second | TimeUnit::Millisecond);
        Ok(if coarse { DataType::Time32(unit) } else { DataType::Time64(unit) })
    }

    fn unit(&mut self) -> Result<TimeUnit> {
        if !self.take("[") {
            return Ok(TimeUnit::Microsecond);
        }
        let unit = match self.word()?.as_str() {
            "s" => TimeUnit::Second,
            "ms" => TimeUnit::Millisecond,
            "us" => TimeUnit::Microsecond,
            "ns" => TimeUnit::Nanosecond,
            _ => return Err(self.wrong("has a unit that is none of s, ms, us and ns")),
        };
        self.expect("]")?;
        Ok(unit)
    }

    fn list(&mut self) -> Result<DataType> {
        self.expect("<")?;
        let element = self.field("element")?;
        self.expect(">")?;
        Ok(DataType::List(Arc::new(element)))
    }

    fn map(&mut self) -> Result<DataType> {
        self.expect("<")?;
        let key = self.field("key")?.with_nullable(false);
        self.expect(",")?;
        let value = self.field("value")?;
        self.expect(">")?;
        let entries = DataType::Struct(Fields::from(vec![key, value]));
        Ok(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
    }

    fn fields(&mut self) -> Result<DataType> {
        self.expect("<")?;
        let mut fields = vec![self.named()?];
        while self.take(",") {
            fields.push(self.named()?);
        }
        self.expect(">")?;
        Ok(DataType::Struct(Fields::from(fields)))
    }

    fn named(&mut self) -> Result<Field> {
        let name = if self.rest.starts_with('"') { self.quoted()? } else { self.word()? };
        self.expect(":")?;
        self.field(&name)
    }

    /// Read a name that is written as a JSON text.
    fn quoted(&mut self) -> Result<String> {
        let mut names = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let Some(Ok(name)) = names.next() else { return Err(self.wrong("has a name whose quote is never closed")) };
        self.rest = self.rest[names.byte_offset()..].trim_start();
        Ok(name)
    }

    fn word(&mut self) -> Result<String> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.wrong("ends or breaks off where a name should be"));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        Ok(word.to_owned())
    }

    fn number(&mut self) -> Result<u8> {
        self.word()?.parse().map_err(|_| self.wrong("has no small number where one should be"))
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(&format!("lacks {token:?}"))) }
    }

    fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("has something behind its end")) }
    }

    fn wrong(&self, why: &str) -> Error {
        Error::new("BAD_TYPE", format!("type {:?} {why}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> DataType {
        Column::new("c", text).field().unwrap().data_type().clone()
    }

    #[test]
    fn types_are_those_of_the_host() {
        assert_eq!(kind("int64"), DataType::Int64);
        assert_eq!(kind("decimal(12,2)"), DataType::Decimal128(12, 2));
        assert_eq!(kind("decimal( 38 , 38 )"), DataType::Decimal128(38, 38));
        assert_eq!(kind("timestamp"), DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(kind("timestamptz[ns]"), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
        assert_eq!(
            (kind("time[ms]"), kind("time")),
            (DataType::Time32(TimeUnit::Millisecond), DataType::Time64(TimeUnit::Microsecond))
        );
    }

    #[test]
    fn nested_types_name_their_parts_as_the_host_does() {
        let DataType::List(element) = kind("list<struct<a: int8, \"b \\\"c\\\": d\": map<string,json>>>") else {
            panic!()
        };
        let DataType::Struct(fields) = element.data_type() else { panic!() };
        assert_eq!((element.name().as_str(), fields[1].name().as_str()), ("element", "b \"c\": d"));
        let DataType::Map(entries, false) = fields[1].data_type() else { panic!() };
        let DataType::Struct(pair) = entries.data_type() else { panic!() };
        assert_eq!((pair[0].name().as_str(), pair[0].is_nullable()), ("key", false));
        assert_eq!(pair[1].metadata().get("dativo.type").map(String::as_str), Some("json"));
    }

    #[test]
    fn a_uuid_is_arrows_own_extension() {
        let field = Column::new("id", "uuid").field().unwrap();
        assert_eq!(field.data_type(), &DataType::FixedSizeBinary(16));
        assert_eq!(field.metadata().get("ARROW:extension:name").map(String::as_str), Some("arrow.uuid"));
    }

    #[test]
    fn required_columns_are_not_nullable() {
        let id = Column { nullable: false, ..Column::new("id", "int64") };
        let schema = Stream::new("s", [id, Column::new("x", "string")]).schema().unwrap();
        assert_eq!((schema.field(0).is_nullable(), schema.field(1).is_nullable()), (false, true));
    }

    #[test]
    fn nonsense_is_refused_with_the_column_and_the_text() {
        let deep = "list<".repeat(40);
        for text in [
            "",
            "integer?",
            "decimal",
            "decimal(39,1)",
            "decimal(3,4)",
            "list<int64",
            "time[h]",
            "struct<>",
            "int8 x",
            "struct<\"a: int8>",
            "map<int8>",
            &deep,
        ] {
            let error = Column::new("price", text).field().unwrap_err();
            assert_eq!(error.code(), "BAD_TYPE", "{text}");
            assert!(error.message().starts_with("column price: type \""), "{error}");
        }
    }
}
