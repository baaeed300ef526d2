-- The store as a log: what the evaluator follows by ids, which therefore never
-- come twice.

ALTER TABLE gap RENAME TO gap_before;
DROP INDEX gap_once;
DROP INDEX gap_device;

-- The ledger, as in 001; an entry that was cut into pieces leaves its id unused.
CREATE TABLE gap (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  spool_id      INTEGER NOT NULL,
  device_id     INTEGER NOT NULL,
  stream        INTEGER NOT NULL,
  reason        INTEGER NOT NULL, -- enum bl_gap_reason
  seq_first     INTEGER NOT NULL, -- 0: a span of time
  seq_last      INTEGER NOT NULL,
  begin_boot    BLOB NOT NULL,    -- empty: unknown
  begin_ms      INTEGER NOT NULL,
  end_boot      BLOB NOT NULL,
  end_ms        INTEGER NOT NULL,
  begin_unix_ms INTEGER,
  end_unix_ms   INTEGER,
  samples       INTEGER NOT NULL, -- 0: unknown
  known_unix_ms INTEGER NOT NULL,
  lsn           INTEGER NOT NULL
);
INSERT INTO gap SELECT * FROM gap_before;
DROP TABLE gap_before;
CREATE UNIQUE INDEX gap_once ON gap
  (spool_id, stream, seq_first, seq_last, reason, begin_boot, begin_ms, end_boot, end_ms);
CREATE INDEX gap_device ON gap (device_id, stream);
CREATE INDEX gap_time ON gap (device_id, stream, end_unix_ms);

-- A clock map that came late has given (another) wall time to what was stored before:
-- to batches of the boot from from_ms on, or to a ledger entry (boot_id 0).
CREATE TABLE moved (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  spool_id      INTEGER NOT NULL,
  device_id     INTEGER NOT NULL,
  stream        INTEGER NOT NULL,
  boot_id       INTEGER NOT NULL,
  from_ms       INTEGER NOT NULL,
  begin_unix_ms INTEGER NOT NULL, -- where it stood and where it stands, joined
  end_unix_ms   INTEGER NOT NULL
);
