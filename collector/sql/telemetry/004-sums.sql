-- A checksum in every row that receipts and salvage go by, over what of the row they use
-- (collector/src/store/README.md): SQLite notices a damaged structure, not a flipped bit.
-- A batch from before has none; the checksum of its body stands for it.

ALTER TABLE device ADD COLUMN sum INTEGER;
ALTER TABLE boot ADD COLUMN sum INTEGER;
ALTER TABLE spool ADD COLUMN sum INTEGER;
ALTER TABLE batch ADD COLUMN sum INTEGER;
ALTER TABLE series ADD COLUMN sum INTEGER;
ALTER TABLE dict ADD COLUMN sum INTEGER;
ALTER TABLE clock_segment ADD COLUMN sum INTEGER;
ALTER TABLE stream ADD COLUMN sum INTEGER;
ALTER TABLE seq_range ADD COLUMN sum INTEGER;

UPDATE device SET sum = row_sum('device', id, name);
UPDATE boot SET sum = row_sum('boot', id, uuid);
UPDATE spool SET sum = row_sum('spool', id, uuid, device_id);
UPDATE series SET sum =
  row_sum('series', id, device_id, name, labels, unit, kind, stream, interval_ms);
UPDATE dict SET sum = row_sum('dict', spool_id, entry, series_id);
UPDATE clock_segment SET sum =
  row_sum('clock', spool_id, entry, boot_uuid, from_ms, offset_ms, uncertainty_ms, source);
UPDATE stream SET sum =
  row_sum('stream', spool_id, stream, contiguous, next_seq, lowest_held);
UPDATE seq_range SET sum = row_sum('range', spool_id, stream, kind, first, last);

-- A second copy of what every batch needs, on pages of its own.
CREATE INDEX device_copy ON device (name, sum);
CREATE INDEX boot_copy ON boot (uuid, sum);
CREATE INDEX spool_copy ON spool (uuid, device_id, sum);
