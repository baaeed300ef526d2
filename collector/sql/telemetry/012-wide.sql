-- Rows of coverage that are longer than any without a late event or a clock that was set: few.  How far before a
-- range readers look for rows that reach into it is told by those that do, not by the longest one ever
-- (the condition is that of STORE_SQL_WIDE, to the letter).
CREATE INDEX coverage_wide ON coverage (device_id, stream, hi_unix_ms, lo_unix_ms)
  WHERE hi_unix_ms - lo_unix_ms > 21600000;
