-- The ledger end to end: what nothing explains is counted as ranges, and what was
-- set aside can be decoded again.

-- Ranges beside the batches; seq_range has a third kind: 3, the agent says that it
-- accepted these batches and does not have them any more (gap reason 9).
ALTER TABLE stream ADD COLUMN unexplained_gaps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN unexplained_since_unix_ms INTEGER; -- NULL: there is none
UPDATE stream SET unexplained_gaps = 1 WHERE unexplained > 0;

-- Spans between neighbouring batches of one boot that neither another batch nor an
-- entry of the ledger covers.
CREATE TABLE hole (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  spool_id      INTEGER NOT NULL,
  device_id     INTEGER NOT NULL,
  stream        INTEGER NOT NULL,
  boot          BLOB NOT NULL,
  begin_ms      INTEGER NOT NULL,
  end_ms        INTEGER NOT NULL,
  begin_unix_ms INTEGER, -- as placed when it was found
  end_unix_ms   INTEGER,
  known_unix_ms INTEGER NOT NULL,
  UNIQUE (device_id, stream, boot, begin_ms)
);

CREATE INDEX gap_vanished ON gap (device_id) WHERE reason = 9;

ALTER TABLE aside ADD COLUMN tried_unix_ms INTEGER;              -- decoded again, in vain
ALTER TABLE total ADD COLUMN requeued INTEGER NOT NULL DEFAULT 0; -- decoded again, taken in

-- The ledger's sums by reason, kept by the entries themselves: /metrics must not walk it.
CREATE TABLE gap_total (
  reason  INTEGER PRIMARY KEY,
  entries INTEGER NOT NULL,
  batches INTEGER NOT NULL,
  samples INTEGER NOT NULL
);
INSERT INTO gap_total
  SELECT reason, count(*), sum(CASE WHEN seq_first > 0 THEN seq_last - seq_first + 1 ELSE 0 END),
         sum(samples) FROM gap GROUP BY reason;
CREATE TRIGGER gap_added AFTER INSERT ON gap BEGIN
  INSERT INTO gap_total VALUES (new.reason, 0, 0, 0) ON CONFLICT DO NOTHING;
  UPDATE gap_total SET entries = entries + 1,
    batches = batches + CASE WHEN new.seq_first > 0 THEN new.seq_last - new.seq_first + 1 ELSE 0 END,
    samples = samples + new.samples WHERE reason = new.reason;
END;
CREATE TRIGGER gap_removed AFTER DELETE ON gap BEGIN
  UPDATE gap_total SET entries = entries - 1,
    batches = batches - CASE WHEN old.seq_first > 0 THEN old.seq_last - old.seq_first + 1 ELSE 0 END,
    samples = samples - old.samples WHERE reason = old.reason;
END;
