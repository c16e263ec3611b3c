-- Up Migration

-- How many times people were called again to it: what the record says, so that a channel is asked only about what it may lack.
ALTER TABLE holdpoint.approval ADD COLUMN nudges integer NOT NULL DEFAULT 0;
CREATE INDEX approval_nudged ON holdpoint.approval (created_at) WHERE status = 'pending' AND nudges > 0;

-- A row before the message: each is posted once at most in a channel, whoever dies in between. `people`: whom it mentioned.
CREATE TABLE holdpoint.nudge (
  approval_id  text NOT NULL REFERENCES holdpoint.approval (id),
  channel      text NOT NULL,
  number       integer NOT NULL CHECK (number > 0),
  taken_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  posted_at    timestamptz,
  people       text[],
  PRIMARY KEY (approval_id, channel, number)
);

-- Down Migration

DROP TABLE holdpoint.nudge;
DROP INDEX holdpoint.approval_nudged;
ALTER TABLE holdpoint.approval DROP COLUMN nudges;
