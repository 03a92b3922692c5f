CREATE TABLE models (
  id serial PRIMARY KEY,
  user_id int,
  type text,
  downloads int NOT NULL DEFAULT 0,
  created_at timestamp NOT NULL
);
CREATE TABLE follows (id serial PRIMARY KEY, followed_id int, follower_id int);
-- A column of each kind that the connector writes in a way of its own.
CREATE TABLE wide (
  id uuid PRIMARY KEY,
  price numeric(12, 2),
  amount numeric,
  ratio double precision,
  large bigint,
  at timestamp(3),
  at_micros timestamp,
  at_zone timestamptz,
  day date,
  clock time,
  span interval,
  document json,
  binary_document jsonb,
  tags text[],
  numbers int[],
  bytes bytea,
  flag boolean,
  address inet,
  long_text text
);
CREATE TABLE scratch (id int PRIMARY KEY);
CREATE TABLE signals (id text PRIMARY KEY, type text NOT NULL, data text);

ALTER TABLE models REPLICA IDENTITY FULL;
ALTER TABLE follows REPLICA IDENTITY FULL;
-- Kept outside of its row and uncompressed: an update of another column does not send it.
ALTER TABLE wide ALTER COLUMN long_text SET STORAGE EXTERNAL;

INSERT INTO models VALUES
  (1, 7, 'LORA', 4, '2026-11-20 10:00:00.123456'),
  (2, 8, NULL, 0, '1999-12-31 23:59:59.999999');
INSERT INTO follows VALUES (1, 9, 7);
INSERT INTO wide VALUES (
  '0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f60', 12.50, 123456789012345678901234567890.123, 0.1,
  9007199254740993, '2026-11-20 10:00:00.123', '2026-11-20 10:00:00.123456',
  '2026-11-20 10:00:00.123456+02', '2026-11-20', '10:00:00.5', '1 day 2 hours',
  '{"a": [1, 2.50]}', '{"b": null, "a": "ü"}', '{one,"two, three",NULL}', '{1,2,3}',
  '\xdeadbeef', true, '203.0.113.7', repeat('x', 2100)
);
INSERT INTO wide (id) VALUES ('0190b5a2-7c4e-7d3a-9f6e-2b8c1d4e5f61');
