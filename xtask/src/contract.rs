//! The contract: rows of `tests/CONTRACT.md`, and the tests that carry their ids.
//!
//! A test shows a row by its name: `s0_19_hourly_views_ascend`, `"S0.19 hourly views ascend"`,
//! `"S0.17, U8: summaries"`. Ids of two parts count anywhere in a name; ids of one part (`U7`,
//! `D13`) only where a name, or a part of it, begins, or right after such ids: `u8` is a type too.

use crate::test::outcome::{Ending, Test};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One row of the contract.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    id: String,
    text: String,
}

/// Characters of a row's text in the table.
const TEXT_CHARS: usize = 56;

/// The table row → result → tests. Without `whole`, only rows that these tests name.
pub fn table(contract: &str, tests: &[Test], whole: bool) -> String {
    let rows = rows(contract);
    let mut shown_by: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
    for test in tests {
        let words = Words::of(&test.name);
        for row in rows.iter().filter(|row| words.name(&row.id)) {
            shown_by.entry(&row.id).or_default().push(test);
        }
    }
    let mut out = String::new();
    let (mut done, mut failed, mut left_out) = (0, 0, 0);
    for row in &rows {
        let tests = shown_by.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
        let result = result(tests);
        done += usize::from(result == "done");
        failed += usize::from(result == "FAILED");
        if !whole && tests.is_empty() {
            left_out += 1;
            continue;
        }
        let text: String = row.text.chars().take(TEXT_CHARS).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<6} {result:<14} {text}", row.id);
        for test in tests {
            let _ = writeln!(out, "{:22}{}: {}", "", test.level, test.name);
        }
    }
    let open = rows.len() - done - failed;
    let _ = writeln!(out, "{} rows: {done} done, {failed} failed, {open} open", rows.len());
    if left_out > 0 {
        let _ = writeln!(out, "({left_out} rows that no test of this run names are left out)");
    }
    out
}

/// A row is done when a test names it and every test that names it passed.
fn result(tests: &[&Test]) -> &'static str {
    let any = |ending| tests.iter().any(|test| test.ending == ending);
    if tests.is_empty() {
        "open"
    } else if any(Ending::Failed) {
        "FAILED"
    } else if any(Ending::Skipped) {
        "open (skipped)"
    } else {
        "done"
    }
}

/// Table lines whose first cell is an id.
fn rows(contract: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in contract.lines() {
        let Some((id, rest)) = line.strip_prefix("| ").and_then(|line| line.split_once(" | "))
        else {
            continue;
        };
        if is_id(id) {
            let text = rest.trim_end_matches('|').trim_end();
            rows.push(Row { id: id.to_owned(), text: text.to_owned() });
        }
    }
    rows
}

fn is_id(text: &str) -> bool {
    let mut parts = text.split('.');
    let letter_and_number = parts.next().is_some_and(|part| {
        part.starts_with(|first: char| first.is_ascii_uppercase()) && is_number(&part[1..])
    });
    letter_and_number && parts.all(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A test's name as lower-case words, each marked if it is among the ids that a part of the name
/// begins with.
struct Words(Vec<(String, bool)>);

impl Words {
    fn of(name: &str) -> Self {
        let mut words = Vec::new();
        // Paths of Rust modules, and suites of node as the reporter joins them.
        for part in name.split("::").flat_map(|part| part.split(" > ")) {
            let lower = part.to_ascii_lowercase();
            let found = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
            let mut leads = true;
            for word in found {
                words.push((word.to_owned(), leads));
                leads &= is_number(word.trim_start_matches(|c: char| c.is_ascii_lowercase()));
            }
        }
        Self(words)
    }

    /// Whether the name holds this id.
    fn name(&self, id: &str) -> bool {
        let id: Vec<String> = id.split('.').map(str::to_ascii_lowercase).collect();
        let single = id.len() == 1;
        self.0.windows(id.len()).any(|words| {
            let same = words.iter().zip(&id).all(|((word, _), part)| word == part);
            same && (!single || words.first().is_some_and(|(_, leads)| *leads))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = "# The contract\n\
        ### S0\n| id | row |\n|---|---|\n\
        | S0.1 | Event types |\n| S0.19 | hourly `{a: b}` |\n\
        | U8 | queries |\n| D13 | window 0 | run: | set it |\n";

    fn test(name: &str, ending: Ending) -> Test {
        Test { level: "native".to_owned(), name: name.to_owned(), ending }
    }

    fn named(name: &str) -> Vec<String> {
        let words = Words::of(name);
        rows(CONTRACT).into_iter().map(|row| row.id).filter(|id| words.name(id)).collect()
    }

    #[test]
    fn rows_are_the_lines_with_an_id() {
        let ids: Vec<_> = rows(CONTRACT).into_iter().map(|row| row.id).collect();
        assert_eq!(ids, ["S0.1", "S0.19", "U8", "D13"]);
    }

    #[test]
    fn ids_in_names_of_rust_and_of_javascript() {
        assert_eq!(named("native::query::s0_19_hourly_views_ascend"), ["S0.19"]);
        assert_eq!(named("S0.19 hourly views ascend"), ["S0.19"]);
        assert_eq!(named("queries > S0.1, S0.19: both"), ["S0.1", "S0.19"]);
        assert_eq!(named("d13_window_is_set"), ["D13"]);
        assert_eq!(named("U8 the worker answers"), ["U8"]);
        assert_eq!(named("s0_1_u8_d13_all_three"), ["S0.1", "U8", "D13"]);
    }

    #[test]
    fn a_longer_id_is_not_its_beginning_and_a_type_is_no_id() {
        assert_eq!(named("s0_190_more"), [""; 0]);
        assert_eq!(named("column::reads_u8_and_u16"), [""; 0]);
        assert_eq!(named("d130_more"), [""; 0]);
    }

    #[test]
    fn rows_without_tests_and_with_skipped_ones_stay_open() {
        let tests = [test("s0_1_types", Ending::Passed), test("u8_queries", Ending::Skipped)];
        let table = table(CONTRACT, &tests, true);
        assert!(table.contains("S0.1   done"), "{table}");
        assert!(table.contains("U8     open (skipped)"), "{table}");
        assert!(table.contains("D13    open  "), "{table}");
        assert!(table.contains("4 rows: 1 done, 0 failed, 3 open"), "{table}");
    }

    #[test]
    fn one_failed_test_fails_its_row() {
        let tests = [test("s0_1_types", Ending::Passed), test("s0_1_more", Ending::Failed)];
        assert!(table(CONTRACT, &tests, true).contains("S0.1   FAILED"));
    }

    #[test]
    fn a_part_of_the_run_shows_its_own_rows() {
        let table = table(CONTRACT, &[test("s0_1_types", Ending::Passed)], false);
        assert!(!table.contains("D13"), "{table}");
        assert!(table.contains("(3 rows that no test"), "{table}");
    }
}
