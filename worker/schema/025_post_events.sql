-- Posts' events as the metrics document has them: its SQL runs on this as it is written. People
-- only; all sites, so that it is for whoever runs the database, not for pages.
--
-- An address is written as the document writes it: four numbers, or eight groups in upper case.
CREATE VIEW IF NOT EXISTS post_events AS
SELECT
    name AS event_type,
    entity_id AS tweet_id,
    nullIf(events.user_id, '') AS user_id,
    toDateTime(occurred_at) AS occurred_at,
    multiIf(
        ip = toIPv6('::'), NULL,
        startsWith(toString(ip), '::ffff:'), substring(toString(ip), 8),
        arrayStringConcat(
            arrayMap(
                at -> replaceRegexpOne(substring(hex(ip), 4 * at + 1, 4), '^0{1,3}', ''),
                range(8)),
            ':')) AS ip_address
FROM events
WHERE entity_type = 'post' AND bot = ''
