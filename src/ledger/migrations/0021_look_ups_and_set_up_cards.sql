-- Up Migration

-- Of a line of kind look_up: which approval it was for, what came of it and how long it took.
ALTER TABLE holdpoint.verdict ADD COLUMN approval text, ADD COLUMN outcome text, ADD COLUMN took_ms integer;

-- Where a channel tells of a server without a policy, and what it says there. `busy_until`: somebody is drawing it now; `turn`: who.
CREATE TABLE holdpoint.set_up_card (
  server      text NOT NULL,
  channel     text NOT NULL,
  place       text,
  shown       text,
  busy_until  timestamptz,
  turn        bigint NOT NULL DEFAULT 1,
  PRIMARY KEY (server, channel)
);

-- Down Migration

DROP TABLE holdpoint.set_up_card;
ALTER TABLE holdpoint.verdict DROP COLUMN approval, DROP COLUMN outcome, DROP COLUMN took_ms;
