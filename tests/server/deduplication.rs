//! The simulation's model of ClickHouse against the real one: the same seeded inserts, with tokens
//! that come again, over a month's end, under a view that fails, four at once.

use crate::Database;
use crate::dice::Dice;
use crate::model::{ClickHouse, Insert, RowKey, Trouble, month};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use tallymark::block;
use tallymark::column::{Push, UInt32, Uuids};
use tallymark::rng::{Rng, Uuid};
use tallymark::time::UnixMs;

/// Parts that a table remembers; few, so that tokens get lost.
const WINDOW: usize = 6;
/// Inserts of a play. Each costs the server some milliseconds.
const INSERTS: usize = 400;
/// 2026-12-01T00:00:00Z.
const MONTH_ENDS: i64 = 1_796_083_200_000;

/// One insert, so that it can be made again.
#[derive(Clone)]
struct Batch {
    token: Uuid,
    /// The row's number, and the id that places it.
    rows: Vec<(u32, Uuid)>,
}

impl Batch {
    fn draw(first_row: u32, dice: &mut Dice, rng: &mut Rng) -> Self {
        let rows = 1 + dice.below(4) as u32;
        let spread_ms = dice.pick(&[0, 0, 6_000]);
        let at = MONTH_ENDS + dice.pick(&[-1_000, 1_000]);
        let id =
            |_| rng.uuid_v7(UnixMs(at + dice.below(spread_ms + 1) as i64 - spread_ms as i64 / 2));
        let ids: Vec<Uuid> = (0..rows).map(id).collect();
        let token = rng.uuid_v7(UnixMs(at));
        Self { token, rows: (first_row..).zip(ids).collect() }
    }

    /// The same rows, placed anew: what a time that is corrected at every try would do.
    fn moved(&self, dice: &mut Dice, rng: &mut Rng) -> Self {
        let at = MONTH_ENDS + dice.pick(&[-1_000, 1_000]);
        let rows = self.rows.iter().map(|(row, _)| (*row, rng.uuid_v7(UnixMs(at)))).collect();
        Self { token: self.token, rows }
    }

    fn for_model(&self) -> Insert {
        let row = |(seq, id): &(u32, Uuid)| {
            let row = RowKey { site: 0, page: Uuid::default(), seq: *seq, event: 0, total: 0 };
            (row, id.v7_time().unwrap())
        };
        Insert::new(self.token, self.rows.iter().map(row))
    }

    fn months(&self) -> BTreeSet<i64> {
        self.rows.iter().filter_map(|(_, id)| id.v7_time()).map(month).collect()
    }

    fn body(&self) -> Vec<u8> {
        let (mut rows, mut ids, mut out) = (UInt32::default(), Uuids::default(), Vec::new());
        for (row, id) in &self.rows {
            rows.push(*row);
            ids.push(*id);
        }
        block::encode(&[("row", &rows), ("batch_id", &ids)], &mut out);
        out
    }
}

/// The tables on the server: `events` and what a view makes of it, with a window and without.
struct Tables {
    database: Database,
}

impl Tables {
    fn new(test: &str) -> Self {
        let database = Database::new(test);
        let name = &database.name;
        let rollup = "(row UInt32, rows UInt64) ENGINE = SummingMergeTree ORDER BY row";
        let window = format!("SETTINGS non_replicated_deduplication_window = {WINDOW}");
        for statement in [
            format!(
                "CREATE TABLE {name}.events (row UInt32, batch_id UUID) ENGINE = MergeTree \
                 PARTITION BY toYYYYMM(UUIDv7ToDateTime(batch_id, 'UTC')) ORDER BY row {window}"
            ),
            format!("CREATE TABLE {name}.rollup {rollup} {window}"),
            format!("CREATE TABLE {name}.control {rollup}"),
            format!("CREATE TABLE {name}.trouble (n UInt8) ENGINE = Memory"),
        ] {
            database.client.query(&statement);
        }
        for target in ["rollup", "control"] {
            database.client.query(&format!(
                "CREATE MATERIALIZED VIEW {name}.{target}_view TO {name}.{target} AS \
                 SELECT row, count() AS rows FROM {name}.events \
                 WHERE throwIf((SELECT count() FROM {name}.trouble) > 0) = 0 GROUP BY row"
            ));
        }
        Self { database }
    }

