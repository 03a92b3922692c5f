-- What came since a moment is asked for before a batch that is not young is inserted
-- (worker/src/insert.rs). Its ids may be of any time, so no partition can be left out by them; the
-- parts and granules that were complete before can, by this; `max_rows_to_read` counts what is left.
ALTER TABLE events ADD INDEX IF NOT EXISTS by_arrival received_at TYPE minmax;
ALTER TABLE events MATERIALIZE INDEX by_arrival
