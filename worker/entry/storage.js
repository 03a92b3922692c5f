// A shard's rows in a Durable Object's SQLite storage. Ids are 16 bytes; a body is NULL once
// ClickHouse has it.

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS layout (shards INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS given_up (batches INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS groups (
    id BLOB PRIMARY KEY,
    target TEXT NOT NULL,
    members BLOB NOT NULL,
    body BLOB,
    aside TEXT
  );
  CREATE TABLE IF NOT EXISTS slices (
    hour INTEGER NOT NULL,
    part INTEGER NOT NULL,
    run INTEGER NOT NULL,
    keys BLOB NOT NULL,
    PRIMARY KEY (hour, part, run)
  ) WITHOUT ROWID;
`;

export class Rows {
  constructor(storage) {
    this.storage = storage;
    this.sql = storage.sql;
    this.sql.exec(SCHEMA);
  }

  // Pages that are free again are not among them.
  get storedBytes() {
    return this.sql.databaseSize;
  }

  shards() {
    return this.sql.exec("SELECT shards FROM layout").toArray()[0]?.shards;
  }

  // Hands every stored row to the shard, one at a time; bodies stay where they are.
  feed(shard) {
    const [givenUp] = this.sql.exec("SELECT batches FROM given_up").toArray();
    if (givenUp) shard.storedGivenUp(givenUp.batches);
    const groups = this.sql.exec(
      "SELECT id, target, members, coalesce(length(body), 0) AS bytes, aside FROM groups ORDER BY id",
    );
    for (const { id, target, members, bytes, aside } of groups) {
      const code = aside ?? undefined;
      shard.storedGroup(new Uint8Array(id), target, new Uint8Array(members), bytes, code);
    }
    const slices = this.sql.exec("SELECT hour, max(run) AS run FROM slices GROUP BY hour");
    for (const { hour, run } of slices) shard.storedSlice(hour, run);
  }

  writeShards(shards) {
    this.storage.transactionSync(() => {
      this.sql.exec("DELETE FROM layout");
      this.sql.exec("INSERT INTO layout VALUES (?)", shards);
    });
  }

  writeGroup({ group, table, members, body }) {
    this.sql.exec(
      "INSERT INTO groups (id, target, members, body) VALUES (?, ?, ?, ?)",
      group,
      table,
      members,
      body,
    );
  }

  clearBody(group) {
    this.sql.exec("UPDATE groups SET body = NULL, aside = NULL WHERE id = ?", group);
  }

  giveUp(group, givenUp) {
    this.storage.transactionSync(() => {
      this.clearBody(group);
      this.sql.exec("DELETE FROM given_up");
      this.sql.exec("INSERT INTO given_up VALUES (?)", givenUp);
    });
  }

  body(group) {
    const [row] = this.sql.exec("SELECT body FROM groups WHERE id = ?", group).toArray();
    return row?.body ? new Uint8Array(row.body) : undefined;
  }

  bodyAside(group) {
    const [row] = this.sql
      .exec("SELECT body FROM groups WHERE id = ? AND aside IS NOT NULL", group)
      .toArray();
    return row?.body ? new Uint8Array(row.body) : undefined;
  }

  split(group, rows) {
    this.storage.transactionSync(() => {
      this.sql.exec("DELETE FROM groups WHERE id = ?", group);
      for (const row of rows) this.writeGroup(row);
    });
  }

  setAside(group, code) {
    this.sql.exec("UPDATE groups SET aside = ? WHERE id = ?", code, group);
  }

  slices(hour, part) {
    const rows = this.sql.exec("SELECT keys FROM slices WHERE hour = ? AND part = ?", hour, part);
    return rows.toArray().map(({ keys }) => new Uint8Array(keys));
  }

  moveKnown(groups, slices) {
    this.storage.transactionSync(() => {
      for (const { hour, part, run, keys } of slices) {
        this.sql.exec("INSERT INTO slices VALUES (?, ?, ?, ?)", hour, part, run, keys);
      }
      for (const group of groups) this.sql.exec("DELETE FROM groups WHERE id = ?", group);
    });
  }

  dropSlices(before) {
    this.sql.exec("DELETE FROM slices WHERE run < ?", before);
  }
}
