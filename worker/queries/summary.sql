-- query: summary
-- key: public
-- cache: 0
-- param: id String -- the post
-- column: views UInt64 -- rows
-- column: likes UInt64 -- rows
-- column: unlikes UInt64 -- rows
-- column: comments UInt64 -- rows
-- column: shares UInt64 -- rows
-- column: deleted_comments UInt64 -- rows; a deleted comment is counted on its parent
-- column: net_comments Int64 -- rows, comments less deleted ones
-- column: net_likes Int64 -- rows, likes less unlikes
SELECT
    sumIf(rows, name = 'view') AS views,
    sumIf(rows, name = 'like') AS likes,
    sumIf(rows, name = 'unlike') AS unlikes,
    sumIf(rows, name = 'comment') AS comments,
    sumIf(rows, name = 'share') AS shares,
    sumIf(rows, name = 'delete_comment') AS deleted_comments,
    toInt64(comments) - toInt64(deleted_comments) AS net_comments,
    toInt64(likes) - toInt64(unlikes) AS net_likes
FROM entity_totals
WHERE site = {site:String} AND entity_type = 'post' AND entity_id = {id:String} AND bot = ''
