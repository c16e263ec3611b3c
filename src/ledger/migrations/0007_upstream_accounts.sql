-- Up Migration

-- The account of a person at a server. `sealed` is AES-256-GCM under a key that is not in this database.
CREATE TABLE holdpoint.upstream_account (
  server        text NOT NULL,
  owner         text NOT NULL,
  sealed        bytea NOT NULL,
  version       bigint GENERATED ALWAYS AS IDENTITY,
  connected_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  renewing      timestamptz,
  PRIMARY KEY (server, owner)
);

-- What a person has begun at an authorization server and not come back from, by the hash of its `state`.
CREATE TABLE holdpoint.upstream_account_attempt (
  state_hash  text PRIMARY KEY,
  server      text NOT NULL,
  person      text NOT NULL,
  sealed      bytea NOT NULL,
  expires_at  timestamptz NOT NULL
);

-- Down Migration
