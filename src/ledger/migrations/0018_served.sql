-- Up Migration

-- When a gateway last said that it serves this server, or, of one that nobody does, when that was first looked at.
CREATE TABLE holdpoint.served (
  server  text PRIMARY KEY,
  at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Whether this gateway says so at all: an older one may serve anything.
ALTER TABLE holdpoint.node ADD COLUMN notes_served boolean NOT NULL DEFAULT false;

-- Down Migration

ALTER TABLE holdpoint.node DROP COLUMN notes_served;
DROP TABLE holdpoint.served;
