-- Definitions, and what the evaluator makes of the log: cases, KPI parts and
-- cells, rule runs, incidents, messages.  Times are Unix milliseconds; spans are
-- [begin, end).  `window`: 1 = 1 min, 2 = 5 min, 3 = hour, 4 = day (enum bl_window).

-- ---- definitions: what people build, as versioned data ---------------------

CREATE TABLE definition (
	kind TEXT NOT NULL CHECK (kind IN ('process', 'kpi', 'rule', 'channel')),
	id TEXT NOT NULL,
	version INTEGER NOT NULL,          -- the newest
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- In force from an instant of event time until the next version's.
CREATE TABLE definition_version (
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	from_unix_ms INTEGER NOT NULL,
	name TEXT NOT NULL,
	enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
	body TEXT NOT NULL,                -- canonical JSON; collector/src/define/README.md
	author TEXT NOT NULL,
	created_unix_ms INTEGER NOT NULL,
	PRIMARY KEY (kind, id, version),
	FOREIGN KEY (kind, id) REFERENCES definition (kind, id)
) STRICT, WITHOUT ROWID;

-- Never in an answer, the audit log or a log line.
CREATE TABLE channel_secret (
	channel TEXT PRIMARY KEY,
	secret TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- ---- the evaluator's place in the log ---------------------------------------

CREATE TABLE eval (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	epoch BLOB,                        -- of the telemetry store that the rest speaks of
	batch_id INTEGER NOT NULL,         -- batches up to this one have been taken in
	gap_id INTEGER NOT NULL,           -- ledger entries likewise
	moved_id INTEGER NOT NULL,         -- what late clock maps have moved, likewise
	lsn INTEGER NOT NULL,
	definitions INTEGER NOT NULL,      -- versions known when the last one was taken in
	fleet_unix_ms INTEGER NOT NULL,    -- the roster as of
	quiet INTEGER NOT NULL CHECK (quiet IN (0, 1)) -- after a restore: no messages until caught up
) STRICT;
INSERT INTO eval VALUES (1, NULL, 0, 0, 0, 0, 0, 0, 0);

-- Batches whose clock map or dictionary has not come yet.
CREATE TABLE eval_waiting (
	batch_id INTEGER PRIMARY KEY,
	device TEXT NOT NULL,
	since_unix_ms INTEGER NOT NULL
) STRICT;

-- Spans of a device's stream of which something new is known: still to be worked out.
CREATE TABLE eval_dirty (
	device TEXT NOT NULL,
	stream INTEGER NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	end_unix_ms INTEGER NOT NULL,
	priority INTEGER NOT NULL,         -- smaller first: 0 live, 1 backlog, 2 new definitions
	PRIMARY KEY (device, stream, priority, begin_unix_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX eval_dirty_order ON eval_dirty (priority, end_unix_ms DESC);

-- What has been taken in of people's changes: versions of definitions, services of devices.
CREATE TABLE eval_seen (
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (kind, id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE eval_service (
	device TEXT NOT NULL,
	from_unix_ms INTEGER NOT NULL,
	to_unix_ms INTEGER NOT NULL,
	site TEXT NOT NULL,
	zone TEXT NOT NULL,
	PRIMARY KEY (device, from_unix_ms)
) STRICT, WITHOUT ROWID;

-- Rules and processes that are being worked out anew since an instant, subject by subject.
CREATE TABLE eval_redo (
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	from_unix_ms INTEGER NOT NULL,
	after TEXT NOT NULL,               -- the last subject done; '' none yet
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- ---- cases --------------------------------------------------------------------

-- One run of a process at a site, from all its events in order of time.
CREATE TABLE case_head (
	id INTEGER PRIMARY KEY,
	site TEXT NOT NULL,
	process TEXT NOT NULL,
	case_id TEXT NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	end_unix_ms INTEGER,               -- NULL: open
	end_device TEXT NOT NULL,          -- whose event ended it; '' open
	status TEXT NOT NULL,              -- the last attribute `status`; '' none
	attrs TEXT NOT NULL,               -- the last value of each attribute; JSON
	events INTEGER NOT NULL,           -- 0: all of them turned out to belong elsewhere
	UNIQUE (site, process, case_id)
) STRICT;
CREATE INDEX case_by_begin ON case_head (site, begin_unix_ms);
CREATE INDEX case_by_time ON case_head (begin_unix_ms);
CREATE INDEX case_open ON case_head (site, begin_unix_ms) WHERE end_unix_ms IS NULL;
CREATE INDEX case_open_anywhere ON case_head (begin_unix_ms) WHERE end_unix_ms IS NULL;
CREATE INDEX case_by_end_device ON case_head (end_device, end_unix_ms)
	WHERE end_unix_ms IS NOT NULL;
CREATE INDEX case_by_end ON case_head (site, process, end_unix_ms);

CREATE TABLE case_event (
	case_no INTEGER NOT NULL REFERENCES case_head (id),
	unix_ms INTEGER NOT NULL,
	device TEXT NOT NULL,
	batch_id INTEGER NOT NULL,         -- negative: of a telemetry store that was replaced
	n INTEGER NOT NULL,                -- which event of its batch
	boot_ms INTEGER NOT NULL,
	type TEXT NOT NULL,                -- step.begin, step.end, step.event
	step TEXT NOT NULL,
	event_id TEXT NOT NULL,            -- the caller's; '' none
	attrs TEXT NOT NULL,
	PRIMARY KEY (case_no, unix_ms, device, batch_id, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX case_event_once ON case_event (batch_id, n);

-- Steps as paired; made anew from the case's events whenever one comes.
CREATE TABLE case_step (
	case_no INTEGER NOT NULL REFERENCES case_head (id),
	n INTEGER NOT NULL,                -- in order of begin
	step TEXT NOT NULL,
	begin_unix_ms INTEGER,             -- NULL: its begin never came
	end_unix_ms INTEGER,               -- NULL: not ended (yet)
	device TEXT NOT NULL,              -- of the end, else of the begin
	attrs TEXT NOT NULL,               -- of the case, as they were at the step's end
	PRIMARY KEY (case_no, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX case_step_end ON case_step (device, end_unix_ms) WHERE end_unix_ms IS NOT NULL;

-- ---- KPIs ----------------------------------------------------------------------

-- What one device gives to a window.
CREATE TABLE kpi_part (
	kpi TEXT NOT NULL,
	window INTEGER NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	site TEXT NOT NULL,
	device TEXT NOT NULL,
	end_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL,          -- of the KPI
	expected_ms INTEGER NOT NULL,      -- in service here during the window
	covered_ms INTEGER NOT NULL,       -- of it: delivered
	gone_ms INTEGER NOT NULL,          -- of it: will never come, says the ledger
	data BLOB NOT NULL,                -- bl_part_encode
	PRIMARY KEY (kpi, window, site, begin_unix_ms, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX kpi_part_device ON kpi_part (device, kpi, window, begin_unix_ms);

CREATE TABLE kpi_cell (
	kpi TEXT NOT NULL,
	window INTEGER NOT NULL,
	site TEXT NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	end_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL,
	value REAL,                        -- NULL: unknown
	n INTEGER NOT NULL,                -- values in it
	completeness REAL NOT NULL,        -- 0..1
	ready INTEGER NOT NULL CHECK (ready IN (0, 1)),
	state INTEGER NOT NULL,            -- 0 provisional, 1 final, 2 final and incomplete
	revisions INTEGER NOT NULL,        -- of its final value
	known_unix_ms INTEGER NOT NULL,    -- when it first had this value here
	PRIMARY KEY (kpi, window, site, begin_unix_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX kpi_cell_provisional ON kpi_cell (end_unix_ms) WHERE state = 0;

CREATE TABLE kpi_revision (
	kpi TEXT NOT NULL,
	window INTEGER NOT NULL,
	site TEXT NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	n INTEGER NOT NULL,
	value REAL,                        -- before
	completeness REAL NOT NULL,
	state INTEGER NOT NULL,
	known_unix_ms INTEGER NOT NULL,    -- since when it had stood
	revised_unix_ms INTEGER NOT NULL,
	why TEXT NOT NULL,
	PRIMARY KEY (kpi, window, site, begin_unix_ms, n)
) STRICT, WITHOUT ROWID;

-- ---- rules ---------------------------------------------------------------------

-- Evaluation history: neighbouring windows with the same outcome are one row.
CREATE TABLE rule_run (
	rule TEXT NOT NULL,
	subject TEXT NOT NULL,             -- a site's id
	begin_unix_ms INTEGER NOT NULL,
	end_unix_ms INTEGER NOT NULL,
	outcome INTEGER NOT NULL,          -- enum bl_outcome
	windows INTEGER NOT NULL,
	completeness REAL NOT NULL,        -- the lowest in it
	value_min REAL,
	value_max REAL,
	version INTEGER NOT NULL,
	PRIMARY KEY (rule, subject, begin_unix_ms)
) STRICT, WITHOUT ROWID;

-- What rules about cases have found (TRUE), or still wait for (UNKNOWN: the
-- deadline has not come, or coverage does not reach it).
CREATE TABLE rule_case (
	rule TEXT NOT NULL,
	case_no INTEGER NOT NULL REFERENCES case_head (id),
	site TEXT NOT NULL,
	deadline_unix_ms INTEGER NOT NULL,
	outcome INTEGER NOT NULL,          -- enum bl_outcome: 1 or 2
	version INTEGER NOT NULL,          -- that judged it; 0: it has changed since
	ended INTEGER NOT NULL CHECK (ended IN (0, 1)), -- the case has ended: coverage changes nothing any more
	PRIMARY KEY (rule, case_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_case_live ON rule_case (site, deadline_unix_ms) WHERE ended = 0;

-- Devices that are silent, as a rule about no data sees it.
CREATE TABLE rule_silent (
	rule TEXT NOT NULL,
	device TEXT NOT NULL,
	site TEXT NOT NULL,
	begin_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (rule, device)
) STRICT, WITHOUT ROWID;

-- The clock of a rule: until when its patience has been looked at, or (no data)
-- when it last looked, and since when without a break.
CREATE TABLE rule_mark (
	rule TEXT PRIMARY KEY,
	unix_ms INTEGER NOT NULL,
	since_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far a rule that was defined anew has got within a site.
CREATE TABLE rule_place (
	rule TEXT PRIMARY KEY,
	site TEXT NOT NULL,
	from_unix_ms INTEGER NOT NULL,     -- of the whole
	version INTEGER NOT NULL,          -- the newest one then
	stage INTEGER NOT NULL,            -- 0 windows, then one for each process
	at INTEGER NOT NULL                -- of time, or a case's number
) STRICT, WITHOUT ROWID;

-- ---- incidents -------------------------------------------------------------------

CREATE TABLE incident (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	rule TEXT NOT NULL,
	rule_version INTEGER NOT NULL,
	site TEXT NOT NULL,
	subject TEXT NOT NULL,             -- a site's id, a device's id, or process/case
	severity TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
	begin_unix_ms INTEGER NOT NULL,    -- event time
	end_unix_ms INTEGER,               -- NULL: no end is known
	last_true_unix_ms INTEGER NOT NULL,
	known_unix_ms INTEGER NOT NULL,    -- arrival: since when the centre knows of it
	state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved', 'withdrawn', 'merged')),
	assignee TEXT NOT NULL,            -- '' nobody
	merged_into INTEGER REFERENCES incident (id),
	notice INTEGER NOT NULL,           -- 0 undecided, 1 paged, 2 in a digest, 3 none
	explanation TEXT NOT NULL,         -- JSON: the facts, for words in any language
	changed_unix_ms INTEGER NOT NULL,
	version INTEGER NOT NULL
) STRICT;
CREATE INDEX incident_subject ON incident (rule, subject, begin_unix_ms);
CREATE INDEX incident_site ON incident (site, begin_unix_ms);
CREATE INDEX incident_undecided ON incident (site) WHERE notice = 0;
CREATE INDEX incident_live ON incident (state) WHERE state IN ('open', 'acknowledged');

-- What happened to it; nothing is ever deleted.
CREATE TABLE incident_entry (
	incident INTEGER NOT NULL REFERENCES incident (id),
	n INTEGER NOT NULL,
	unix_ms INTEGER NOT NULL,
	actor TEXT NOT NULL,               -- a user, or 'system'
	kind TEXT NOT NULL,                -- opened, amended, ended, acknowledged, assigned, resolved,
	                                   -- reopened, commented, merged, withdrawn, paged, digested
	detail TEXT NOT NULL,              -- JSON
	PRIMARY KEY (incident, n)
) STRICT, WITHOUT ROWID;

-- ---- messages --------------------------------------------------------------------

-- Written in the transaction of what caused it; sent by another thread.
CREATE TABLE outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	key TEXT NOT NULL UNIQUE,          -- idempotency: the same cause gives the same key
	channel TEXT NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('page', 'ended', 'withdrawn', 'digest', 'test')),
	site TEXT NOT NULL,                -- '' none
	incident INTEGER REFERENCES incident (id),
	facts TEXT NOT NULL,               -- JSON; put into words when it is sent
	created_unix_ms INTEGER NOT NULL,
	due_unix_ms INTEGER NOT NULL,      -- the next try
	tries INTEGER NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'refused', 'given_up')),
	sent_unix_ms INTEGER,
	answer TEXT NOT NULL               -- what the other side said last; '' nothing yet
) STRICT;
CREATE INDEX outbox_waiting ON outbox (due_unix_ms) WHERE state = 'waiting';
CREATE INDEX outbox_incident ON outbox (incident);

-- Incidents that wait for their site's digest.
CREATE TABLE digest_item (
	site TEXT NOT NULL,
	incident INTEGER NOT NULL REFERENCES incident (id),
	added_unix_ms INTEGER NOT NULL,
	PRIMARY KEY (site, incident)
) STRICT, WITHOUT ROWID;

-- Incidents that have been told of and have changed since: is there more to tell?
CREATE TABLE notice_due (
	incident INTEGER PRIMARY KEY REFERENCES incident (id)
) STRICT;
