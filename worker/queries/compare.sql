-- query: compare
-- key: reader
-- cache: 0
-- param: entity_type String -- such as post
-- param: id String -- the entity
-- param: name String -- the event, such as view
-- column: source String -- the table that was asked
-- column: events UInt64 -- rows, bots included
-- column: sum Float64 -- sum of their values
--
-- One fact, counted from every table that holds it: all rows of the answer must be equal.
SELECT source, events, sum
FROM
(
    SELECT 'events' AS source, count() AS events, sum(value) AS sum
    FROM events
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
    UNION ALL
    SELECT 'entity_totals' AS source, sum(rows) AS events, sum(value_sum) AS sum
    FROM entity_totals
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
    UNION ALL
    SELECT 'event_totals' AS source, sum(rows) AS events, sum(value_sum) AS sum
    FROM event_totals
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
    UNION ALL
    SELECT 'entity_hours' AS source, sum(rows) AS events, sum(value_sum) AS sum
    FROM entity_hours
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
    UNION ALL
    SELECT 'entity_days' AS source, sum(rows) AS events, sum(value_sum) AS sum
    FROM entity_days
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
    UNION ALL
    SELECT 'event_days' AS source, sum(rows) AS events, sum(value_sum) AS sum
    FROM event_days
    WHERE site = {site:String}
        AND entity_type = {entity_type:String}
        AND entity_id = {id:String}
        AND name = {name:String}
)
ORDER BY source
