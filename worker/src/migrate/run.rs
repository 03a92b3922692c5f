//! One run of the migrations: which statement comes next, and what its answer means.
//!
//! Invariant: a job holds its statement as it runs, for one server or for the cluster.

use super::script::{LiveView, statements, with_since};
use super::{Cluster, FILES, File};
use crate::limits;
use crate::tables::Tables;
use std::collections::{BTreeSet, VecDeque};

/// What a run is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Delete events this many days after they occurred, from [`limits::TTL_DAYS`]; rollups stay.
    /// `None` leaves it as it is.
    pub ttl_days: Option<u32>,
    /// How long an insert may be under way, in milliseconds; `None`:
    /// [`limits::MIGRATE_SETTLE_MS`].
    pub settle_ms: Option<u32>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Run this statement in the database, then call [`Run::take`].
    Query(String),
    /// It is done.
    Done(Report),
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The files that were applied, or would be.
    pub files: Vec<&'static str>,
    /// The declared tables that were made, or given the columns that they lacked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// A dry run's statements, with `{since}` for the moment from which a new view takes rows.
    pub statements: Vec<String>,
}

/// A statement that ClickHouse refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `X-ClickHouse-Exception-Code`.
    pub code: Option<String>,
    /// What the operator is told.
    pub message: String,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    options: Options,
    jobs: VecDeque<Job>,
    report: Report,
    /// The moment for views that this run makes, in Unix milliseconds; 0 when events is empty.
    since_ms: i64,
    /// The server's time as last seen, in Unix milliseconds.
    seen_ms: i64,
    /// What makes the declared tables, after everything else.
    tables: Vec<String>,
    /// The cluster that everything is made on, if it is one.
    cluster: Option<Cluster>,
}

/// One statement to come, and what its answer is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Job {
    /// The answer does not matter.
    Statement(String),
    /// The names of the recorded files.
    Recorded,
    /// The server's clock and whether events has rows.
    Clock,
    /// The moment in the view that exists.
    Since(&'static File),
    /// The server's clock, until it has passed this, in Unix milliseconds.
    Wait(i64),
}

/// UNKNOWN_DATABASE and UNKNOWN_TABLE: nothing has been applied yet.
const NOTHING_YET: [&str; 2] = ["81", "60"];

