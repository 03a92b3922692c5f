-- All events as the ClickHouse metrics document has them: its SQL runs on this as it is written.
-- People only, all sites. An id that is no Int32 is left out, a missing user is 0, and a value's
-- fraction is cut, as what is beyond an Int32.
CREATE VIEW IF NOT EXISTS entityMetricEvents AS
SELECT
    entity_type AS entityType,
    assumeNotNull(toInt32OrNull(entity_id)) AS entityId,
    toInt32OrZero(user_id) AS userId,
    name AS metricType,
    toInt32(greatest(least(trunc(value), 2147483647), -2147483648)) AS metricValue,
    occurred_at AS createdAt
FROM events
WHERE toInt32OrNull(entity_id) IS NOT NULL AND bot = ''
