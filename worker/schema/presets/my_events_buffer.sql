-- The metrics document's buffer before my_events, which must be there.
--
-- WARNING: a Buffer table ignores deduplication tokens, and what it holds is lost when the server
-- is killed: a batch that is sent again counts twice. The tracker's own batches make it needless.
--
-- Rows that are not flushed yet are seen through the buffer alone: read my_events_buffer, not
-- my_events.
CREATE TABLE IF NOT EXISTS my_events_buffer AS my_events
ENGINE = Buffer(
    currentDatabase(), -- database
    my_events, -- destination table
    16, -- num_layers
    10, 100, -- min/max seconds
    10000, 1000000, -- min/max rows
    10000000, 100000000 -- min/max bytes
)
