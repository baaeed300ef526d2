-- Series on a diet: what a hundred thousand devices say in the same words stands there once,
-- and a dictionary is runs of numbers.  Readers go on as before, through views.

-- What series say of themselves: once for all devices.
CREATE TABLE series_def (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL,
  labels      TEXT NOT NULL, -- canonical JSON object
  unit        TEXT NOT NULL,
  kind        INTEGER NOT NULL,
  stream      INTEGER NOT NULL,
  interval_ms INTEGER NOT NULL,
  sum         INTEGER
);
INSERT INTO series_def (name, labels, unit, kind, stream, interval_ms)
  SELECT DISTINCT name, labels, unit, kind, stream, interval_ms FROM series
   ORDER BY name, labels, unit, kind, stream, interval_ms;
UPDATE series_def SET sum =
  row_sum('series_def', id, name, labels, unit, kind, stream, interval_ms);
-- The way to them, and a second copy on pages of its own: all devices rest on these rows.
CREATE INDEX series_def_copy ON series_def (name, labels, unit, kind, stream, interval_ms, sum);

-- Of a device at most one row has the name and labels of a series (store_series.c).
CREATE TABLE series_row (
  id        INTEGER PRIMARY KEY,
  device_id INTEGER NOT NULL,
  def_id    INTEGER NOT NULL REFERENCES series_def (id),
  sum       INTEGER -- a row that did not agree with its own before has none
);
INSERT INTO series_row
  SELECT s.id, s.device_id, d.id, CASE WHEN s.sum = row_sum('series', s.id, s.device_id, s.name,
         s.labels, s.unit, s.kind, s.stream, s.interval_ms)
         THEN row_sum('series_row', s.id, s.device_id, d.id) END
    FROM series s JOIN series_def d ON d.name = s.name AND d.labels = s.labels
     AND d.unit = s.unit AND d.kind = s.kind AND d.stream = s.stream
     AND d.interval_ms = s.interval_ms
   ORDER BY s.id;
CREATE INDEX series_row_device ON series_row (device_id, def_id);
CREATE INDEX series_row_def ON series_row (def_id, device_id);

-- Entries entry .. entry + n - 1 of a spool's dictionary are series_id .. series_id + n - 1.
CREATE TABLE dict_run (
  spool_id  INTEGER NOT NULL,
  entry     INTEGER NOT NULL,
  series_id INTEGER NOT NULL,
  n         INTEGER NOT NULL, -- at most 256
  sum       INTEGER,
  PRIMARY KEY (spool_id, entry)
) WITHOUT ROWID;
WITH checked AS (
  SELECT spool_id, entry, series_id, sum IS row_sum('dict', spool_id, entry, series_id) AS holds
    FROM dict),
stretch AS (
  SELECT *, entry - row_number() OVER
         (PARTITION BY spool_id, entry - series_id, holds ORDER BY entry) AS at FROM checked),
run AS (
  SELECT spool_id, entry, series_id, holds, row_number() OVER
         (PARTITION BY spool_id, entry - series_id, holds, at ORDER BY entry) - 1 AS k
    FROM stretch)
INSERT INTO dict_run
  SELECT spool_id, min(entry), min(series_id), count(*), CASE WHEN holds
         THEN row_sum('dict_run', spool_id, min(entry), min(series_id), count(*)) END
    FROM run GROUP BY spool_id, entry - series_id, holds, entry - k, k / 256;

DROP TABLE dict; -- and its trigger
DROP TABLE series;

CREATE VIEW series AS
  SELECT r.id, r.device_id, d.name, d.labels, d.unit, d.kind, d.stream, d.interval_ms
    FROM series_row r JOIN series_def d ON d.id = r.def_id;

-- For whoever asks by spool: one series is found faster through its device's spools.
CREATE TABLE run_step (n INTEGER PRIMARY KEY);
WITH RECURSIVE step (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM step WHERE n < 255)
INSERT INTO run_step SELECT n FROM step;
CREATE VIEW dict AS
  SELECT r.spool_id, r.entry + k.n AS entry, r.series_id + k.n AS series_id
    FROM dict_run r JOIN run_step k ON k.n < r.n;

-- As in 008: entries that came.
CREATE TRIGGER run_added AFTER INSERT ON dict_run BEGIN
  UPDATE total SET maps = maps + new.n;
END;
CREATE TRIGGER run_grown AFTER UPDATE OF n ON dict_run BEGIN
  UPDATE total SET maps = maps + new.n - old.n;
END;