impl Run {
    /// A run that waits for its begin.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let report = Report { dry_run: options.dry_run, ..Report::default() };
        let (jobs, tables) = (VecDeque::new(), Vec::new());
        Self { options, jobs, report, since_ms: 0, seen_ms: 0, tables, cluster: None }
    }

    /// The same on this cluster.
    #[must_use]
    pub fn on_cluster(mut self, cluster: Option<&Cluster>) -> Self {
        self.cluster = cluster.cloned();
        self
    }

    /// The same with these declared tables, whose statements run at every run: they change nothing
    /// where nothing is missing, and so are not recorded.
    #[must_use]
    pub fn with_tables(mut self, tables: &Tables) -> Self {
        let names = tables.iter().map(|declared| declared.table.name.to_string());
        self.report.tables = names.collect();
        self.tables = tables.statements();
        self
    }

    /// The first statement.
    pub fn begin(&mut self) -> Next {
        if !self.options.dry_run {
            self.jobs.push_back(Job::Statement(self.same_kind()));
            self.push_statements(FILES.first().map_or("", |file| file.sql));
        }
        self.jobs.push_back(Job::Recorded);
        self.next()
    }

    /// The answer to the last statement, in the format TabSeparated; the next statement.
    ///
    /// # Errors
    /// What the operator is told. The run is over; another one goes on where this one ended.
    pub fn take(&mut self, answer: Result<&str, Failure>) -> Result<Next, String> {
        let Some(job) = self.jobs.pop_front() else {
            return Err("a migration went on after its end".into());
        };
        let nothing_yet = |failure: &Failure| {
            failure.code.as_deref().is_some_and(|code| NOTHING_YET.contains(&code))
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) if job == Job::Recorded && nothing_yet(&failure) => "",
            Err(failure) => return Err(failure.message),
        };
        match job {
            Job::Statement(_) => {}
            Job::Recorded => {
                let recorded: BTreeSet<&str> = answer.lines().collect();
                self.report.files = FILES
                    .iter()
                    .map(|file| file.name)
                    .filter(|name| !recorded.contains(name))
                    .collect();
                let is_first = !recorded.contains("001_events");
                self.plan(is_first);
            }
            Job::Clock => {
                let (now_ms, rows) = two_numbers(answer)?;
                let ahead_ms = i64::from(limits::MIGRATE_AHEAD_MS);
                self.since_ms = if rows == 0 { 0 } else { now_ms.saturating_add(ahead_ms) };
                self.make();
            }
            Job::Since(file) => {
                let since_ms = answer.trim().parse::<i64>();
                self.fill(file, since_ms.map_err(|_| format!("{} has no moment", file.name))?);
            }
            Job::Wait(until_ms) => {
                self.seen_ms = two_numbers(answer)?.0;
                if self.seen_ms < until_ms {
                    self.jobs.push_front(Job::Wait(until_ms));
                }
            }
        }
        Ok(self.next())
    }

    /// What is missing is known. The moment can be known only once events is there.
    fn plan(&mut self, is_first: bool) {
        if self.options.dry_run {
            self.dry_run();
            return;
        }
        if self.report.files.is_empty() {
            self.end();
            return;
        }
        if is_first {
            let events = FILES.iter().find(|file| file.name == "001_events");
            self.push_statements(events.map_or("", |file| file.sql));
        }
        self.jobs.push_back(Job::Clock);
    }

    /// Every missing file's statements in order; what can be recorded at once is.
    fn make(&mut self) {
        let missing: Vec<&'static File> = self.missing().collect();
        let mut recorded = Vec::new();
        let mut live = Vec::new();
        for file in missing {
            self.push_statements(file.sql);
            if view(file).is_some() {
                live.push(Job::Since(file));
            } else {
                recorded.push(file.name);
            }
        }
        self.jobs.extend(self.record(&recorded));
        self.jobs.extend(live);
        self.end();
    }

    /// The view's moment is known: the rows before it, before everything else that is left.
    fn fill(&mut self, file: &'static File, since_ms: i64) {
        let mut first = Vec::new();
        if let Some(view) = view(file).filter(|_| since_ms > 0) {
            let settle_ms = self.options.settle_ms.unwrap_or(limits::MIGRATE_SETTLE_MS);
            let until_ms = since_ms.saturating_add(i64::from(settle_ms));
            first.extend((self.seen_ms < until_ms).then_some(Job::Wait(until_ms)));
            first.push(Job::Statement(self.rows(&with_since(&view.fill(), since_ms))));
        }
        first.extend(self.record(&[file.name]));
        for job in first.into_iter().rev() {
            self.jobs.push_front(job);
        }
    }

    fn end(&mut self) {
        let last = self.tables.iter().cloned().chain(self.options.ttl_days.map(ttl));
        let made: Vec<_> = last.flat_map(|sql| self.made(&sql)).collect();
        self.jobs.extend(made.into_iter().map(Job::Statement));
    }

    /// The same statements, for reading.
    fn dry_run(&mut self) {
        let mut all = Vec::new();
        for file in self.missing() {
            all.extend(statements(file.sql).into_iter().flat_map(|sql| self.made(sql)));
        }
        for file in self.missing() {
            all.extend(view(file).map(|view| self.rows(&view.fill())));
        }
        let last = self.tables.iter().cloned().chain(self.options.ttl_days.map(ttl));
        all.extend(last.flat_map(|sql| self.made(&sql)));
        self.report.statements = all;
    }

    /// A statement that makes or changes something, for where it runs.
    fn made(&self, sql: &str) -> Vec<String> {
        self.cluster.as_ref().map_or_else(|| vec![sql.to_owned()], |cluster| cluster.make(sql))
    }

    /// A statement on rows, for where it runs.
    fn rows(&self, sql: &str) -> String {
        self.cluster.as_ref().map_or_else(|| sql.to_owned(), |cluster| cluster.rows(sql))
    }

    /// Fails where tables of another kind are: each `CREATE` would pass over them.
    fn same_kind(&self) -> String {
        let is_sharded = self.cluster.as_ref().is_some_and(Cluster::is_sharded);
        let than = if is_sharded { "a table of several shards" } else { "a table of one server" };
        format!(
            "SELECT throwIf((engine = 'Distributed') != {is_sharded}, 'events is here already, and is \
             not {than}') FROM system.tables WHERE database = currentDatabase() AND name = 'events'"
        )
    }

    /// Two runs at once both record a file; names are read DISTINCT.
    fn record(&self, files: &[&str]) -> Option<Job> {
        let values: Vec<_> = files.iter().map(|name| format!("('{name}')")).collect();
        let sql = format!(
            "INSERT INTO migrations (name) SETTINGS distributed_foreground_insert = 1 VALUES {}",
            values.join(", ")
        );
        (!files.is_empty()).then(|| Job::Statement(self.rows(&sql)))
    }

    fn missing(&self) -> impl Iterator<Item = &'static File> + use<> {
        let names = self.report.files.clone();
        FILES.iter().filter(move |file| names.contains(&file.name))
    }

    fn push_statements(&mut self, sql: &str) {
        for sql in statements(sql) {
            let made = self.made(&with_since(sql, self.since_ms));
            self.jobs.extend(made.into_iter().map(Job::Statement));
        }
    }

    fn next(&self) -> Next {
        match self.jobs.front() {
            None => Next::Done(self.report.clone()),
            Some(Job::Statement(sql)) => Next::Query(sql.clone()),
            Some(Job::Recorded) => Next::Query(self.rows("SELECT DISTINCT name FROM migrations")),
            Some(Job::Clock) => {
                Next::Query(self.rows(&format!("{CLOCK}, (SELECT count() FROM events)")))
            }
            Some(Job::Since(file)) => {
                let name = view(file).map_or("", |view| view.name);
                Next::Query(since(name))
            }
            // A pause of the server's; the greatest that it allows.
            Some(Job::Wait(_)) => Next::Query(format!("{CLOCK}, sleep(3)")),
        }
    }
}

