-- Up Migration

-- The kill switch. A column that is null does not narrow it. Rows are only ever added, and lifted once.
CREATE TABLE holdpoint.stop (
  number     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  server     text CHECK (server <> ''),
  tool       text CHECK (tool IS NULL OR (tool <> '' AND server IS NOT NULL)),
  agent      text CHECK (agent <> ''),
  owner      text CHECK (owner IS NULL OR (owner <> '' AND agent IS NOT NULL)),
  reason     text NOT NULL,
  put_by     text NOT NULL,
  put_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  lifted_by  text,
  lifted_at  timestamptz,
  CHECK ((lifted_by IS NULL) = (lifted_at IS NULL))
);
CREATE UNIQUE INDEX stop_in_force ON holdpoint.stop
  (coalesce(server, ''), coalesce(tool, ''), coalesce(agent, ''), coalesce(owner, '')) WHERE lifted_at IS NULL;

-- The oldest stop in force that covers such a call; null: none.
CREATE FUNCTION holdpoint.stop_over(call_server text, call_tool text, call_agent text, call_owner text)
RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT number FROM holdpoint.stop
  WHERE lifted_at IS NULL
    AND (server IS NULL OR server = call_server) AND (tool IS NULL OR tool = call_tool)
    AND (agent IS NULL OR agent = call_agent) AND (owner IS NULL OR owner = call_owner)
  ORDER BY number LIMIT 1
$$;

-- For what must not slip past a stop that is being put in this very moment: it waits for that one to be written, or makes it
-- wait until its own transaction is. Not inlined and volatile, so that the look is newer than the lock.
CREATE FUNCTION holdpoint.is_stopped(call_server text, call_tool text, call_agent text, call_owner text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('holdpoint.stop', 10));
  RETURN holdpoint.stop_over(call_server, call_tool, call_agent, call_owner) IS NOT NULL;
END
$$;

-- No row: too many are in force. Everything can always be stopped.
CREATE FUNCTION holdpoint.put_stop(
  new_server text, new_tool text, new_agent text, new_owner text, new_reason text, new_by text, in_force_max integer
)
RETURNS TABLE (put_number integer, is_new boolean) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('holdpoint.stop', 10));
  RETURN QUERY SELECT number, false FROM holdpoint.stop
    WHERE lifted_at IS NULL AND server IS NOT DISTINCT FROM new_server AND tool IS NOT DISTINCT FROM new_tool
      AND agent IS NOT DISTINCT FROM new_agent AND owner IS NOT DISTINCT FROM new_owner;
  IF FOUND THEN RETURN; END IF;
  IF coalesce(new_server, new_agent) IS NOT NULL
     AND (SELECT count(*) FROM holdpoint.stop WHERE lifted_at IS NULL) >= in_force_max THEN RETURN; END IF;
  RETURN QUERY INSERT INTO holdpoint.stop (server, tool, agent, owner, reason, put_by)
    VALUES (new_server, new_tool, new_agent, new_owner, new_reason, new_by) RETURNING number, true;
END
$$;

-- Down Migration

DROP FUNCTION holdpoint.put_stop(text, text, text, text, text, text, integer);
DROP FUNCTION holdpoint.is_stopped(text, text, text, text);
DROP FUNCTION holdpoint.stop_over(text, text, text, text);
DROP TABLE holdpoint.stop;
