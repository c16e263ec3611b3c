-- Up Migration

-- For a call that is asked for anew: HP001 when, by either key, the same call has ended otherwise than whoever asks has seen
-- ("<id>.<version>" of what ended last, '' for nothing; null is not compared). It is called for the row that has just been
-- inserted. From then on no other row of this attach key can come in, and who had it before has settled and committed, so that
-- the look, which is volatile and therefore newer than the row, sees it; the look of the statement itself would be older.
CREATE FUNCTION holdpoint.assert_seen_last(
  new_attach_key text, seen_by_attach_key text, new_call_key text, seen_by_call_key text
)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF seen_by_attach_key <> coalesce((
       SELECT id || '.' || version FROM holdpoint.approval WHERE attach_key = new_attach_key AND status = 'settled'
       ORDER BY settled_at DESC, created_at DESC LIMIT 1), '')
     OR seen_by_call_key <> coalesce((
       SELECT id || '.' || version FROM holdpoint.approval WHERE call_key = new_call_key AND status = 'settled'
       ORDER BY settled_at DESC, created_at DESC LIMIT 1), '')
  THEN RAISE EXCEPTION 'the same call has ended meanwhile' USING ERRCODE = 'HP001';
  END IF;
  RETURN true;
END
$$;

-- Down Migration

DROP FUNCTION holdpoint.assert_seen_last(text, text, text, text);
