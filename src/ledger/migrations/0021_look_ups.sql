-- Up Migration

-- Of a line of kind look_up: which approval it was for, what came of it and how long it took.
ALTER TABLE holdpoint.verdict ADD COLUMN approval text, ADD COLUMN outcome text, ADD COLUMN took_ms integer;

-- Down Migration

ALTER TABLE holdpoint.verdict DROP COLUMN approval, DROP COLUMN outcome, DROP COLUMN took_ms;
