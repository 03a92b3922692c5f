//! How far a row's partition may lie from now. An insert into more than a hundred partitions is
//! refused by ClickHouse as a whole: one batch from all times would hold up the group
//! that it is in, and every part takes a place in the table's window.

use super::Tables;
use crate::limits;
use crate::refusal::{Code, Refusal};
use tallymark::block;
use tallymark::column::Scalar;
use tallymark::schema::{By, Table};
use tallymark::time::UnixMs;

const DAY_MS: i64 = 86_400_000;

impl Tables {
    /// Whether a checked block's rows land in partitions near `now`, for a table that is partitioned by
    /// a time of its clients'.
    ///
    /// # Errors
    /// `bad_block` with the row and the column.
    pub fn check_near(&self, table: &Table, body: &[u8], now: UnixMs) -> Result<(), Refusal> {
        let partition =
            self.find(&table.name).and_then(|declared| declared.partition_by.as_deref());
        let Some(name) = partition
            .filter(|name| table.column(name).is_some_and(|column| column.by == By::Client))
        else {
            return Ok(());
        };
        let block = block::walk(body)?;
        let Some(column) = block.column(name) else { return Ok(()) };
        let scalar = column.ty().scalar;
        let width = match scalar {
            Scalar::Date => 2,
            Scalar::DateTime => 4,
            _ => 8,
        };
        let (least, most) =
            (now.plus_ms(-limits::PARTITION_PAST_MS), now.plus_ms(limits::CLOCK_AHEAD_MS));
        for (row, bytes) in column.data().chunks_exact(width).enumerate() {
            let mut wide = [0; 8];
            for (to, from) in wide.iter_mut().zip(bytes) {
                *to = *from;
            }
            let value = i64::from_le_bytes(wide);
            let time = UnixMs(match scalar {
                Scalar::Date => value * DAY_MS,
                Scalar::DateTime => value * 1_000,
                _ => value,
            });
            if time < least || time > most {
                return Err(Refusal {
                    code: Code::BadBlock,
                    message: format!("{name} says the partition: five years back to a day ahead"),
                    row: u64::try_from(row).ok(),
                    column: Some(name.to_owned()),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rows;
    use super::*;
    use crate::testing::NOW;

    /// What is said of rows whose `at`, of this type, are these.
    fn told(type_name: &str, times: &[&str]) -> Result<(), (Option<u64>, Option<String>)> {
        let json = format!(
            r#"[{{"name":"t","order_by":["at"],"partition_by":"at",
                "columns":[{{"name":"at","type":"{type_name}"}}]}}]"#
        );
        let tables = Tables::parse(&json).unwrap();
        let declared = tables.find("t").unwrap();
        let mut rows = Rows::new(declared, UnixMs(NOW));
        for time in times {
            rows.push(&format!(r#"{{"at":"{time}"}}"#)).unwrap();
        }
        tables
            .check_near(&declared.table, &rows.encode(), UnixMs(NOW))
            .map_err(|refusal| (refusal.row, refusal.column))
    }

    #[test]
    fn a_partition_s_time_is_at_most_five_years_back_and_a_day_ahead() {
        // Now is 2026-11-23T12:00:00Z.
        let far = |row| Err((Some(row), Some("at".into())));
        for (type_name, first, before, last, behind) in [
            (
                "DateTime64(3)",
                "2021-11-23T12:00:00.000Z",
                "2021-11-23T11:59:59.999Z",
                "2026-11-24T12:00:00.000Z",
                "2026-11-24T12:00:00.001Z",
            ),
            (
                "DateTime",
                "2021-11-23T12:00:00Z",
                "2021-11-23T11:59:59Z",
                "2026-11-24T12:00:00Z",
                "2026-11-24T12:00:01Z",
            ),
            ("Date", "2021-11-24", "2021-11-23", "2026-11-24", "2026-11-25"),
        ] {
            assert_eq!(told(type_name, &[first, last]), Ok(()), "{type_name}");
            assert_eq!(told(type_name, &[first, before]), far(1), "{type_name}");
            assert_eq!(told(type_name, &[behind, first]), far(0), "{type_name}");
        }
    }

    #[test]
    fn a_table_that_its_clients_do_not_partition_takes_any_time() {
        let tables = Tables::parse(
            r#"[{"name":"t","order_by":["at"],"columns":[{"name":"at","type":"DateTime"}]}]"#,
        )
        .unwrap();
        let declared = tables.find("t").unwrap();
        let mut rows = Rows::new(declared, UnixMs(NOW));
        rows.push(r#"{"at":0}"#).unwrap();
        assert_eq!(tables.check_near(&declared.table, &rows.encode(), UnixMs(NOW)), Ok(()));
    }
}
