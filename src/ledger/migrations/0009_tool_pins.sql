-- Up Migration

-- Servers whose tools have been seen: what is listed later than this is new.
CREATE TABLE holdpoint.tool_server (
  server   text PRIMARY KEY,
  seen_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What each tool was when people last took it as it is, and what it is now where that is something else. A definition is
-- the canonical JSON of the members that define a tool, its digest, and what was made of it: {digest, text, category, risk}.
CREATE TABLE holdpoint.tool_pin (
  server       text NOT NULL REFERENCES holdpoint.tool_server,
  tool         text NOT NULL,
  accepted     jsonb,
  accepted_by  text,
  accepted_at  timestamptz,
  waiting      jsonb,
  waiting_at   timestamptz,
  changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (server, tool),
  CHECK (accepted IS NOT NULL OR waiting IS NOT NULL),
  CHECK ((accepted IS NULL) = (accepted_by IS NULL))
);
CREATE INDEX tool_pin_by_change ON holdpoint.tool_pin (changed_at);

-- Down Migration

DROP TABLE holdpoint.tool_pin;
DROP TABLE holdpoint.tool_server;
