-- The first form of the control database.  Times are Unix milliseconds.

CREATE TABLE migration (
	n INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	applied_unix_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE site (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	region TEXT NOT NULL,
	zone TEXT NOT NULL,
	lat REAL,
	lon REAL,
	tags TEXT NOT NULL,                -- a JSON object of strings
	part INTEGER NOT NULL CHECK (part BETWEEN 0 AND 63),
	retired INTEGER NOT NULL CHECK (retired IN (0, 1)),
	created_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	site TEXT NOT NULL REFERENCES site (id), -- of the open service interval
	part INTEGER NOT NULL CHECK (part BETWEEN 0 AND 63), -- of the topics; fixed
	retired INTEGER NOT NULL CHECK (retired IN (0, 1)),
	since_unix_ms INTEGER NOT NULL,
	created_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL,
	cert_serial TEXT,                  -- hex; all three NULL: none issued yet
	cert_fingerprint TEXT,             -- hex of SHA-256
	cert_not_after_unix_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX device_by_site ON device (site);

-- In service at sites by intervals; to_unix_ms NULL: still.
CREATE TABLE service (
	device TEXT NOT NULL REFERENCES device (id),
	from_unix_ms INTEGER NOT NULL,
	to_unix_ms INTEGER CHECK (to_unix_ms IS NULL OR to_unix_ms >= from_unix_ms),
	site TEXT NOT NULL REFERENCES site (id),
	PRIMARY KEY (device, from_unix_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_by_site ON service (site);

CREATE TABLE user (
	name TEXT PRIMARY KEY,
	display_name TEXT NOT NULL,
	role TEXT NOT NULL CHECK (role IN ('administrator', 'viewer')),
	language TEXT NOT NULL CHECK (language IN ('zh-CN', 'en')),
	disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	password_hash TEXT NOT NULL,       -- argon2id, encoded form
	created_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The token itself is never stored.
CREATE TABLE session (
	token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
	id TEXT NOT NULL UNIQUE,           -- to name it in lists; opens nothing
	user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
	created_unix_ms INTEGER NOT NULL,
	last_seen_unix_ms INTEGER NOT NULL,
	expires_unix_ms INTEGER NOT NULL,  -- absolute
	address TEXT NOT NULL,
	user_agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user);

-- A browser from which this user has signed in before: its own allowance of
-- tries, so that somebody who guesses elsewhere cannot lock the user out.
CREATE TABLE known_browser (
	token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
	user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
	last_used_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX known_browser_by_user ON known_browser (user);

-- Append-only; every entry's hash covers the one before it.
CREATE TABLE audit (
	n INTEGER PRIMARY KEY,
	unix_ms INTEGER NOT NULL,
	actor TEXT NOT NULL,
	address TEXT NOT NULL,
	action TEXT NOT NULL,
	subject TEXT NOT NULL,
	before TEXT,                       -- JSON or NULL
	after TEXT,
	hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
