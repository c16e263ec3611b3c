-- Up Migration

-- Every policy that ever was in force, with the approvers in force with it. Rows are never changed.
CREATE TABLE holdpoint.policy_revision (
  server            text NOT NULL,
  number            integer NOT NULL CHECK (number > 0),
  source            text NOT NULL,
  -- null: no policy, so that people are asked about every call.
  policy_text       text,
  digest            text NOT NULL,
  approvers         json NOT NULL,
  approvers_digest  text NOT NULL,
  -- The files that said so; null where a person did.
  text_origin       text,
  approvers_origin  text,
  put_by            json NOT NULL,
  put_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (server, number)
);
CREATE INDEX policy_revision_text ON holdpoint.policy_revision (server, digest);
CREATE INDEX policy_revision_approvers ON holdpoint.policy_revision (server, approvers_digest);

-- The one in force. Decisions and claims lock this row while they are written, so that none of them is under an old rule.
CREATE TABLE holdpoint.policy_in_force (
  server  text PRIMARY KEY,
  number  integer NOT NULL,
  FOREIGN KEY (server, number) REFERENCES holdpoint.policy_revision (server, number)
);

-- By which revision its rule was judged last; null: by none that is known.
ALTER TABLE holdpoint.approval ADD COLUMN judged_revision integer;
CREATE INDEX approval_open ON holdpoint.approval (server, judged_revision) WHERE status IN ('pending', 'approved');

-- Down Migration

DROP INDEX holdpoint.approval_open;
ALTER TABLE holdpoint.approval DROP COLUMN judged_revision;
DROP TABLE holdpoint.policy_in_force, holdpoint.policy_revision;
