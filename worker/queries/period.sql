-- query: period
-- key: public
-- cache: 0
-- param: entity_type String -- such as Model
-- param: id String -- the entity
-- param: from Date -- the first day, of UTC
-- param: to Date -- the last day, itself included
-- column: name String -- the event
-- column: events UInt64 -- rows
-- column: sum Float64 -- sum of their values
SELECT name, sum(rows) AS events, sum(value_sum) AS sum
FROM entity_days
WHERE site = {site:String}
    AND entity_type = {entity_type:String}
    AND entity_id = {id:String}
    AND bot = ''
    AND day >= {from:Date}
    AND day <= {to:Date}
GROUP BY name
ORDER BY name
