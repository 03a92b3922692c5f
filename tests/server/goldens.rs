//! What each golden asks for, sent by us, reads back as the golden's own answer.

use crate::format::Golden;
use crate::{Database, ours};

#[test]
fn clickhouse_reads_ours_back_equal_for_every_type() {
    let database = Database::new("goldens");
    let ours = ours::all();
    for golden in Golden::all() {
        let (name, columns) = ours.iter().find(|(name, _)| *name == golden.name).unwrap();
        let declared: Vec<_> = columns
            .iter()
            .map(|(name, column)| {
                let mut ty = Vec::new();
                column.write_type(&mut ty);
                format!("{name} {}", String::from_utf8(ty).unwrap())
            })
            .collect();
        let table = database.table(name, &declared.join(", "));
        // Twice in one body: blocks concatenate.
        database.client.insert(&table, &ours::encode(columns).repeat(2));
        let back = database.client.text(&format!("SELECT * FROM {table} FORMAT JSONEachRow"));
        let asked = database.client.text(&format!("{} FORMAT JSONEachRow", golden.query));
        assert_eq!(back, asked.repeat(2), "{name}");
    }
}

#[test]
fn the_goldens_are_what_the_server_answers() {
    let database = Database::new("answers");
    for golden in Golden::all() {
        let bytes = database.client.query(&format!("{} FORMAT Native", golden.query));
        assert_eq!(bytes, golden.bytes, "{}", golden.name);
    }
}
