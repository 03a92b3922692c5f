-- query: retention
-- key: reader
-- cache: 3600
-- param: weeks UInt32 8 -- how many weeks before this one
-- range: weeks 1 104
-- column: cohort Date -- Monday of the week in which these users did something for the first time
-- column: week UInt32 -- weeks after that one; 0 is the cohort's own
-- column: users UInt64 -- of them, who did something in that week
WITH toMonday(toDate({now:DateTime64(3, 'UTC')})) AS this_week
SELECT cohort, toUInt32(intDiv(active - cohort, 7)) AS week, uniqExact(user_id) AS users
FROM
(
    SELECT
        user_id,
        toMonday(min(day)) AS cohort,
        arrayJoin(groupUniqArray(toMonday(day))) AS active
    FROM user_days
    WHERE site = {site:String} AND bot = ''
    GROUP BY user_id
    HAVING cohort >= this_week - 7 * {weeks:UInt32}
)
GROUP BY cohort, week
ORDER BY cohort, week
