-- Makes user_received anew each minute: an owner has any number of entities, whose sums take longer
-- to read than an answer may. The query user_metrics reads them itself when it is asked to.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_received_view REFRESH EVERY 1 MINUTE TO user_received
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    site,
    user_id,
    sumIf(received.value_sum, startsWith(name, 'Reaction')) AS reactions,
    sumIf(received.value_sum, name = 'Download') AS downloads,
    sumIf(received.value_sum, name = 'Generation') AS generations
FROM
(
    SELECT site, entity_type, entity_id, name, sum(entity_totals.value_sum) AS value_sum
    FROM entity_totals
    WHERE bot = '' AND (name IN ('Download', 'Generation') OR startsWith(name, 'Reaction'))
    GROUP BY site, entity_type, entity_id, name
) AS received
INNER JOIN
(
    SELECT site, entity_type, entity_id, argMax(owners.user_id, known_at) AS user_id
    FROM owners
    GROUP BY site, entity_type, entity_id
) AS owner USING (site, entity_type, entity_id)
GROUP BY site, user_id
