-- Up Migration

-- Its rule says `on_client_gone: cancel`: it is withdrawn once nobody has been waiting for it for a while.
ALTER TABLE holdpoint.approval ADD COLUMN ends_when_gone boolean NOT NULL DEFAULT false;

-- When somebody looked first and nobody was waiting for it any more. A new waiter clears it.
ALTER TABLE holdpoint.approval ADD COLUMN gone_since timestamptz;

CREATE INDEX approval_ends_when_gone ON holdpoint.approval (id)
  WHERE ends_when_gone AND status IN ('pending', 'approved');

-- Down Migration

DROP INDEX holdpoint.approval_ends_when_gone;
ALTER TABLE holdpoint.approval DROP COLUMN gone_since;
ALTER TABLE holdpoint.approval DROP COLUMN ends_when_gone;
