-- query: activity
-- key: reader
-- cache: 3600
-- param: entity_type String -- such as post
-- param: name String -- the event, such as view
-- param: days UInt32 28 -- length of the window that ends now, in days
-- range: days 1 366
-- column: weekday UInt8 -- 1 is Monday, of UTC
-- column: hour UInt8 -- hour of the day, of UTC
-- column: events UInt64 -- rows; hours without events are left out
SELECT
    toDayOfWeek(occurred_at) AS weekday,
    toHour(occurred_at) AS hour,
    count() AS events
FROM events
WHERE site = {site:String}
    AND entity_type = {entity_type:String}
    AND name = {name:String}
    AND bot = ''
    AND occurred_at >= {now:DateTime64(3, 'UTC')} - toIntervalDay({days:UInt32})
GROUP BY weekday, hour
ORDER BY weekday, hour
