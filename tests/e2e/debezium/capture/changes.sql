INSERT INTO models VALUES (3, 7, 'CHECKPOINT', 0, '2026-11-21 08:30:00');
UPDATE models SET downloads = downloads + 5 WHERE id = 3;
UPDATE models SET user_id = 8 WHERE id = 3;
UPDATE models SET type = 'MERGE' WHERE id = 3;
-- Another primary key: a delete, a tombstone and a create.
UPDATE models SET id = 4 WHERE id = 3;
DELETE FROM models WHERE id = 2;
BEGIN;
INSERT INTO follows VALUES (2, 9, 8), (3, 10, 8);
DELETE FROM follows WHERE id = 1;
COMMIT;
COPY follows (id, followed_id, follower_id) FROM stdin WITH (DELIMITER ',');
4,11,7
5,11,8
6,11,9
\.
UPDATE wide SET price = 13.75 WHERE id = '0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f60';
INSERT INTO wide (id, at, tags) VALUES ('0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f62', 'infinity', '{}');
DELETE FROM wide WHERE id = '0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f61';
ALTER TABLE models ADD COLUMN title text DEFAULT 'untitled';
INSERT INTO models VALUES (5, 9, 'LORA', 0, '2026-11-22 00:00:00', 'a "quoted" title');
ALTER TABLE models DROP COLUMN title;
UPDATE models SET downloads = 2 WHERE id = 5;
TRUNCATE scratch;
SELECT pg_logical_emit_message(true, 'prefix', 'content');
INSERT INTO signals VALUES
  ('1', 'execute-snapshot', '{"type": "incremental", "data-collections": ["public.follows"]}');
