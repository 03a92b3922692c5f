//! The head of a query's file: SQL comments that say who may run it, with what, and what comes
//! back. The worker checks by it; the TypeScript types are made from it.
//!
//! ```text
//! -- query: top
//! -- key: public                              or reader, admin
//! -- cache: 0                                 seconds
//! -- param: limit UInt32 10 -- how many       name, type, default if any, meaning
//! -- range: limit 1 1000                      of a number, both ends included
//! -- choice: mode rows last                   of a text, all that it may be
//! -- column: views UInt64 -- rows             name, type, unit
//! ```
//! The head ends at the first line that is none of these.

use super::bind;
use serde::Serialize;

/// What the head says.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The name in the URL.
    pub name: String,
    /// Which keys may run it.
    pub access: Access,
    /// For how long an answer may be served again, in seconds; 0 for never.
    pub cache_seconds: u32,
    /// The parameters, in the order of the function's arguments.
    pub params: Vec<Param>,
    /// The columns of the answer, in order.
    pub columns: Vec<Column>,
}

/// Which keys may run a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A site's write key, which every page shows.
    Public,
    /// A key that its owner keeps.
    Reader,
    /// The key of whoever runs the worker.
    Admin,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name in URLs, in JSON and in the SQL.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its value when none is given, already as ClickHouse reads it; `None`: it must be given.
    pub default: Option<String>,
    /// Least and greatest value of a number.
    pub range: (u64, u64),
    /// All that a text may be; empty for any.
    pub choices: Vec<String>,
    /// What it means.
    pub what: String,
}

/// The types that a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// Texts.
    ArrayString,
    /// Numbers by text.
    MapFloat64,
    /// A day of UTC, `YYYY-MM-DD`.
    Date,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    UInt32,
    /// A whole number.
    UInt64,
}

/// One column of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name in each row.
    pub name: String,
    /// Its type, in ClickHouse's words. 64-bit integers are JSON numbers, times are text.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its unit and meaning.
    #[serde(skip)]
    pub unit: String,
}

/// What is wrong with a head, and in which line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadError {
    /// The line; 0 for the head as a whole.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

impl Head {
    /// Reads the head at the beginning of a file.
    ///
    /// # Errors
    /// The first line that is not as it must be, or what is missing.
    pub fn parse(sql: &str) -> Result<Self, HeadError> {
        let (mut name, mut access, mut cache_seconds) = (None, None, None);
        let (mut params, mut columns) = (Vec::<Param>::new(), Vec::new());
        for (index, text) in sql.lines().enumerate() {
            let wrong = |why| HeadError { line: index + 1, why };
            let Some((label, rest)) =
                text.strip_prefix("-- ").and_then(|text| text.split_once(": "))
            else {
                break;
            };
            match label {
                "query" => name = Some(word(rest).ok_or_else(|| wrong("a name is one word"))?),
                "key" => {
                    access = Some(match rest {
                        "public" => Access::Public,
                        "reader" => Access::Reader,
                        "admin" => Access::Admin,
                        _ => return Err(wrong("a key is public, reader or admin")),
                    });
                }
                "cache" => {
                    let seconds = rest.parse().map_err(|_| wrong("cache is in seconds"))?;
                    cache_seconds = Some(seconds);
                }
                "param" => params.push(Param::parse(rest).map_err(wrong)?),
                "range" => set_range(&mut params, rest).map_err(wrong)?,
                "choice" => set_choices(&mut params, rest).map_err(wrong)?,
                "column" => columns.push(Column::parse(rest).map_err(wrong)?),
                _ => return Err(wrong("this label is unknown")),
            }
        }
        let missing = |why| HeadError { line: 0, why };
        for param in &mut params {
            if let Some(default) = &param.default {
                let given = bind::from_text(param, default).map_err(|_| missing("bad default"))?;
                param.default =
                    Some(bind::bind(param, &given).map_err(|_| missing("bad default"))?);
            }
        }
        if columns.is_empty() {
            return Err(missing("columns are missing"));
        }
        Ok(Self {
            name: name.ok_or_else(|| missing("query is missing"))?,
            access: access.ok_or_else(|| missing("key is missing"))?,
            cache_seconds: cache_seconds.ok_or_else(|| missing("cache is missing"))?,
            params,
            columns,
        })
    }

    /// `[{"name","type"}]` for every answer.
    pub(super) fn columns_json(&self) -> String {
        // Names and types are text, which always serializes.
        serde_json::to_string(&self.columns).unwrap_or_default()
    }
}

impl Param {
    /// `name Type [default] -- what`
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (left, what) = text.split_once(" -- ").ok_or("what the parameter means is missing")?;
        let mut words = left.split(' ');
        let name = words.next().and_then(word).ok_or("a parameter's name is one word")?;
        if matches!(&*name, "site" | "now" | "k" | "refresh") {
            return Err("site, now, k and refresh are the worker's own");
        }
        let kind = words.next().and_then(Kind::parse).ok_or("the parameter's type is unknown")?;
        let default = words.next().map(str::to_owned);
        if words.next().is_some() {
            return Err("a default is one word");
        }
        let range = (0, kind.greatest());
        Ok(Self { name, kind, default, range, choices: Vec::new(), what: what.into() })
    }
}

/// `name least greatest`, for a parameter named before.
fn set_range(params: &mut [Param], text: &str) -> Result<(), &'static str> {
    let mut words = text.split(' ');
    let (name, least, greatest) = (words.next(), words.next(), words.next());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let (Some(least), Some(greatest), None) = (number(least), number(greatest), words.next())
    else {
        return Err("a range is a name and two numbers");
    };
    let param = params
        .iter_mut()
        .find(|param| Some(param.name.as_str()) == name)
        .ok_or("the range's parameter comes first")?;
    if least > greatest || greatest > param.kind.greatest() {
        return Err("the range does not fit the type");
    }
    param.range = (least, greatest);
    Ok(())
}

