-- The columns that a window over all entities needs, a second time, ordered by time: the window's
-- first, partial day is read from here (measured at 20M events: 0.2M rows read, not 2M; 13 % more
-- on the disk). ClickHouse chooses it by itself.
ALTER TABLE events ADD PROJECTION IF NOT EXISTS by_time
(
    SELECT site, entity_type, name, occurred_at, entity_id, value, bot
    ORDER BY site, entity_type, name, occurred_at
);
ALTER TABLE events MATERIALIZE PROJECTION by_time
