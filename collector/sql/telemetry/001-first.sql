-- The telemetry store, first form.  collector/src/store/README.md explains it.
--
-- Ids of devices, boots and spools are small integers: they stand in every
-- batch.  Times are integers: *_unix_ms placed wall time (NULL: clock unknown),
-- *_ms boot time of the boot that the row names.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value
) WITHOUT ROWID;

-- One row, changed by every commit.
CREATE TABLE total (
  id                  INTEGER PRIMARY KEY CHECK (id = 1),
  lsn                 INTEGER NOT NULL DEFAULT 0,
  last_commit_unix_ms INTEGER,
  batches             INTEGER NOT NULL DEFAULT 0,
  samples             INTEGER NOT NULL DEFAULT 0,
  events              INTEGER NOT NULL DEFAULT 0,
  duplicates          INTEGER NOT NULL DEFAULT 0,
  conflicts           INTEGER NOT NULL DEFAULT 0,
  aside_bytes         INTEGER NOT NULL DEFAULT 0, -- payloads kept
  aside_refused       INTEGER NOT NULL DEFAULT 0
);
INSERT INTO total (id) VALUES (1);

CREATE TABLE device (
  id                INTEGER PRIMARY KEY,
  name              TEXT NOT NULL UNIQUE,
  presence          INTEGER NOT NULL DEFAULT 0, -- enum store_presence
  presence_since_unix_ms INTEGER,
  presence_boot     BLOB,
  connections       INTEGER,
  software          TEXT NOT NULL DEFAULT ''
);

CREATE TABLE boot (
  id   INTEGER PRIMARY KEY,
  uuid BLOB NOT NULL UNIQUE
);

