-- Up Migration

-- Who answers for the requester, and when they saw in the console how it ended.
ALTER TABLE holdpoint.approval ADD COLUMN owner text, ADD COLUMN owner_seen_at timestamptz;

-- Out of the text: `->` would refuse a record whose arguments hold \u0000. The requester stands before anything of the call's own.
UPDATE holdpoint.approval SET
  owner = substring(record::text FROM '"requester":\{"name":"(?:[^"\\]|\\.)*","owner":"([^"\\]*)"'),
  -- What ended before there was a place to see it is old news.
  owner_seen_at = CASE WHEN status = 'settled' THEN clock_timestamp() END;

CREATE INDEX approval_owned ON holdpoint.approval (owner, created_at DESC, id DESC);
CREATE INDEX approval_unseen ON holdpoint.approval (owner) WHERE status = 'settled' AND owner_seen_at IS NULL;
CREATE INDEX approval_settled ON holdpoint.approval (settled_at) WHERE status = 'settled';

-- Whom a channel has told how a call ended. `busy_until`: somebody is telling them now; `turn`: who.
CREATE TABLE holdpoint.notice (
  approval_id  text NOT NULL REFERENCES holdpoint.approval (id),
  channel      text NOT NULL,
  told         text[] NOT NULL DEFAULT '{}',
  done_at      timestamptz,
  busy_until   timestamptz,
  turn         bigint NOT NULL DEFAULT 1,
  problem      text,
  PRIMARY KEY (approval_id, channel)
);
INSERT INTO holdpoint.notice (approval_id, channel, done_at)
SELECT id, 'slack', clock_timestamp() FROM holdpoint.approval WHERE status = 'settled';

-- Down Migration

DROP TABLE holdpoint.notice;
DROP INDEX holdpoint.approval_owned, holdpoint.approval_unseen, holdpoint.approval_settled;
ALTER TABLE holdpoint.approval DROP COLUMN owner, DROP COLUMN owner_seen_at;
