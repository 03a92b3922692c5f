//! What the runners said, as one list: each prints a line `test <name> ... <result>` a test.
//!
//! libtest and wasm-bindgen's runner do so by themselves, `node --test` through
//! `tests/reporter.mjs`. The summary line that follows is held against what was read.

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed,
    /// It was not run.
    Skipped,
}

/// One test of one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The level that ran it.
    pub level: String,
    /// Its name as the runner gave it.
    pub name: String,
    /// How it ended.
    pub ending: Ending,
}

/// Reads the lines of one runner.
pub struct Reader {
    level: String,
    tests: Vec<Test>,
    /// Where in `tests` the lines since the last summary begin.
    since_summary: usize,
    /// A test whose name came without its result: its own output is in between.
    open: Option<String>,
}

impl Reader {
    /// A reader for this level's lines.
    pub fn new(level: &str) -> Self {
        Self { level: level.to_owned(), tests: Vec::new(), since_summary: 0, open: None }
    }

    /// Takes one line.
    pub fn line(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            return self.summary(summary);
        }
        if let Some((name, rest)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... ")) {
            let name = name.trim_end_matches(" - should panic").to_owned();
            match ending(rest) {
                Some(ending) => self.push(name, ending),
                None => self.open = Some(name),
            }
        } else if let Some(ending) = ending(line).filter(|_| self.open.is_some())
            && let Some(name) = self.open.take()
        {
            self.push(name, ending);
        }
    }

    /// Everything that was read; a runner that failed without a failed test adds one.
    pub fn finish(mut self, runner: &str, succeeded: bool) -> Vec<Test> {
        if let Some(name) = self.open.take() {
            self.push(format!("{name} (did not end)"), Ending::Failed);
        }
        let failed = self.tests.iter().any(|test| test.ending == Ending::Failed);
        if !succeeded && !failed {
            self.push(format!("{runner} (failed outside its tests)"), Ending::Failed);
        }
        self.tests
    }

    fn push(&mut self, name: String, ending: Ending) {
        self.tests.push(Test { level: self.level.clone(), name, ending });
    }

    /// A test that we did not see would be a hole in the contract's table.
    fn summary(&mut self, summary: &str) {
        let told: Vec<usize> = summary
            .split(['.', ';'])
            .filter_map(|part| part.trim().split_once(' '))
            .filter(|(_, what)| matches!(*what, "passed" | "failed" | "ignored"))
            .filter_map(|(count, _)| count.parse().ok())
            .collect();
        let seen = [Ending::Passed, Ending::Failed, Ending::Skipped].map(|ending| {
            self.tests[self.since_summary..].iter().filter(|test| test.ending == ending).count()
        });
        if told != seen {
            let name = format!("summary says {told:?} passed, failed, ignored; read were {seen:?}");
            self.push(name, Ending::Failed);
        }
        self.since_summary = self.tests.len();
    }
}

fn ending(text: &str) -> Option<Ending> {
    let word = text.split([' ', ',']).next()?;
    match word {
        "ok" => Some(Ending::Passed),
        "FAILED" | "FAIL" => Some(Ending::Failed),
        "ignored" => Some(Ending::Skipped),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str, succeeded: bool) -> Vec<(String, Ending)> {
        let mut reader = Reader::new("native");
        output.lines().for_each(|line| reader.line(line));
        let tests = reader.finish("cargo", succeeded);
        tests.into_iter().map(|test| (test.name, test.ending)).collect()
    }

    fn test(name: &str, ending: Ending) -> (String, Ending) {
        (name.to_owned(), ending)
    }

    #[test]
    fn libtest_lines() {
        let output = "running 4 tests\n\
            test a::one ... ok\n\
            test a::two - should panic ... ok\n\
            test a::three ... FAILED\n\
            test src/lib.rs - b (line 3) ... ignored\n\
            test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let expected = [
            test("a::one", Ending::Passed),
            test("a::two", Ending::Passed),
            test("a::three", Ending::Failed),
            test("src/lib.rs - b (line 3)", Ending::Skipped),
        ];
        assert_eq!(read(output, false), expected);
    }

    #[test]
    fn lines_of_the_browser_runner() {
        let output = "test inner::ign ... ignored, later\n\
            test inner::good ... ok\n\
            test inner::bad ... FAIL\n\
            test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 filtered out; finished in 0.03s\n";
        let endings: Vec<_> = read(output, false).into_iter().map(|test| test.1).collect();
        assert_eq!(endings, [Ending::Skipped, Ending::Passed, Ending::Failed]);
    }

    #[test]
    fn output_between_a_name_and_its_result() {
        let output = "test a ... hello\nok\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        assert_eq!(read(output, true), [test("a", Ending::Passed)]);
    }

    #[test]
    fn a_test_that_never_ended_failed() {
        assert_eq!(read("test a ... \n", false), [test("a (did not end)", Ending::Failed)]);
    }

    #[test]
    fn a_runner_that_failed_outside_its_tests_is_a_failure() {
        let expected =
            [test("a", Ending::Passed), test("cargo (failed outside its tests)", Ending::Failed)];
        assert_eq!(read("test a ... ok\n", false), expected);
    }

    #[test]
    fn a_summary_that_counts_more_than_was_read_is_a_failure() {
        let output = "test a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        let (name, ending) = read(output, true).remove(1);
        assert_eq!(ending, Ending::Failed);
        assert!(name.contains("[2, 0, 0]") && name.contains("[1, 0, 0]"), "{name}");
    }

    #[test]
    fn each_summary_counts_its_own_binary() {
        let output = "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n\
            test b ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(read(output, true), [test("a", Ending::Passed), test("b", Ending::Passed)]);
    }
}