    fn set_trouble(&self, is_there: bool) {
        let name = &self.database.name;
        self.database.client.query(&format!("TRUNCATE TABLE {name}.trouble"));
        if is_there {
            self.database.client.query(&format!("INSERT INTO {name}.trouble VALUES (1)"));
        }
    }

    /// Whether each of so many inserts at once was answered with success.
    fn insert(&self, batch: &Batch, at_once: usize) -> Vec<bool> {
        let table = format!("{}.events", self.database.name);
        let body = batch.body();
        let token = String::from_utf8(batch.token.to_text().to_vec()).unwrap();
        let one = || self.database.client.try_insert(&table, &token, &body);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().is_ok()).collect()
        })
    }

    /// How often each row is there.
    fn rows(&self, table: &str, count: &str) -> BTreeMap<u32, u32> {
        let name = &self.database.name;
        let asked =
            format!("SELECT row, toUInt32({count}) FROM {name}.{table} GROUP BY row FORMAT TSV");
        let text = self.database.client.text(&asked);
        let line = |line: &str| {
            let (row, times) = line.split_once('\t').unwrap();
            (row.parse().unwrap(), times.parse().unwrap())
        };
        text.lines().map(line).collect()
    }
}

fn numbers(rows: &BTreeMap<RowKey, u32>) -> BTreeMap<u32, u32> {
    rows.iter().map(|(row, times)| (row.seq, *times)).collect()
}

#[test]
fn the_simulations_clickhouse_deduplicates_like_the_real_one() {
    let tables = Tables::new("deduplication");
    let mut with_window = ClickHouse::new(WINDOW, WINDOW);
    let mut control = ClickHouse::new(WINDOW, 0);
    let mut dice = Dice::new(7);
    let mut rng = Rng::new(dice.seed());
    let mut made: Vec<Batch> = Vec::new();
    let (mut first_row, mut happened) = (0, BTreeMap::<&str, u32>::new());
    for _ in 0..INSERTS {
        let reach = made.len().min(WINDOW + 3) as u64;
        let batch = if reach == 0 || dice.chance(45) {
            Batch::draw(first_row, &mut dice, &mut rng)
        } else {
            let old = made[made.len() - 1 - dice.below(reach) as usize].clone();
            if dice.chance(25) { old.moved(&mut dice, &mut rng) } else { old }
        };
        let trouble = if dice.chance(20) { Trouble::InView } else { Trouble::None };
        let at_once = dice.pick(&[1, 1, 1, 4]);
        if trouble == Trouble::InView {
            tables.set_trouble(true);
        }
        let answers = tables.insert(&batch, at_once);
        if trouble == Trouble::InView {
            tables.set_trouble(false);
        }
        let insert = batch.for_model();
        for _ in 0..at_once {
            let is_durable = with_window.insert(&insert, trouble);
            control.insert(&insert, trouble);
            assert_eq!(answers, vec![is_durable; at_once]);
        }
        let is_again = batch.rows[0].0 < first_row;
        for (what, happens) in [
            ("token again", is_again),
            ("over a month's end", batch.months().len() > 1),
            ("view fails", trouble == Trouble::InView),
            ("four at once", at_once == 4),
        ] {
            *happened.entry(what).or_default() += u32::from(happens);
        }
        first_row = first_row.max(batch.rows[batch.rows.len() - 1].0 + 1);
        made.push(batch);

        assert_eq!(tables.rows("events", "count()"), numbers(with_window.rows()));
        assert_eq!(tables.rows("rollup", "sum(rows)"), numbers(with_window.counted()));
        assert_eq!(tables.rows("control", "sum(rows)"), numbers(control.counted()));
    }
    println!("{happened:?}");
    let times = |rows: &BTreeMap<RowKey, u32>| rows.values().filter(|times| **times > 1).count();
    // What the windows are for, and what they cannot do, was among it.
    assert!(happened.values().all(|times| *times >= 20), "{happened:?}");
    assert!(times(control.counted()) > times(with_window.counted()));
    assert!(times(with_window.rows()) > 0, "no token was forgotten");
}
