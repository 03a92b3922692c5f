//! A file's text becomes statements, and a view's becomes the statement that fills its target.

/// What stands in a view's file for the moment from which it takes rows.
const SINCE: &str = "{since}";

/// Cuts a file at each `;` that is neither quoted nor in a comment: over HTTP ClickHouse takes
/// one statement a request.
#[must_use]
pub fn statements(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut at, mut has_code) = (Vec::new(), 0, 0, false);
    let piece = |start, end| text.get(start..end).unwrap_or_default().trim();
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        at += match rest {
            [quote @ (b'\'' | b'"' | b'`'), ..] => {
                has_code = true;
                quoted_bytes(rest, *quote)
            }
            [b'-', b'-', ..] => until(rest, b"\n"),
            [b'/', b'*', ..] => until(rest, b"*/"),
            [b';', ..] => {
                if has_code {
                    found.push(piece(start, at));
                }
                (start, has_code) = (at + 1, false);
                1
            }
            [byte, ..] => {
                has_code |= !byte.is_ascii_whitespace();
                1
            }
            [] => 1,
        };
    }
    if has_code {
        found.push(piece(start, text.len()));
    }
    found
}

/// Length of a quoted piece; a doubled quote ends one piece and begins the next, which comes to
/// the same.
fn quoted_bytes(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn until(text: &[u8], end: &[u8]) -> usize {
    let found = text.windows(end.len()).position(|window| window == end);
    found.map_or(text.len(), |at| at + end.len())
}

/// A view that takes rows from a moment on, and what it leaves to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveView<'a> {
    /// The view.
    pub name: &'a str,
    /// The table that it feeds.
    pub target: &'a str,
    select: &'a str,
    /// The columns that a row of the target is made by.
    group_by: &'a str,
}

impl<'a> LiveView<'a> {
    /// Reads `CREATE MATERIALIZED VIEW IF NOT EXISTS <name> TO <target> … AS SELECT … WHERE
    /// received_at >= {since} … GROUP BY …`; `None` for a statement that is no such view.
    #[must_use]
    pub fn parse(statement: &'a str) -> Option<Self> {
        let (_, rest) = statement.split_once("CREATE MATERIALIZED VIEW IF NOT EXISTS ")?;
        let (name, rest) = rest.split_once(" TO ")?;
        let target = rest.split_ascii_whitespace().next()?;
        let (_, select) = rest.split_once(" AS\n")?;
        let (_, group_by) = select.rsplit_once("GROUP BY ")?;
        select.contains(SINCE).then_some(Self { name, target, select, group_by })
    }

    /// Fills the target with the rows received before `{since}`.
    ///
    /// Ordered, in one thread and in blocks of a fixed number of rows: the token drops what an
    /// earlier or simultaneous filling has stored, block by block.
    #[must_use]
    pub fn fill(&self) -> String {
        let Self { target, group_by, .. } = self;
        let select = self.select.replace(&format!(">= {SINCE}"), &format!("< {SINCE}"));
        format!(
            "INSERT INTO {target}\n{select}\nORDER BY {group_by}\nSETTINGS insert_deduplication_token = \
             'fill-{target}', async_insert = 0, max_insert_threads = 1, max_insert_block_size = \
             1000000, min_insert_block_size_rows = 1000000, min_insert_block_size_bytes = 0"
        )
    }
}

/// The statement with its moment, in Unix milliseconds.
#[must_use]
pub fn with_since(statement: &str, since_ms: i64) -> String {
    statement.replace(SINCE, &format!("fromUnixTimestamp64Milli({since_ms}, 'UTC')"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::FILES;

    #[test]
    fn cuts_at_semicolons_outside_quotes_and_comments() {
        let text = "-- first; really\nCREATE a;\n/* b; */ SELECT ';', \"x;\", `y;`, 'it\\'s;' ;\n";
        let expected =
            ["-- first; really\nCREATE a", "/* b; */ SELECT ';', \"x;\", `y;`, 'it\\'s;'"];
        assert_eq!(statements(text), expected);
    }

    #[test]
    fn the_last_statement_needs_no_semicolon_and_comments_alone_are_none() {
        assert_eq!(statements("SELECT 1;\nSELECT 2"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(statements("-- nothing;\n;;\n/* at all */"), [""; 0]);
    }

    #[test]
    fn a_doubled_quote_does_not_end_the_text() {
        assert_eq!(statements("SELECT 'a'';b'; SELECT 2"), ["SELECT 'a'';b'", "SELECT 2"]);
    }

    #[test]
    fn a_live_view_is_filled_from_before_its_moment_in_a_fixed_order() {
        let view = "-- Why.\nCREATE MATERIALIZED VIEW IF NOT EXISTS v TO t\nDEFINER = x AS\n\
            SELECT a, count() AS n\nFROM events\nWHERE received_at >= {since}\nGROUP BY a, b";
        let view = LiveView::parse(view).unwrap();
        assert_eq!((view.name, view.target), ("v", "t"));
        assert_eq!(
            with_since(&view.fill(), 5),
            "INSERT INTO t\nSELECT a, count() AS n\nFROM events\n\
             WHERE received_at < fromUnixTimestamp64Milli(5, 'UTC')\nGROUP BY a, b\nORDER BY a, b\n\
             SETTINGS insert_deduplication_token = 'fill-t', async_insert = 0, \
             max_insert_threads = 1, max_insert_block_size = 1000000, \
             min_insert_block_size_rows = 1000000, min_insert_block_size_bytes = 0"
        );
    }

    #[test]
    fn every_file_with_a_moment_is_one_live_view() {
        let mut live = 0;
        for file in FILES.iter().filter(|file| file.sql.contains(SINCE)) {
            let statements = statements(file.sql);
            assert_eq!(statements.len(), 1, "{}", file.name);
            let view = LiveView::parse(statements[0]).unwrap();
            assert_eq!(view.name, &file.name[4..]);
            assert!(view.fill().contains("WHERE received_at < {since}"), "{}", file.name);
            live += 1;
        }
        assert_eq!(live, 7);
    }
}
