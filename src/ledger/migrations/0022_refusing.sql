-- Up Migration

-- What may keep the same call from being asked again: a no, and an end that nobody knows. In a string of the call's own the
-- quotes would be escaped; the query that uses this says the same condition and looks closer.
CREATE INDEX approval_refusing ON holdpoint.approval (call_key, settled_at DESC)
  WHERE status = 'settled' AND (record::text LIKE '%"kind":"rejected"%' OR record::text LIKE '%"kind":"indeterminate"%');

-- Down Migration

DROP INDEX holdpoint.approval_refusing;
