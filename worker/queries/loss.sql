-- query: loss
-- key: reader
-- cache: 0
-- param: page_id String -- the page view, a UUID
-- column: page_id String -- the page view
-- column: expected UInt64 -- events: the greatest seq + 1; a lost tail shows no gap
-- column: stored UInt64 -- of these, how many are in events
-- column: dropped Map(String,UInt64) -- what the page itself dropped, by reason
SELECT
    {page_id:String} AS page_id,
    if(count() = 0, 0, toUInt64(max(seq)) + 1) AS expected,
    uniqExact(seq) AS stored,
    maxMapIf(
        map(toString(entity_type), toUInt64(greatest(value, 0))),
        name = '$dropped') AS dropped
FROM events
WHERE site = {site:String} AND events.page_id = toUUIDOrNull({page_id:String})
