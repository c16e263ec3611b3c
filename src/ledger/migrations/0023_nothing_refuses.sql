-- Up Migration

-- For a call that is asked for anew: HP001 when an end of the same call, under whatever other key it was asked, refuses it: one that
-- nobody knows and no person has looked at, or a no within the cool-down (null is not looked for). What ended last tells that only
-- as far as ends are committed in the order of their times, and those of two open approvals need not be. Volatile, so that it sees
-- what was committed after the statement of the new row began. The condition is the one of `refusingByCallKey`, and word for word
-- that of the index.
CREATE FUNCTION holdpoint.assert_nothing_refuses(new_call_key text, cool_down_ms bigint)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF cool_down_ms IS NOT NULL AND EXISTS (
    SELECT FROM (
      SELECT *, record::text LIKE '%"kind":"indeterminate"%' AS is_unknown FROM holdpoint.approval a
      WHERE call_key = new_call_key AND status = 'settled'
        AND (record::text LIKE '%"kind":"rejected"%' OR record::text LIKE '%"kind":"indeterminate"%')
    ) AS refusing
    WHERE CASE WHEN is_unknown
      THEN record::text LIKE '%"annotations":[]%' AND NOT EXISTS (
        SELECT FROM holdpoint.approval next
        WHERE next.id = substring(refusing.record::text FROM '"successor":"(HP-[0-9A-Z]+)"') AND next.status = 'settled')
      ELSE settled_at > clock_timestamp() - cool_down_ms * interval '1 millisecond' END)
  THEN RAISE EXCEPTION 'the same call has been refused meanwhile' USING ERRCODE = 'HP001';
  END IF;
  RETURN true;
END
$$;

-- Down Migration

DROP FUNCTION holdpoint.assert_nothing_refuses(text, bigint);
