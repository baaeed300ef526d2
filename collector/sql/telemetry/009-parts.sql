-- Samples of closed hours lie in parts (files beside the database); collector/src/store/README.md.

-- One UTC hour of a set of devices.  What a row names exists, whatever else is in the files.
CREATE TABLE part (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  hour_unix_ms INTEGER NOT NULL,
  space        INTEGER NOT NULL, -- whose ids it has: 0: this store's; else see part_alias
  devices      INTEGER NOT NULL,
  series       INTEGER NOT NULL,
  samples      INTEGER NOT NULL,
  raw_offset   INTEGER NOT NULL, -- in the file of its level and hour; bytes 0: it is not there
  raw_bytes    INTEGER NOT NULL,
  m5_offset    INTEGER NOT NULL,
  m5_bytes     INTEGER NOT NULL,
  h1_offset    INTEGER NOT NULL,
  h1_bytes     INTEGER NOT NULL,
  made_unix_ms INTEGER NOT NULL,
  sum          INTEGER NOT NULL
);
CREATE INDEX part_hour ON part (hour_unix_ms);

-- Where a device's hour is: in one part, or (no row) in no part at all.
CREATE TABLE part_device (
  device_id    INTEGER NOT NULL, -- this store's
  hour_unix_ms INTEGER NOT NULL,
  part_id      INTEGER NOT NULL,
  batch_upto   INTEGER NOT NULL, -- what batches up to this id have of the hour is in it, but for pack_mark
  sum          INTEGER NOT NULL,
  PRIMARY KEY (device_id, hour_unix_ms)
) WITHOUT ROWID;

-- Devices that a part has bytes of and that lie in another part by now: what part_device says,
-- from the part's side.
CREATE TABLE part_hidden (
  part_id   INTEGER NOT NULL,
  device_id INTEGER NOT NULL, -- as the part has it
  sum       INTEGER NOT NULL,
  PRIMARY KEY (part_id, device_id)
) WITHOUT ROWID;

-- Parts that were taken over from another store have its numbers.
CREATE TABLE part_alias (
  space  INTEGER NOT NULL,
  kind   INTEGER NOT NULL, -- 1: device, 2: series, 3: boot
  old_id INTEGER NOT NULL,
  new_id INTEGER NOT NULL,
  sum    INTEGER NOT NULL,
  PRIMARY KEY (space, kind, old_id)
) WITHOUT ROWID;

-- Regions that no part names any more, until nobody can be reading them.
CREATE TABLE part_dead (
  id            INTEGER PRIMARY KEY,
  level         INTEGER NOT NULL,
  hour_unix_ms  INTEGER NOT NULL,
  offset        INTEGER NOT NULL,
  bytes         INTEGER NOT NULL,
  since_unix_ms INTEGER NOT NULL
);

-- What is left of batches whose rows are gone: a checksum each (store_pack_check), to tell one
-- that comes again from one that contradicts it.
CREATE TABLE packed_seq (
  spool_id INTEGER NOT NULL,
  stream   INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL, -- at most 1,024 seqs
  checks   BLOB NOT NULL,    -- 4 bytes each, the lowest first
  sum      INTEGER NOT NULL,
  PRIMARY KEY (spool_id, stream, first)
) WITHOUT ROWID;

-- Batches of these seqs have something in this hour that is in no part.
CREATE TABLE pack_due (
  hour_unix_ms  INTEGER NOT NULL,
  device_id     INTEGER NOT NULL,
  spool_id      INTEGER NOT NULL,
  stream        INTEGER NOT NULL,
  seq_first     INTEGER NOT NULL, -- others may lie between
  seq_last      INTEGER NOT NULL,
  since_unix_ms INTEGER NOT NULL,
  PRIMARY KEY (hour_unix_ms, device_id, spool_id, stream)
) WITHOUT ROWID;

-- Batches of which not their id says whether they are in parts: what lies before this instant is.
-- (Their clock or dictionary was not known when they came, or their times have moved.)
CREATE TABLE pack_mark (
  batch_id      INTEGER PRIMARY KEY,
  until_unix_ms INTEGER NOT NULL
);

-- Rows of batch that are in parts as a whole and go when nobody can be reading them.
CREATE TABLE pack_clean (
  id            INTEGER PRIMARY KEY,
  after_unix_ms INTEGER NOT NULL,
  n             INTEGER NOT NULL,
  ids           BLOB NOT NULL, -- ascending: the distances, 7 bits a byte
  sum           INTEGER NOT NULL
);

INSERT INTO meta (key, value) VALUES ('pack_moved', coalesce((SELECT max(id) FROM moved), 0));

-- What was stored before: placed batches are due, others are marked.
INSERT INTO pack_due
  WITH RECURSIVE span (device_id, spool_id, stream, first, last, hour, until) AS (
    SELECT device_id, spool_id, stream, seq_first, seq_last,
           (lo_unix_ms - (lo_unix_ms % 3600000 + 3600000) % 3600000), hi_unix_ms
      FROM coverage WHERE lo_unix_ms IS NOT NULL AND hi_unix_ms - lo_unix_ms < 3600000000
    UNION ALL
    SELECT device_id, spool_id, stream, first, last, hour + 3600000, until
      FROM span WHERE hour + 3600000 <= until)
  SELECT hour, device_id, spool_id, stream, min(first), max(last), 0 FROM span
   GROUP BY hour, device_id, spool_id, stream;
INSERT INTO pack_mark
  SELECT b.id, -9223372036854775807 FROM batch b JOIN spool s ON s.id = b.spool_id
   WHERE b.dict_version > s.dict_version;
INSERT OR IGNORE INTO pack_mark
  SELECT b.id, -9223372036854775807 FROM coverage c
    JOIN batch b ON b.spool_id = c.spool_id AND b.stream = c.stream
     AND b.seq BETWEEN c.seq_first AND c.seq_last
   WHERE c.lo_unix_ms IS NULL OR c.hi_unix_ms - c.lo_unix_ms >= 3600000000;
