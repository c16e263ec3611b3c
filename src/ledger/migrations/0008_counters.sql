-- Up Migration

-- What counts towards limits and conditions about history: one row for each count and each call that was about to be sent.
CREATE TABLE holdpoint.tally_entry (
  key         text NOT NULL,
  call        text NOT NULL,
  amount      numeric NOT NULL CHECK (amount >= 0),
  at          timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (key, call)
);
CREATE INDEX tally_entry_by_time ON holdpoint.tally_entry (key, at);
CREATE INDEX tally_entry_by_call ON holdpoint.tally_entry (call);

-- Since when a count counts: the beginning of the running UTC minute, hour or day, or so many seconds ago.
CREATE FUNCTION holdpoint.tally_since(window_unit text, window_seconds double precision, instant timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN window_unit IS NULL THEN instant - window_seconds * interval '1 second'
              ELSE date_trunc(window_unit, instant AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' END
$$;

-- Counts all items or none; the place of the first one without room, or null. Each key is locked for the transaction, in
-- one order for everybody, so that calls that meet here are counted one after the other.
CREATE FUNCTION holdpoint.tally_reserve(call_id text, items jsonb)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  instant timestamptz;
  item record;
  used numeric;
BEGIN
  PERFORM pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(value->>'key', 8) AS lock FROM jsonb_array_elements(items) ORDER BY 1
  ) locks;
  -- Only now: the clock of whoever waited for a lock has moved on.
  instant := clock_timestamp();
  FOR item IN
    SELECT ordinality - 1 AS place, value->>'key' AS key, (value->>'amount')::numeric AS amount,
           (value->>'max')::numeric AS max, value->>'unit' AS unit, (value->>'seconds')::double precision AS seconds
    FROM jsonb_array_elements(items) WITH ORDINALITY ORDER BY ordinality
  LOOP
    DELETE FROM holdpoint.tally_entry WHERE key = item.key AND expires_at <= instant;
    IF item.max IS NOT NULL THEN
      SELECT coalesce(sum(amount), 0) INTO used FROM holdpoint.tally_entry
      WHERE key = item.key AND at > holdpoint.tally_since(item.unit, item.seconds, instant)
         OR key = item.key AND item.unit IS NOT NULL AND at = holdpoint.tally_since(item.unit, item.seconds, instant);
      IF used + item.amount > item.max THEN
        DELETE FROM holdpoint.tally_entry WHERE call = call_id;
        RETURN item.place;
      END IF;
    END IF;
    INSERT INTO holdpoint.tally_entry (key, call, amount, at, expires_at)
    VALUES (item.key, call_id, item.amount, instant,
            instant + coalesce(item.seconds, CASE item.unit WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 ELSE 86400 END)
                    * interval '1 second')
    ON CONFLICT (key, call) DO UPDATE SET amount = tally_entry.amount + excluded.amount;
  END LOOP;
  RETURN NULL;
END
$$;

-- Down Migration

DROP FUNCTION holdpoint.tally_reserve(text, jsonb);
DROP FUNCTION holdpoint.tally_since(text, double precision, timestamptz);
DROP TABLE holdpoint.tally_entry;
