-- Up Migration

-- Where an approval is shown in a channel, and which state of it. `busy_until`: somebody is drawing it now; `turn`: who.
CREATE TABLE holdpoint.card (
  approval_id    text NOT NULL REFERENCES holdpoint.approval (id),
  channel        text NOT NULL,
  place          text,
  shown_version  integer NOT NULL DEFAULT 0,
  shown_waiting  boolean,
  shown_at       timestamptz,
  render_digest  text,
  busy_until     timestamptz,
  turn           bigint NOT NULL DEFAULT 1,
  problem        text,
  PRIMARY KEY (approval_id, channel)
);

-- Which account in a channel is which person. One account is one person; a person may have several accounts.
CREATE TABLE holdpoint.identity (
  channel    text NOT NULL,
  account    text NOT NULL,
  person     text NOT NULL,
  linked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (channel, account)
);

-- One-time codes: whoever shows one is that person, once, for a short time. Kept as hashes.
CREATE TABLE holdpoint.link_code (
  code_hash   text PRIMARY KEY,
  person      text NOT NULL,
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz
);

-- Console sessions of people, by the hash of their cookie.
CREATE TABLE holdpoint.session (
  token_hash  text PRIMARY KEY,
  person      text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at  timestamptz NOT NULL
);

-- Down Migration

DROP TABLE holdpoint.session, holdpoint.link_code, holdpoint.identity, holdpoint.card;
