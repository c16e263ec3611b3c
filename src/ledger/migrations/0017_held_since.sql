-- Up Migration

-- Since when its lease is held without a gap: a time in which no gateway was there is not held against who could not come back.
ALTER TABLE holdpoint.node ADD COLUMN held_since timestamptz NOT NULL DEFAULT clock_timestamp();

-- Down Migration

ALTER TABLE holdpoint.node DROP COLUMN held_since;
