-- Up Migration

-- Its rule wants something to be read from the server for people, and nobody has read it yet. Beside the record, so that whoever
-- looks for such work reads no other records.
ALTER TABLE holdpoint.approval ADD COLUMN wants_lookup boolean NOT NULL DEFAULT false;
CREATE INDEX approval_wants_lookup ON holdpoint.approval (created_at) WHERE wants_lookup;

-- Down Migration

DROP INDEX holdpoint.approval_wants_lookup;
ALTER TABLE holdpoint.approval DROP COLUMN wants_lookup;
