-- query: user_standing
-- key: public
-- cache: 60
-- param: id String -- the user
-- column: score Float64 -- engagement score of 30 days
-- column: rank UInt64 -- 1 + users of the site with a higher score; 0 without a score
-- column: users UInt64 -- users of the site that have a score
-- column: share_below Float64 -- share of them with a lower score, 0 to 1
-- column: median_score Float64 -- half of them have at most this
--
-- As of the last minute.
WITH (
    SELECT sum(score)
    FROM user_ranks
    WHERE site = {site:String} AND user_id = {id:String}
) AS own
SELECT
    own AS score,
    sumIf(rank, user_id = {id:String}) AS rank,
    count() AS users,
    if(rank = 0, 0, countIf(user_ranks.score < own) / users) AS share_below,
    if(users = 0, 0, quantileExactLow(user_ranks.score)) AS median_score
FROM user_ranks
WHERE site = {site:String}
