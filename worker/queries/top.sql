-- query: top
-- key: public
-- cache: 0
-- param: limit UInt32 10 -- how many posts
-- range: limit 1 1000
-- param: min_views UInt64 0 -- views that a post must have; 0 also lists posts with other events only
-- column: entity_id String -- the post
-- column: views UInt64 -- rows, all time
--
-- Ties go by the id in byte order, so that the list is the same every time. Posts that have other
-- events only are looked for when they may be listed and those with views do not fill the list.
SELECT entity_id, views
FROM
(
    SELECT entity_id, sum(rows) AS views
    FROM event_totals
    WHERE site = {site:String} AND entity_type = 'post' AND name = 'view' AND bot = ''
    GROUP BY entity_id
    HAVING views >= {min_views:UInt64}
    ORDER BY views DESC, entity_id
    LIMIT {limit:UInt32}
    UNION ALL
    SELECT entity_id, sumIf(rows, name = 'view') AS views
    FROM entity_totals
    WHERE site = {site:String}
        AND entity_type = 'post'
        AND bot = ''
        AND {min_views:UInt64} = 0
        AND {limit:UInt32} >
        (
            SELECT count()
            FROM
            (
                SELECT DISTINCT entity_id
                FROM event_totals
                WHERE site = {site:String}
                    AND entity_type = 'post'
                    AND name = 'view'
                    AND bot = ''
                    AND {min_views:UInt64} = 0
                LIMIT {limit:UInt32}
            )
        )
    GROUP BY entity_id
    HAVING views = 0
    ORDER BY entity_id
    LIMIT {limit:UInt32}
)
ORDER BY views DESC, entity_id
LIMIT {limit:UInt32}
