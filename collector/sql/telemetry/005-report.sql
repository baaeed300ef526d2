-- What devices say of their own state, and what they used of their links.

-- The last report of a device, as it came: readers decode it.  Replaced by the next one.
CREATE TABLE device_report (
  device_id       INTEGER PRIMARY KEY REFERENCES device (id),
  arrived_unix_ms INTEGER NOT NULL,
  boot            BLOB NOT NULL,
  boot_ms         INTEGER NOT NULL, -- an older one of the same boot changes nothing
  payload         BLOB NOT NULL
);

-- Bytes on the link, a row a month; only ever grows.
CREATE TABLE usage (
  device_id     INTEGER NOT NULL REFERENCES device (id),
  month         INTEGER NOT NULL, -- year * 12 + month - 1, of the zone that the device was told
  in_bytes      INTEGER NOT NULL,
  out_bytes     INTEGER NOT NULL,
  events_bytes  INTEGER NOT NULL, -- of out: messages with data
  probes_bytes  INTEGER NOT NULL,
  host_bytes    INTEGER NOT NULL,
  other_bytes   INTEGER NOT NULL, -- of out: what is left
  known_unix_ms INTEGER NOT NULL, -- when it last grew
  PRIMARY KEY (device_id, month)
) WITHOUT ROWID;
