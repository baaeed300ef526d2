-- How far back the rows of KPIs go.  What ended before was taken away (or, of samples, may have
-- been), and nothing that it would change is worked out again.  Only ever grows: with a longer
-- retention the past does not come back.
CREATE TABLE kpi_kept (
	level INTEGER PRIMARY KEY CHECK (level IN (0, 1, 3)), -- 0 samples, 1 windows of minutes, 3 hours
	from_unix_ms INTEGER NOT NULL
) STRICT;
