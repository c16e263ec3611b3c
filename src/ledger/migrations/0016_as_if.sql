-- Up Migration

-- What rules that are only tried would have said, where that is another answer than the one that was enforced.
ALTER TABLE holdpoint.verdict ADD COLUMN as_if text, ADD COLUMN as_if_rule text;

-- Few lines have one, and they are what people look for.
CREATE INDEX verdict_as_if ON holdpoint.verdict (server, id DESC) WHERE as_if IS NOT NULL;

-- Down Migration

DROP INDEX holdpoint.verdict_as_if;
ALTER TABLE holdpoint.verdict DROP COLUMN as_if, DROP COLUMN as_if_rule;
