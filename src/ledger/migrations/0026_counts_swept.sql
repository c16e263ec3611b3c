-- Up Migration

-- For the sweep: what counts towards nothing any more, whoever it was counted for.
CREATE INDEX tally_entry_expiring ON holdpoint.tally_entry (expires_at);

-- Down Migration

DROP INDEX holdpoint.tally_entry_expiring;
