-- Machines that take turns with one device's identity, a row each.

CREATE TABLE identity_party (
  device_id     INTEGER NOT NULL REFERENCES device (id),
  spool         BLOB NOT NULL,
  boot          BLOB NOT NULL,
  software      TEXT NOT NULL,
  address       TEXT NOT NULL,    -- its own, as it reported it; empty: not known
  first_unix_ms INTEGER NOT NULL, -- when it was first seen to have a rival
  last_unix_ms  INTEGER NOT NULL, -- its last birth
  returns       INTEGER NOT NULL, -- how often it came back after another one
  PRIMARY KEY (device_id, spool, boot)
) WITHOUT ROWID;
CREATE INDEX identity_party_time ON identity_party (last_unix_ms);
