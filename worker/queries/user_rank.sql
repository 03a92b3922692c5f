-- query: user_rank
-- key: public
-- cache: 0
-- param: id String -- the user
-- column: value UInt64 -- 1 + users of the site with a higher score; 0 without a score
--
-- As of the last minute: a rank depends on everybody's score.
SELECT sum(rank) AS value
FROM user_ranks
WHERE site = {site:String} AND user_id = {id:String}
