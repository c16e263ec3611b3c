-- Up Migration

-- What a person allowed besides the call that they said yes to, named by that call's approval. `used` is counted in the very
-- statement that writes the approval of a further call, and goes back in the one that notes that nothing of it was sent.
CREATE TABLE holdpoint.approval_grant (
  approval_id  text PRIMARY KEY REFERENCES holdpoint.approval (id),
  scope        text NOT NULL,
  server       text NOT NULL,
  tool         text NOT NULL,
  principal    text NOT NULL,
  owner        text NOT NULL,
  given_by     text NOT NULL,
  reason       text,
  given_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at   timestamptz NOT NULL,
  uses_max     integer NOT NULL CHECK (uses_max > 0),
  used         integer NOT NULL DEFAULT 0 CHECK (used >= 0 AND used <= uses_max),
  ended_at     timestamptz,
  ended_by     text,
  CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX approval_grant_scope ON holdpoint.approval_grant (scope, given_at) WHERE ended_at IS NULL;
CREATE INDEX approval_grant_newest ON holdpoint.approval_grant (given_at DESC, approval_id DESC);

-- The grant that stood in for the click.
ALTER TABLE holdpoint.approval ADD COLUMN under_grant text;
CREATE INDEX approval_under_grant ON holdpoint.approval (under_grant, created_at) WHERE under_grant IS NOT NULL;

-- Whether the kill switch has covered such calls since, also if it was let go again: whoever used it wanted nothing of this kind
-- to go on by itself.
CREATE FUNCTION holdpoint.stopped_since(
  call_server text, call_tool text, call_agent text, call_owner text, instant timestamptz
)
RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (
    SELECT FROM holdpoint.stop
    WHERE (lifted_at IS NULL OR put_at >= instant)
      AND (server IS NULL OR server = call_server) AND (tool IS NULL OR tool = call_tool)
      AND (agent IS NULL OR agent = call_agent) AND (owner IS NULL OR owner = call_owner)
  )
$$;

-- Down Migration

DROP FUNCTION holdpoint.stopped_since(text, text, text, text, timestamptz);
DROP INDEX holdpoint.approval_under_grant;
ALTER TABLE holdpoint.approval DROP COLUMN under_grant;
DROP TABLE holdpoint.approval_grant;
