-- Up Migration

-- One row for each paused call. `record` holds the approval as the domain knows it; the columns beside it are what
-- statements guard and search by. `json`, not `jsonb`: arguments may hold \u0000, which `jsonb` refuses.
CREATE TABLE holdpoint.approval (
  id               text PRIMARY KEY,
  version          integer NOT NULL,
  status           text NOT NULL CHECK (status IN ('pending', 'approved', 'executing', 'settled')),
  attach_key       text NOT NULL,
  call_key         text NOT NULL,
  principal        text NOT NULL,
  server           text NOT NULL,
  tool             text NOT NULL,
  idempotency_key  text,
  claim_node       text,
  due_at           timestamptz,
  created_at       timestamptz NOT NULL,
  settled_at       timestamptz,
  delivered_at     timestamptz,
  unsent_reason    text,
  record           json NOT NULL,
  reply            text
);

-- Makes attaching atomic: of parallel same calls exactly one row can be unsettled.
CREATE UNIQUE INDEX approval_attach ON holdpoint.approval (attach_key) WHERE status <> 'settled';
CREATE INDEX approval_last_settled ON holdpoint.approval (attach_key, settled_at DESC) WHERE status = 'settled';
CREATE INDEX approval_same_call ON holdpoint.approval (call_key, settled_at DESC) WHERE status = 'settled';
CREATE INDEX approval_due ON holdpoint.approval (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX approval_claims ON holdpoint.approval (claim_node) WHERE status = 'executing';
CREATE INDEX approval_pending ON holdpoint.approval (principal) WHERE status = 'pending';
CREATE INDEX approval_newest ON holdpoint.approval (created_at DESC, id DESC);
-- While it is unsettled, an idempotency key belongs to one call.
CREATE UNIQUE INDEX approval_idempotency_open ON holdpoint.approval (principal, server, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND status <> 'settled';
CREATE INDEX approval_idempotency ON holdpoint.approval (principal, server, idempotency_key)
  WHERE idempotency_key IS NOT NULL;

-- The exclusive right to send, once and for ever: the primary key is the promise.
CREATE TABLE holdpoint.claim (
  approval_id  text PRIMARY KEY REFERENCES holdpoint.approval (id),
  node         text NOT NULL,
  claimed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Each event names the hash of the one before it (per approval, by version); the sealer links the chains.
CREATE TABLE holdpoint.audit_event (
  approval_id  text NOT NULL REFERENCES holdpoint.approval (id),
  version      integer NOT NULL,
  event_id     bigint GENERATED ALWAYS AS IDENTITY,
  payload      text NOT NULL,
  hash         text NOT NULL,
  seal_id      bigint,
  PRIMARY KEY (approval_id, version)
);
CREATE INDEX audit_event_unsealed ON holdpoint.audit_event (event_id) WHERE seal_id IS NULL;
CREATE INDEX audit_event_sealed ON holdpoint.audit_event (seal_id, event_id) WHERE seal_id IS NOT NULL;

CREATE TABLE holdpoint.audit_seal (
  seal_id    bigint PRIMARY KEY,
  sealed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  events     integer NOT NULL,
  hash       text NOT NULL
);

-- What an upstream said after the outcome had been settled otherwise: evidence, never a transition.
CREATE TABLE holdpoint.late_reply (
  approval_id  text NOT NULL REFERENCES holdpoint.approval (id),
  received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  reply        text NOT NULL
);

CREATE TABLE holdpoint.node (
  id           text PRIMARY KEY,
  lease_until  timestamptz NOT NULL
);

CREATE TABLE holdpoint.waiter (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  approval_id  text NOT NULL REFERENCES holdpoint.approval (id),
  node         text NOT NULL,
  since        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX waiter_approval ON holdpoint.waiter (approval_id);
CREATE INDEX waiter_node ON holdpoint.waiter (node);

-- Bearer tokens of agents and people, as SHA-256 of 256 random bits.
CREATE TABLE holdpoint.credential (
  token_hash  text PRIMARY KEY,
  kind        text NOT NULL CHECK (kind IN ('agent', 'person')),
  name        text NOT NULL,
  owner       text NOT NULL,
  hint        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at  timestamptz
);
CREATE INDEX credential_live ON holdpoint.credential (kind, name) WHERE revoked_at IS NULL;

-- Keys that all gateways of one ledger share, made at first use.
CREATE TABLE holdpoint.shared_key (
  name  text PRIMARY KEY,
  key   bytea NOT NULL
);

-- Down Migration

DROP SCHEMA holdpoint CASCADE;