const CLOCK: &str = "SELECT toUnixTimestamp64Milli(now64(3))";

/// The moment as the view that exists has it.
fn since(view: &str) -> String {
    format!(
        "SELECT extract(create_table_query, 'fromUnixTimestamp64Milli\\\\((\\\\d+)') \
         FROM system.tables WHERE database = currentDatabase() AND name = '{view}'"
    )
}

fn ttl(days: u32) -> String {
    format!("ALTER TABLE events MODIFY TTL toDateTime(occurred_at) + toIntervalDay({days})")
}

/// The live view that is the whole of this file, if it is one.
fn view(file: &'static File) -> Option<LiveView<'static>> {
    statements(file.sql).first().and_then(|statement| LiveView::parse(statement))
}

fn two_numbers(answer: &str) -> Result<(i64, i64), String> {
    let mut numbers = answer.split_whitespace().map(str::parse::<i64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(second))) => Ok((first, second)),
        _ => Err("the server did not tell its time".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(next: Next) -> String {
        let Next::Query(sql) = next else { panic!("{next:?}") };
        sql
    }

    fn names() -> String {
        FILES.iter().map(|file| format!("{}\n", file.name)).collect()
    }

    /// Answers each statement by what it is; all statements and the report.
    fn drive(run: &mut Run, recorded: &str, rows: u32, since: &str) -> (Vec<String>, Report) {
        let mut said = Vec::new();
        let mut next = run.begin();
        loop {
            let sql = match next {
                Next::Done(report) => return (said, report),
                Next::Query(sql) => sql,
            };
            let answer = if sql.starts_with("SELECT DISTINCT name") {
                recorded.to_owned()
            } else if sql.contains("(SELECT count() FROM events") {
                format!("1000\t{rows}\n")
            } else if sql.contains("sleep(3)") {
                "99999\t0\n".to_owned()
            } else if sql.contains("create_table_query") {
                format!("{since}\n")
            } else {
                String::new()
            };
            said.push(sql);
            next = run.take(Ok(&answer)).unwrap();
        }
    }

    #[test]
    fn a_first_run_makes_everything_in_order_and_fills_nothing() {
        let (said, report) = drive(&mut Run::new(Options::default()), "", 0, "0");
        assert_eq!(report.files, FILES.iter().map(|file| file.name).collect::<Vec<_>>());
        let made: Vec<_> = said.iter().filter(|sql| sql.contains("CREATE")).collect();
        // The migrations' own table, and events, come first, to ask them; then all in order.
        let makes = FILES.iter().filter(|file| file.sql.contains("CREATE")).count();
        assert_eq!(made.len(), makes + 2);
        let view = said.iter().find(|sql| sql.contains("VIEW IF NOT EXISTS event_days")).unwrap();
        assert!(view.contains("received_at >= fromUnixTimestamp64Milli(0, 'UTC')"), "{view}");
        assert!(!said.iter().any(|sql| sql.contains("INSERT INTO event_days")));
    }

    #[test]
    fn a_rollup_on_a_table_in_use_begins_ahead_and_is_filled_once_that_has_settled() {
        let recorded = names().replace("007_event_totals_view\n", "");
        let (said, report) = drive(&mut Run::new(Options::default()), &recorded, 7, "5500");
        assert_eq!(report.files, ["007_event_totals_view"]);
        let tail: Vec<_> = said.iter().rev().take(5).rev().collect();
        assert!(tail[0].contains("received_at >= fromUnixTimestamp64Milli(6000, 'UTC')"));
        assert_eq!(*tail[1], since("event_totals_view"));
        assert!(tail[2].contains("sleep(3)"));
        // The moment is that of the view that exists, whoever made it.
        assert!(tail[3].starts_with("INSERT INTO event_totals\n"));
        assert!(tail[3].contains("received_at < fromUnixTimestamp64Milli(5500, 'UTC')"));
        assert_eq!(
            tail[4],
            "INSERT INTO migrations (name) SETTINGS distributed_foreground_insert = 1 \
             VALUES ('007_event_totals_view')"
        );
    }

    #[test]
    fn the_filling_waits_until_the_moment_has_settled() {
        let recorded = names().replace("007_event_totals_view\n", "");
        let mut run = Run::new(Options::default());
        run.begin();
        run.take(Ok("")).unwrap();
        run.take(Ok("")).unwrap();
        run.take(Ok(&recorded)).unwrap();
        run.take(Ok("1000\t7")).unwrap();
        run.take(Ok("")).unwrap();
        assert!(query(run.take(Ok("6000")).unwrap()).contains("sleep(3)"));
        assert!(query(run.take(Ok("20999\t0")).unwrap()).contains("sleep(3)"));
        assert!(query(run.take(Ok("21000\t0")).unwrap()).starts_with("INSERT INTO event_totals"));
    }

    #[test]
    fn with_everything_recorded_nothing_is_done_but_the_ttl() {
        let (said, report) = drive(&mut Run::new(Options::default()), &names(), 7, "0");
        assert_eq!((said.len(), report.files.len()), (3, 0));
        let options = Options { ttl_days: Some(90), ..Options::default() };
        let (said, _) = drive(&mut Run::new(options), &names(), 7, "0");
        let ttl = "ALTER TABLE events MODIFY TTL toDateTime(occurred_at) + toIntervalDay(90)";
        assert_eq!(said[3..], [ttl]);
    }

    #[test]
    fn a_dry_run_asks_what_is_recorded_and_nothing_else() {
        let options = Options { dry_run: true, ..Options::default() };
        let mut run = Run::new(options);
        assert_eq!(query(run.begin()), "SELECT DISTINCT name FROM migrations");
        let missing = Failure { code: Some("81".into()), message: "no database".into() };
        let Next::Done(report) = run.take(Err(missing)).unwrap() else { panic!() };
        assert_eq!(report.files.len(), FILES.len());
        assert!(report.statements.iter().any(|sql| sql.contains("INSERT INTO user_days")));
    }

    #[test]
    fn what_clickhouse_refuses_ends_the_run_with_its_words() {
        let refused = || Failure { code: Some("497".into()), message: "ACCESS_DENIED".into() };
        let mut run = Run::new(Options::default());
        run.begin();
        assert_eq!(run.take(Err(refused())), Err("ACCESS_DENIED".into()));
        let mut run = Run::new(Options { dry_run: true, ..Options::default() });
        run.begin();
        assert_eq!(run.take(Err(refused())), Err("ACCESS_DENIED".into()));
    }

    #[test]
    fn an_answer_that_is_none_ends_the_run() {
        let mut run = Run::new(Options::default());
        run.begin();
        for _ in 0..4 {
            run.take(Ok("")).unwrap();
        }
        assert_eq!(run.take(Ok("soon")), Err("the server did not tell its time".into()));
    }

    #[test]
    fn declared_tables_are_made_at_every_run_behind_everything_else() {
        let tables = Tables::parse(include_str!("../../tables.example.json")).unwrap();
        let statements = tables.statements();
        let names: String = FILES.iter().map(|file| format!("{}\n", file.name)).collect();
        let mut run = Run::new(Options { ttl_days: Some(3), ..Options::default() });
        run = run.with_tables(&tables);
        let (said, report) = drive(&mut run, &names, 0, "0");
        assert_eq!(said[said.len() - 4..said.len() - 1], statements);
        assert_eq!((report.files.len(), &*report.tables), (0, &["my_feature_events".into()][..]));
        let mut run = Run::new(Options { dry_run: true, ..Options::default() });
        run = run.with_tables(&tables);
        let (_, report) = drive(&mut run, &names, 0, "0");
        assert_eq!(report.statements, statements);
    }

    fn cluster(text: &str) -> Option<Cluster> {
        Cluster::parse(text).unwrap()
    }

    #[test]
    fn on_a_cluster_every_table_is_made_on_every_replica() {
        for (text, tables) in [("main", 1), ("main:shards", 2)] {
            let cluster = cluster(text);
            let mut run = Run::new(Options::default()).on_cluster(cluster.as_ref());
            let (said, _) = drive(&mut run, "", 0, "0");
            let mut dry = Run::new(Options { dry_run: true, ..Options::default() });
            dry = dry.on_cluster(cluster.as_ref());
            let (_, report) = drive(&mut dry, "", 0, "0");
            for statements in [said, report.statements] {
                let made = statements.iter().filter(|sql| sql.contains("CREATE TABLE"));
                assert!(made.clone().count() > 10 * tables);
                assert!(made.clone().all(|sql| sql.contains(" ON CLUSTER 'main'")));
            }
        }
    }

    #[test]
    fn a_server_that_is_a_shard_asks_and_fills_its_own_tables() {
        let cluster = cluster("main:servers");
        let recorded = names().replace("007_event_totals_view\n", "");
        let mut run = Run::new(Options::default()).on_cluster(cluster.as_ref());
        let (said, _) = drive(&mut run, &recorded, 7, "5500");
        assert!(
            said.iter()
                .any(|sql| sql == "SELECT DISTINCT name FROM migrations_local AS migrations")
        );
        assert!(
            said.iter().any(|sql| sql.ends_with("(SELECT count() FROM events_local AS events)"))
        );
        let filled = said.iter().find(|sql| sql.starts_with("INSERT INTO event_totals_local\n"));
        assert!(
            filled.unwrap().contains("\nFROM events_local AS events\nWHERE received_at < from")
        );
        assert!(said.last().unwrap().starts_with("INSERT INTO migrations_local (name) "));
        assert!(!said.iter().any(|sql| sql.contains("CLUSTER") || sql.contains("Replicated")));
    }

    #[test]
    fn tables_of_another_kind_end_the_run_before_anything_is_made() {
        for (text, is_sharded, kind) in [
            ("", "false", "a table of one server"),
            ("main", "false", "a table of one server"),
            ("main:shards", "true", "a table of several shards"),
        ] {
            let mut run = Run::new(Options::default()).on_cluster(cluster(text).as_ref());
            let asked = query(run.begin());
            assert!(asked.contains(&format!("(engine = 'Distributed') != {is_sharded}, ")));
            assert!(asked.contains(kind), "{asked}");
            let refused = Failure { code: Some("395".into()), message: "is not".into() };
            assert_eq!(run.take(Err(refused)), Err("is not".into()));
        }
    }
}
