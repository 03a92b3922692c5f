-- Posts' events as the metrics document has them: its SQL runs on this as it is written. People
-- only; all sites, so that it is for whoever runs the database, not for pages.
CREATE VIEW IF NOT EXISTS post_events AS
SELECT
    name AS event_type,
    entity_id AS tweet_id,
    nullIf(events.user_id, '') AS user_id,
    toDateTime(occurred_at) AS occurred_at,
    if(ip = toIPv6('::'), NULL, replaceRegexpOne(toString(ip), '^::ffff:', '')) AS ip_address
FROM events
WHERE entity_type = 'post' AND bot = ''
