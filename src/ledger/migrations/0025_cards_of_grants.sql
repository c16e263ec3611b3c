-- Up Migration

-- What the card said last of the grant that was given with its approval: how many calls it had covered, and whether it stood.
-- Neither changes the approval itself.
ALTER TABLE holdpoint.card ADD COLUMN shown_grant text;

-- As grantStanding says it in domain/grant.ts.
CREATE FUNCTION holdpoint.grant_standing(g holdpoint.approval_grant) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT g.used || ' ' || CASE
    WHEN g.ended_at IS NOT NULL THEN 'ended'
    WHEN holdpoint.stopped_since(g.server, g.tool, g.principal, g.owner, g.given_at) THEN 'stopped'
    WHEN clock_timestamp() >= g.expires_at THEN 'over'
    WHEN g.used >= g.uses_max THEN 'used_up'
    ELSE 'stands'
  END
$$;

-- Down Migration

DROP FUNCTION holdpoint.grant_standing(holdpoint.approval_grant);
ALTER TABLE holdpoint.card DROP COLUMN shown_grant;