/// `name choice choice …`, for a text parameter named before.
fn set_choices(params: &mut [Param], text: &str) -> Result<(), &'static str> {
    let mut words = text.split(' ');
    let name = words.next();
    let param = params
        .iter_mut()
        .find(|param| Some(param.name.as_str()) == name && param.kind == Kind::String)
        .ok_or("the choice's parameter comes first and is a text")?;
    param.choices = words.map(str::to_owned).collect();
    Ok(())
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::String,
        Self::ArrayString,
        Self::MapFloat64,
        Self::Date,
        Self::Bool,
        Self::UInt32,
        Self::UInt64,
    ];

    /// ClickHouse's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::ArrayString => "Array(String)",
            Self::MapFloat64 => "Map(String,Float64)",
            Self::Date => "Date",
            Self::Bool => "Bool",
            Self::UInt32 => "UInt32",
            Self::UInt64 => "UInt64",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The greatest number of the type; 0 where there are no numbers. A JavaScript number is exact
    /// up to 2^53 - 1.
    const fn greatest(self) -> u64 {
        match self {
            Self::UInt32 => u32::MAX as u64,
            Self::UInt64 => (1 << 53) - 1,
            Self::String | Self::ArrayString | Self::MapFloat64 | Self::Date | Self::Bool => 0,
        }
    }
}

impl Column {
    /// `name Type -- unit`
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (left, unit) = text.split_once(" -- ").ok_or("the column's unit is missing")?;
        let (name, type_name) = left.split_once(' ').ok_or("the column's type is missing")?;
        let name = word(name).ok_or("a column's name is one word")?;
        Ok(Self { name, type_name: type_name.into(), unit: unit.into() })
    }
}

/// A name: lower case letters, digits and `_`.
fn word(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-- query: top\n-- key: public\n-- cache: 60\n\
        -- param: id String -- the post\n\
        -- param: limit UInt32 10 -- how many\n-- range: limit 1 1000\n\
        -- column: at DateTime64(3, 'UTC') -- UTC\n-- choice: id a b\n\
        -- Why it is so.\n-- query: not read any more\nSELECT 1";

    #[test]
    fn a_head_is_read_up_to_the_first_other_line() {
        let head = Head::parse(GOOD).unwrap();
        let limit = Param {
            name: "limit".into(),
            kind: Kind::UInt32,
            default: Some("10".into()),
            range: (1, 1000),
            choices: Vec::new(),
            what: "how many".into(),
        };
        let id = Param {
            name: "id".into(),
            kind: Kind::String,
            default: None,
            range: (0, 0),
            choices: vec!["a".into(), "b".into()],
            what: "the post".into(),
        };
        let at = Column {
            name: "at".into(),
            type_name: "DateTime64(3, 'UTC')".into(),
            unit: "UTC".into(),
        };
        assert_eq!(head.columns_json(), r#"[{"name":"at","type":"DateTime64(3, 'UTC')"}]"#);
        let expected = Head {
            name: "top".into(),
            access: Access::Public,
            cache_seconds: 60,
            params: vec![id, limit],
            columns: vec![at],
        };
        assert_eq!(head, expected);
    }

    #[test]
    fn every_mistake_in_a_head_is_told_with_its_line() {
        for (from, to, line, why) in [
            ("-- query: top\n", "", 0, "query is missing"),
            ("-- key: public\n", "", 0, "key is missing"),
            ("-- cache: 60\n", "", 0, "cache is missing"),
            ("-- column: at DateTime64(3, 'UTC') -- UTC\n", "", 0, "columns are missing"),
            ("query: top", "query: Top Posts", 1, "a name is one word"),
            ("key: public", "key: all", 2, "a key is public, reader or admin"),
            ("cache: 60", "cache: 1m", 3, "cache is in seconds"),
            ("id String -- the post", "id String", 4, "what the parameter means is missing"),
            ("id String", "ID String", 4, "a parameter's name is one word"),
            ("id String", "site String", 4, "site, now, k and refresh are the worker's own"),
            ("id String", "id Identifier", 4, "the parameter's type is unknown"),
            ("UInt32 10", "UInt32 10 20", 5, "a default is one word"),
            ("UInt32 10", "UInt32 ten", 0, "bad default"),
            ("UInt32 10", "UInt32 0", 0, "bad default"),
            ("limit 1 1000", "limit 1", 6, "a range is a name and two numbers"),
            ("limit 1 1000", "limit 1 2 3", 6, "a range is a name and two numbers"),
            ("limit 1 1000", "other 1 2", 6, "the range's parameter comes first"),
            ("limit 1 1000", "limit 2 1", 6, "the range does not fit the type"),
            ("limit 1 1000", "limit 1 4294967296", 6, "the range does not fit the type"),
            ("at DateTime64(3, 'UTC') -- UTC", "at -- UTC", 7, "the column's type is missing"),
            ("at DateTime64(3, 'UTC') -- UTC", "at Date", 7, "the column's unit is missing"),
            ("column: at", "column: At", 7, "a column's name is one word"),
            ("choice: id", "choice: limit", 8, "the choice's parameter comes first and is a text"),
            ("cache: 60", "cahce: 60", 3, "this label is unknown"),
        ] {
            let sql = GOOD.replacen(from, to, 1);
            assert_ne!(sql, GOOD);
            assert_eq!(Head::parse(&sql), Err(HeadError { line, why }), "{to}");
        }
    }
}
