-- A third role: operators acknowledge, assign, resolve and comment.
--
-- A CHECK cannot be altered, and dropping `user` while foreign keys are on would
-- empty what refers to it.  So all three tables are made anew before the old ones
-- go, children first; renaming carries the references along.

CREATE TABLE user_new (
	name TEXT PRIMARY KEY,
	display_name TEXT NOT NULL,
	role TEXT NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
	language TEXT NOT NULL CHECK (language IN ('zh-CN', 'en')),
	disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	password_hash TEXT NOT NULL,       -- argon2id, encoded form
	created_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO user_new SELECT name, display_name, role, language, disabled, password_hash,
	created_unix_ms, version FROM user;

CREATE TABLE session_new (
	token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
	id TEXT NOT NULL UNIQUE,           -- to name it in lists; opens nothing
	user TEXT NOT NULL REFERENCES user_new (name) ON DELETE CASCADE,
	created_unix_ms INTEGER NOT NULL,
	last_seen_unix_ms INTEGER NOT NULL,
	expires_unix_ms INTEGER NOT NULL,  -- absolute
	address TEXT NOT NULL,
	user_agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO session_new SELECT token_sha256, id, user, created_unix_ms, last_seen_unix_ms,
	expires_unix_ms, address, user_agent FROM session;

CREATE TABLE known_browser_new (
	token_sha256 BLOB PRIMARY KEY CHECK (length(token_sha256) = 32),
	user TEXT NOT NULL REFERENCES user_new (name) ON DELETE CASCADE,
	last_used_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO known_browser_new SELECT token_sha256, user, last_used_unix_ms FROM known_browser;

DROP TABLE known_browser;
DROP TABLE session;
DROP TABLE user;
ALTER TABLE user_new RENAME TO user;
ALTER TABLE session_new RENAME TO session;
ALTER TABLE known_browser_new RENAME TO known_browser;
CREATE INDEX session_by_user ON session (user);
CREATE INDEX known_browser_by_user ON known_browser (user);
