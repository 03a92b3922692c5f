-- query: daily
-- key: public
-- cache: 0
-- param: entity_type String -- such as Model
-- param: id String -- the entity
-- column: date Date -- day of UTC; days without events are left out
-- column: events UInt64 -- rows
-- column: sum Float64 -- sum of their values
SELECT day AS date, sum(rows) AS events, sum(value_sum) AS sum
FROM entity_days
WHERE site = {site:String}
    AND entity_type = {entity_type:String}
    AND entity_id = {id:String}
    AND bot = ''
GROUP BY day
ORDER BY day
