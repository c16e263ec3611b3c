-- Up Migration

-- What the policy said about every call, for a bounded time. Nothing else depends on it.
CREATE TABLE holdpoint.verdict (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL,
  server        text NOT NULL,
  tool          text NOT NULL,
  agent         text NOT NULL,
  owner         text NOT NULL,
  session       text,
  verdict       text NOT NULL,
  rule          text,
  revision      integer NOT NULL,
  category      text,
  risk          text NOT NULL,
  params_digest text,
  -- JSON as text: jsonb takes no \u0000, which arguments may hold.
  keys          text,
  arguments     text,
  judged_in_us  integer NOT NULL
);
CREATE INDEX verdict_by_time ON holdpoint.verdict (at);
CREATE INDEX verdict_by_server ON holdpoint.verdict (server, id DESC);
CREATE INDEX verdict_by_owner ON holdpoint.verdict (owner, id DESC);

-- Down Migration

DROP TABLE holdpoint.verdict;