CREATE TABLE spool (
  id            INTEGER PRIMARY KEY,
  uuid          BLOB NOT NULL UNIQUE,
  device_id     INTEGER NOT NULL REFERENCES device (id),
  closed        INTEGER NOT NULL DEFAULT 0, -- a successor named it as its predecessor
  conflict      INTEGER NOT NULL DEFAULT 0,
  predecessor   BLOB,
  made_unix_ms  INTEGER NOT NULL,           -- first heard of
  hello_unix_ms INTEGER,
  boot_uuid     BLOB,                       -- of the last hello
  software      TEXT NOT NULL DEFAULT '',
  config_hash   TEXT NOT NULL DEFAULT '',
  dict_version  INTEGER NOT NULL DEFAULT 0, -- entries 1..n are in dict
  clock_version INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX spool_device ON spool (device_id);

-- What is settled of a stream: 1..contiguous, and the ranges in seq_range.
CREATE TABLE stream (
  spool_id           INTEGER NOT NULL REFERENCES spool (id),
  stream             INTEGER NOT NULL,
  contiguous         INTEGER NOT NULL DEFAULT 0,
  next_seq           INTEGER NOT NULL DEFAULT 1, -- the highest the agent has named
  lowest_held        INTEGER NOT NULL DEFAULT 1,
  unexplained        INTEGER NOT NULL DEFAULT 0, -- missing below lowest_held without an entry
  batches            INTEGER NOT NULL DEFAULT 0,
  samples            INTEGER NOT NULL DEFAULT 0,
  last_arrival_unix_ms INTEGER,
  until_unix_ms      INTEGER,                    -- end of the newest placed collection interval
  span_max_ms        INTEGER NOT NULL DEFAULT 0, -- longest row of coverage: bounds range scans
  PRIMARY KEY (spool_id, stream)
) WITHOUT ROWID;

CREATE TABLE seq_range (
  spool_id INTEGER NOT NULL,
  stream   INTEGER NOT NULL,
  kind     INTEGER NOT NULL, -- 1: settled beyond contiguous, 2: set aside
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  PRIMARY KEY (spool_id, stream, kind, first)
) WITHOUT ROWID;

-- Batches as they came, appended.  body last: the columns before it are read
-- without touching its overflow pages.
CREATE TABLE batch (
  id               INTEGER PRIMARY KEY,
  spool_id         INTEGER NOT NULL,
  stream           INTEGER NOT NULL,
  seq              INTEGER NOT NULL,
  crc32            INTEGER NOT NULL,
  device_id        INTEGER NOT NULL,
  boot_id          INTEGER NOT NULL,
  kind             INTEGER NOT NULL,
  event_begin_ms   INTEGER NOT NULL,
  event_end_ms     INTEGER NOT NULL,
  collect_begin_ms INTEGER NOT NULL,
  collect_end_ms   INTEGER NOT NULL,
  dict_version     INTEGER NOT NULL,
  n_samples        INTEGER NOT NULL,
  n_events         INTEGER NOT NULL,
  n_gaps           INTEGER NOT NULL,
  raw_bytes        INTEGER NOT NULL,
  supersedes_first INTEGER NOT NULL,
  supersedes_last  INTEGER NOT NULL,
  arrived_unix_ms  INTEGER NOT NULL,
  lsn              INTEGER NOT NULL,
  body             BLOB NOT NULL
);
CREATE UNIQUE INDEX batch_seq ON batch (spool_id, stream, seq);
CREATE INDEX batch_supersedes ON batch (spool_id, stream, supersedes_last) WHERE kind = 1;

-- What has been seen, and when it came.  Outlives batches, and is the way to
-- them by time: a row names the seqs that it covers.  Neighbours that touch are
-- one row only when they came within two minutes of its first.
CREATE TABLE coverage (
  id              INTEGER PRIMARY KEY,
  spool_id        INTEGER NOT NULL,
  device_id       INTEGER NOT NULL,
  stream          INTEGER NOT NULL,
  seq_first       INTEGER NOT NULL,
  seq_last        INTEGER NOT NULL,
  boot_id         INTEGER NOT NULL,
  begin_ms        INTEGER NOT NULL,
  end_ms          INTEGER NOT NULL,
  lo_ms           INTEGER NOT NULL, -- begin, or an earlier event in its batches
  hi_ms           INTEGER NOT NULL,
  begin_unix_ms   INTEGER,          -- the four placed; NULL: clock unknown
  end_unix_ms     INTEGER,
  lo_unix_ms      INTEGER,
  hi_unix_ms      INTEGER,
  first_arrived_unix_ms INTEGER NOT NULL,
  arrived_unix_ms INTEGER NOT NULL,
  lsn             INTEGER NOT NULL
);
-- By its lower end, which a row that grows with its stream keeps.
CREATE INDEX coverage_time ON coverage (device_id, stream, lo_unix_ms);
CREATE INDEX coverage_unplaced ON coverage (device_id, stream) WHERE lo_unix_ms IS NULL;

-- The ledger: what will never come, and why.
CREATE TABLE gap (
  id            INTEGER PRIMARY KEY,
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
CREATE UNIQUE INDEX gap_once ON gap
  (spool_id, stream, seq_first, seq_last, reason, begin_boot, begin_ms, end_boot, end_ms);
CREATE INDEX gap_device ON gap (device_id, stream);

CREATE TABLE series (
  id            INTEGER PRIMARY KEY,
  device_id     INTEGER NOT NULL,
  name          TEXT NOT NULL,
  labels        TEXT NOT NULL, -- canonical JSON object
  unit          TEXT NOT NULL,
  kind          INTEGER NOT NULL,
  stream        INTEGER NOT NULL,
  interval_ms   INTEGER NOT NULL,
  UNIQUE (device_id, name, labels)
);

CREATE INDEX series_name ON series (name, device_id);

CREATE TABLE dict (
  spool_id  INTEGER NOT NULL,
  entry     INTEGER NOT NULL,
  series_id INTEGER NOT NULL REFERENCES series (id),
  PRIMARY KEY (spool_id, entry)
) WITHOUT ROWID;
CREATE INDEX dict_series ON dict (series_id);

CREATE TABLE clock_segment (
  spool_id       INTEGER NOT NULL,
  entry          INTEGER NOT NULL,
  boot_uuid      BLOB NOT NULL,
  from_ms        INTEGER NOT NULL,
  offset_ms      INTEGER NOT NULL,
  uncertainty_ms INTEGER NOT NULL,
  source         INTEGER NOT NULL,
  PRIMARY KEY (spool_id, entry)
) WITHOUT ROWID;

-- A new trusted segment whose boot's rows still have to be placed (again).
CREATE TABLE placing (
  spool_id INTEGER NOT NULL,
  entry    INTEGER NOT NULL,
  PRIMARY KEY (spool_id, entry)
) WITHOUT ROWID;

CREATE TABLE aside (
  id              INTEGER PRIMARY KEY,
  digest          BLOB NOT NULL UNIQUE, -- of topic and payload: once per distinct message
  arrived_unix_ms INTEGER NOT NULL,
  again_unix_ms   INTEGER,
  repeats         INTEGER NOT NULL DEFAULT 0,
  topic           TEXT NOT NULL,
  device          TEXT,
  part            INTEGER,
  reason          INTEGER NOT NULL, -- enum store_aside_reason
  detail          TEXT NOT NULL,
  spool           BLOB,             -- with stream and seq when they are known
  stream          INTEGER,
  seq             INTEGER,
  bytes           INTEGER NOT NULL,
  payload         BLOB              -- NULL: the cap refused it
);
CREATE INDEX aside_device ON aside (device);

CREATE TABLE aside_count (
  reason INTEGER PRIMARY KEY,
  n      INTEGER NOT NULL
);
