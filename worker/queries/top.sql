-- query: top
-- key: public
-- cache: 0
-- param: limit UInt32 10 -- how many posts
-- range: limit 1 1000
-- param: min_views UInt64 0 -- views that a post must have; 0 also lists posts with other events only
-- column: entity_id String -- the post
-- column: views UInt64 -- rows, all time
--
-- Ties go by the id in byte order, so that the list is the same every time.
SELECT entity_id, sumIf(rows, name = 'view') AS views
FROM entity_totals
WHERE site = {site:String}
    AND entity_type = 'post'
    AND bot = ''
    -- From one view on, the other events' rows need not be read.
    AND ({min_views:UInt64} = 0 OR name = 'view')
GROUP BY entity_id
HAVING views >= {min_views:UInt64}
ORDER BY views DESC, entity_id
LIMIT {limit:UInt32}
