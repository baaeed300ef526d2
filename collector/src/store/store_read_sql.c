/* What readers ask SQLite: the text of every statement. */
#include "store_read_internal.h"

#define BATCH_COLUMNS                                                                              \
	"id, seq, crc32, kind, event_begin_ms, event_end_ms, collect_begin_ms, collect_end_ms,"    \
	" dict_version, n_samples, n_events, n_gaps, raw_bytes, supersedes_first,"                 \
	" supersedes_last, arrived_unix_ms, body"
#define PART_COLUMNS                                                                               \
	"id, hour_unix_ms, space, raw_offset, raw_bytes, m5_offset, m5_bytes, h1_offset,"          \
	" h1_bytes, devices, series, samples, made_unix_ms"
#define COVER_COLUMNS                                                                              \
	"id, spool_id, boot_id, seq_first, seq_last, lo_unix_ms, first_arrived_unix_ms"
#define SERIES_SELECT                                                                              \
	"SELECT s.id, d.name, s.name, s.unit, s.labels, s.kind, s.stream, s.interval_ms,"          \
	" s.device_id FROM series s JOIN device d ON d.id = s.device_id"
#define GAP_SELECT                                                                                 \
	"SELECT g.id, d.name, g.stream, g.reason, g.seq_first, g.seq_last, g.begin_unix_ms,"       \
	" g.end_unix_ms, g.samples, g.known_unix_ms, g.device_id, g.spool_id FROM gap g"           \
	" JOIN device d ON d.id = g.device_id"
/* A gap without times is in every range. */
#define GAP_RANGE                                                                                  \
	" (?1 IS NULL OR g.end_unix_ms IS NULL OR g.end_unix_ms > ?1)"                             \
	" AND (?2 IS NULL OR g.begin_unix_ms IS NULL OR g.begin_unix_ms < ?2)"                     \
	" AND g.id < ?3"
#define LOG_BATCH_SELECT                                                                           \
	"SELECT b.id, b.lsn, d.name, b.stream, b.spool_id, b.boot_id, b.seq, b.event_begin_ms,"    \
	" b.event_end_ms, b.collect_begin_ms, b.collect_end_ms, b.dict_version > s.dict_version,"  \
	" b.n_samples, b.n_events, b.arrived_unix_ms, b.kind, b.supersedes_first,"                 \
	" b.supersedes_last, s.closed FROM batch b JOIN device d ON d.id = b.device_id"            \
	" JOIN spool s ON s.id = b.spool_id"
#define LOG_COVER_SELECT                                                                           \
	"SELECT spool_id, boot_id, seq_first, seq_last, begin_ms, end_ms, lo_unix_ms, id"          \
	" FROM coverage WHERE device_id = ?1 AND stream = ?2"
/* The longest row that reaches from before `from` to it or beyond, of those that have an index. */
#define WIDE_AT(from)                                                                              \
	"SELECT max(hi_unix_ms - lo_unix_ms) FROM coverage INDEXED BY coverage_wide"               \
	" WHERE device_id = ?1 AND stream = ?2 AND " STORE_SQL_WIDE " AND hi_unix_ms >= " from
/*
 * How far a row that reaches to ?6 may begin before its end, as of the statement that looks for
 * rows.  The longest one ever is kept for good, and a single late event makes it days.
 */
#define SPAN_MAX                                                                                   \
	"(SELECT CASE WHEN m <= 21600000 THEN m ELSE max(21600000, coalesce((" WIDE_AT(            \
	    "?6") " AND lo_unix_ms < ?6), 0)) END FROM (SELECT coalesce(max(t.span_max_ms), 0) "   \
		  "AS m"                                                                           \
		  " FROM spool s JOIN stream t ON t.spool_id = s.id AND t.stream = ?2"             \
		  " WHERE s.device_id = ?1))"
#define LOG_COVER_LOWER                                                                            \
	" AND lo_unix_ms >= (SELECT max(lo_unix_ms) FROM coverage WHERE device_id = ?1"            \
	" AND stream = ?2 AND lo_unix_ms < ?3) - ?4"
/* Of one stream: named by its spool, still held there, not settled here. */
#define STREAM_WAITING                                                                             \
	" CASE WHEN s.closed OR t.next_seq - 1 <= max(t.contiguous, t.lowest_held - 1) THEN 0"     \
	" ELSE t.next_seq - 1 - max(t.contiguous, t.lowest_held - 1) - (SELECT"                    \
	" coalesce(sum(min(q.last, t.next_seq - 1) - max(q.first, t.lowest_held) + 1), 0)"         \
	" FROM seq_range q WHERE q.spool_id = s.id AND q.stream = t.stream AND q.kind = 1"         \
	" AND q.last >= t.lowest_held AND q.first < t.next_seq) END"
#define OF_DEVICE     " spool_id IN (SELECT id FROM spool WHERE device_id = d.id)"
#define VANISHED_SPAN "reason = 9 AND seq_first = 0"
#define LOST_PART     STORE_SQL_LOST_PART
#define ASIDE_SELECT                                                                               \
	"SELECT id, arrived_unix_ms, topic, device, part, reason, detail, bytes, repeats,"         \
	" payload IS NOT NULL, tried_unix_ms FROM aside WHERE id < ?1"

/* The bound stands there twice: the index knows the second. */
#define DOUBTS                                                                                     \
	"SELECT DISTINCT s.device_id, d.name, c.spool_id, b.id FROM clock_segment c"               \
	" JOIN spool s ON s.id = c.spool_id JOIN device d ON d.id = s.device_id"                   \
	" JOIN boot b ON b.uuid = c.boot_uuid"                                                     \
	" WHERE c.source > 0 AND c.uncertainty_ms >= ?1 AND c.uncertainty_ms >= 1000"

const char *const read_text[READ_COUNT] = {
	[READ_DEVICES] = "SELECT id, name, presence, presence_since_unix_ms, software FROM device"
			 " WHERE name > ? ORDER BY name LIMIT 256",
	[READ_DEVICE] = "SELECT id, name, presence, presence_since_unix_ms, software FROM device"
			" WHERE name = ?",
	[READ_DEVICE_SPOOLS] =
	    "SELECT s.id, s.uuid, s.closed, s.conflict, s.software, s.config_hash, s.boot_uuid,"
	    " t.stream, t.batches, t.samples, t.last_arrival_unix_ms, t.until_unix_ms,"
	    " t.unexplained_gaps, coalesce(s.hello_unix_ms, s.made_unix_ms)," STREAM_WAITING
	    " FROM spool s LEFT JOIN stream t ON t.spool_id = s.id WHERE s.device_id = ?"
	    " ORDER BY s.closed DESC, 14, s.id",
	[READ_DEVICE_GAPS] = "SELECT count(*) FROM gap WHERE device_id = ?",
	[READ_DEVICE_HOLES] =
	    "SELECT (SELECT count(*) FROM hole WHERE device_id = ?1)"
	    " + (SELECT count(*) FROM gap WHERE device_id = ?1 AND " VANISHED_SPAN ")",
	[READ_DEVICE_ASIDE] = "SELECT count(*) FROM aside WHERE device = ?",
	/* What is packed was placed, so its boot is trusted. */
	[READ_SPOOL_CLOCK] =
	    "SELECT 1 FROM clock_segment c WHERE c.spool_id = ?1 AND c.source > 0"
	    " AND (c.boot_uuid = coalesce((SELECT b.uuid FROM batch JOIN boot b"
	    " ON b.id = batch.boot_id WHERE batch.spool_id = ?1"
	    " ORDER BY batch.stream DESC, batch.seq DESC LIMIT 1), ?2)"
	    " OR ((SELECT max(stream) FROM packed_seq WHERE spool_id = ?1),"
	    " (SELECT last FROM packed_seq WHERE spool_id = ?1 ORDER BY stream DESC, first DESC"
	    " LIMIT 1)) > ((SELECT coalesce(max(stream), 0) FROM batch WHERE spool_id = ?1),"
	    " coalesce((SELECT seq FROM batch WHERE spool_id = ?1 ORDER BY stream DESC, seq DESC"
	    " LIMIT 1), 0))) LIMIT 1",
	[READ_REPORT] = "SELECT p.arrived_unix_ms, p.payload FROM device_report p"
			" JOIN device d ON d.id = p.device_id WHERE d.name = ?",
	[READ_USAGE] = "SELECT u.month, u.in_bytes, u.out_bytes, u.events_bytes, u.probes_bytes,"
		       " u.host_bytes, u.other_bytes, u.known_unix_ms FROM usage u"
		       " JOIN device d ON d.id = u.device_id WHERE d.name = ?"
		       " ORDER BY u.month DESC LIMIT ?",
	[READ_PARTIES] = "SELECT d.name, p.spool, p.boot, p.software, p.address, p.first_unix_ms, "
			 "p.last_unix_ms,"
			 " p.returns FROM identity_party p JOIN device d ON d.id = p.device_id"
			 " WHERE p.last_unix_ms >= ?1 AND (?2 = '' OR d.name = ?2)"
			 " ORDER BY d.name, p.last_unix_ms DESC",
	[READ_PARTY_OF] = "SELECT 1 FROM identity_party WHERE device_id = ? AND last_unix_ms >= ?"
			  " LIMIT 1",
	[READ_DEVICE_ID] = "SELECT id FROM device WHERE name = ?",
	[READ_SERIES] = SERIES_SELECT " WHERE s.device_id = ? ORDER BY s.name, s.labels",
	[READ_SERIES_ID] = SERIES_SELECT " WHERE s.id = ?",
	[READ_SERIES_ENTRIES] =
	    /* Through the device's spools: their dictionaries are a few runs each. */
	"SELECT d.spool_id, d.entry + s.id - d.series_id FROM series_row s CROSS JOIN spool p"
	" ON p.device_id = s.device_id CROSS JOIN dict_run d ON d.spool_id = p.id"
	" AND s.id >= d.series_id AND s.id < d.series_id + d.n WHERE s.id = ?",
	[READ_SERIES_NAMED] =
	    "SELECT s.device_id, f.stream, v.name, s.id, f.labels FROM series_def f CROSS JOIN"
	    " series_row s ON s.def_id = f.id CROSS JOIN device v ON v.id = s.device_id"
	    " WHERE f.name = ?",
	[READ_SERIES_NAME] = "SELECT name FROM series WHERE id = ?",
	[READ_PACK_MARK] = "SELECT until_unix_ms FROM pack_mark WHERE batch_id = ?",
	[READ_METRICS] =
	    "SELECT name, (SELECT unit FROM series_def WHERE id = newest), least = 1, most = 2, n,"
	    " devices, interval_ms FROM (SELECT f.name AS name, max(f.id) AS newest,"
	    " min(f.kind) AS least, max(f.kind) AS most, count(*) AS n,"
	    " count(DISTINCT s.device_id) AS devices, min(f.interval_ms) AS interval_ms"
	    " FROM series_def f CROSS JOIN series_row s ON s.def_id = f.id WHERE f.name > ?"
	    " GROUP BY f.name ORDER BY f.name LIMIT ?)",
	[READ_METRIC_SERIES] =
	    "SELECT s.id, v.name, f.name, f.unit, f.labels, f.kind, f.stream, f.interval_ms,"
	    " s.device_id FROM series_def f CROSS JOIN series_row s ON s.def_id = f.id"
	    " CROSS JOIN device v ON v.id = s.device_id WHERE f.name = ?",
	[READ_METRIC_ENTRIES] =
	    "SELECT s.id, v.name, f.labels, f.unit, f.interval_ms, p.uuid,"
	    " d.entry + s.id - d.series_id FROM series_def f"
	    " CROSS JOIN series_row s ON s.def_id = f.id"
	    " CROSS JOIN device v ON v.id = s.device_id CROSS JOIN spool p"
	    " ON p.device_id = s.device_id CROSS JOIN dict_run d ON d.spool_id = p.id"
	    " AND s.id >= d.series_id AND s.id < d.series_id + d.n WHERE f.name = ?",
	[READ_METRIC_EXTENT] =
	    "SELECT (SELECT min(lo_unix_ms) FROM coverage WHERE device_id = ?1 AND stream = ?2),"
	    " (SELECT max(t.until_unix_ms) FROM stream t JOIN spool s ON s.id = t.spool_id"
	    " WHERE s.device_id = ?1 AND t.stream = ?2)",
	[READ_NEXT_HOUR] = "SELECT (SELECT min(hour_unix_ms) FROM part WHERE hour_unix_ms >= ?1),"
			   " (SELECT min(hour_unix_ms) FROM pack_due WHERE hour_unix_ms >= ?1)",
	[READ_NEXT_RAW] =
	    "SELECT (SELECT hour_unix_ms FROM part WHERE hour_unix_ms >= ?1 AND raw_bytes > 0"
	    " ORDER BY hour_unix_ms LIMIT 1),"
	    " (SELECT min(hour_unix_ms) FROM pack_due WHERE hour_unix_ms >= ?1)",
	[READ_LEVELS] =
	    "SELECT max(CASE WHEN raw_bytes = 0 THEN hour_unix_ms END),"
	    " max(CASE WHEN m5_bytes = 0 THEN hour_unix_ms END),"
	    " max(CASE WHEN h1_bytes = 0 THEN hour_unix_ms END),"
	    " (SELECT min(hour_unix_ms) FROM part), (SELECT min(hour_unix_ms) FROM pack_due)"
	    " FROM part WHERE hour_unix_ms >= ?",
	/* A device's hours that are in parts, and whether something of the stream is not. */
	[READ_SAMPLE_HOURS] =
	    "SELECT d.hour_unix_ms, d.part_id, d.batch_upto, p.space, p.raw_offset, p.raw_bytes,"
	    " EXISTS (SELECT 1 FROM pack_due w WHERE w.hour_unix_ms = d.hour_unix_ms"
	    " AND w.device_id = d.device_id AND w.stream = ?2) FROM part_device d JOIN part p"
	    " ON p.id = d.part_id WHERE d.device_id = ?1 AND d.hour_unix_ms >= ?3"
	    " AND d.hour_unix_ms < ?4 ORDER BY d.hour_unix_ms",
	[READ_MOVED_MARK] = "SELECT seq FROM sqlite_sequence WHERE name = 'moved'",
	[READ_SPAN_MAX] =
	    "SELECT max(t.span_max_ms) FROM stream t JOIN spool s ON s.id = t.spool_id"
	    " WHERE s.device_id = ? AND t.stream = ?",
	[READ_SPAN_WIDE] = WIDE_AT("?3"),
	[READ_SEGMENTS] = "SELECT entry, from_ms, offset_ms, uncertainty_ms, source"
			  " FROM clock_segment WHERE spool_id = ? AND boot_uuid = ? ORDER BY entry",
	[READ_DOUBTS] = DOUBTS " LIMIT ?2",
	[READ_DOUBTS_DEVICE] = DOUBTS " AND s.device_id = ?3 LIMIT ?2",
	[READ_DOUBT_EXTENT] = "SELECT min(lo_ms), max(hi_ms) FROM coverage WHERE device_id = ?1"
			      " AND stream = ?2 AND lo_unix_ms >= ?3 AND lo_unix_ms < ?4"
			      " AND hi_unix_ms >= ?5 AND spool_id = ?6 AND boot_id = ?7",
	[READ_BOOT] = "SELECT uuid FROM boot WHERE id = ?",
	[READ_COVER_OLDEST] =
	    "SELECT lo_unix_ms, hi_unix_ms FROM coverage WHERE device_id = ?"
	    " AND stream = ? AND lo_unix_ms IS NOT NULL ORDER BY lo_unix_ms LIMIT 1",
	[READ_COVER_NEWEST] = "SELECT lo_unix_ms, hi_unix_ms FROM coverage WHERE device_id = ?"
			      " AND stream = ? AND lo_unix_ms IS NOT NULL"
			      " ORDER BY lo_unix_ms DESC LIMIT 1",
	[READ_COVERS_UP] = "SELECT " COVER_COLUMNS " FROM coverage WHERE device_id = ?1"
			   " AND stream = ?2 AND lo_unix_ms >= max(?3, ?6 - " SPAN_MAX ")"
			   " AND NOT (lo_unix_ms = ?3 AND id <= ?4) AND lo_unix_ms < ?5"
			   " AND hi_unix_ms >= ?6 ORDER BY lo_unix_ms, id LIMIT ?7",
	[READ_COVERS_DOWN] =
	    "SELECT " COVER_COLUMNS " FROM coverage WHERE device_id = ?1 AND stream = ?2"
	    " AND (lo_unix_ms, id) < (?3, ?4) AND lo_unix_ms >= ?5 AND hi_unix_ms >= ?6"
	    " ORDER BY lo_unix_ms DESC, id DESC LIMIT ?7",
	[READ_COVERS_UNPLACED] =
	    "SELECT " COVER_COLUMNS " FROM coverage WHERE device_id = ?1 AND stream = ?2"
	    " AND lo_unix_ms IS NULL AND id < ?4 AND first_arrived_unix_ms < ?3"
	    " AND arrived_unix_ms >= ?6 AND ?5 IS NOT NULL ORDER BY id DESC LIMIT ?7",
	[READ_BATCHES_UP] = "SELECT " BATCH_COLUMNS " FROM batch WHERE spool_id = ? AND stream = ?"
			    " AND seq BETWEEN ? AND ? ORDER BY seq",
	[READ_BATCHES_DOWN] =
	    "SELECT " BATCH_COLUMNS " FROM batch WHERE spool_id = ? AND stream = ?"
	    " AND seq BETWEEN ? AND ? ORDER BY seq DESC",
	[READ_COVERAGE] =
	    "SELECT spool_id, seq_first, seq_last, begin_unix_ms, end_unix_ms, arrived_unix_ms,"
	    " lo_unix_ms, id, first_arrived_unix_ms FROM coverage WHERE device_id = ?1"
	    " AND stream = ?2 AND lo_unix_ms >= max(?3, ?6 - " SPAN_MAX ")"
	    " AND NOT (lo_unix_ms = ?3 AND id <= ?4) AND lo_unix_ms < ?5"
	    " AND hi_unix_ms >= ?6 ORDER BY lo_unix_ms, id LIMIT 1024",
	/* Named by the device and not settled here; a closed spool sends no more. */
	[READ_LINK_HELD] =
	    "SELECT t.spool_id, max(t.contiguous + 1, t.lowest_held), t.next_seq - 1 FROM stream t"
	    " JOIN spool s ON s.id = t.spool_id WHERE s.device_id = ?1 AND s.closed = 0"
	    " AND t.stream = ?2 AND t.next_seq - 1 > max(t.contiguous, t.lowest_held - 1)"
	    " ORDER BY t.spool_id LIMIT 64",
	[READ_GAPS_DEVICE] =
	    GAP_SELECT " WHERE" GAP_RANGE " AND g.device_id = ?4 ORDER BY g.id DESC LIMIT 256",
	[READ_GAPS_ALL] = GAP_SELECT " WHERE" GAP_RANGE " ORDER BY g.id DESC LIMIT 256",
	[READ_GAPS_STREAM] =
	    "SELECT id, reason, spool_id, seq_first, seq_last, begin_unix_ms, end_unix_ms,"
	    " " LOST_PART
	    " FROM gap WHERE device_id = ?1 AND stream = ?2 AND id > ?3 AND (end_unix_ms IS NULL OR"
	    " begin_unix_ms IS NULL OR (end_unix_ms > ?4 AND begin_unix_ms < ?5))"
	    " ORDER BY id LIMIT 1024",
	/* Ranges of seqs, holes, samples that vanished; batches; of them vanished; since. */
	[READ_UNEXPLAINED_DEVICE] =
	    "SELECT (SELECT coalesce(sum(unexplained_gaps), 0) FROM stream WHERE" OF_DEVICE ")"
	    " + (SELECT count(*) FROM hole WHERE device_id = d.id)"
	    " + (SELECT count(*) FROM gap WHERE device_id = d.id AND " VANISHED_SPAN "),"
	    " (SELECT coalesce(sum(unexplained), 0) FROM stream WHERE" OF_DEVICE "),"
	    " (SELECT coalesce(sum(last - first + 1), 0) FROM seq_range WHERE kind = 3"
	    " AND" OF_DEVICE "),"
	    " (SELECT min(x) FROM (SELECT min(unexplained_since_unix_ms) AS x FROM stream"
	    " WHERE" OF_DEVICE
	    " UNION ALL SELECT min(known_unix_ms) FROM hole WHERE device_id = d.id"
	    " UNION ALL SELECT min(known_unix_ms) FROM gap WHERE device_id = d.id"
	    " AND " VANISHED_SPAN ")) FROM device d WHERE d.name = ?",
	[READ_UNEXPLAINED] =
	    "SELECT (SELECT coalesce(sum(unexplained_gaps), 0) FROM stream)"
	    " + (SELECT count(*) FROM hole) + (SELECT count(*) FROM gap WHERE " VANISHED_SPAN "),"
	    " (SELECT coalesce(sum(unexplained), 0) FROM stream),"
	    " (SELECT coalesce(sum(last - first + 1), 0) FROM seq_range WHERE kind = 3),"
	    " (SELECT min(x) FROM (SELECT min(unexplained_since_unix_ms) AS x FROM stream"
	    " UNION ALL SELECT min(known_unix_ms) FROM hole"
	    " UNION ALL SELECT min(known_unix_ms) FROM gap WHERE " VANISHED_SPAN "))",
	[READ_MISSING_STREAMS] =
	    "SELECT d.name, d.id, t.spool_id, t.stream, t.contiguous,"
	    " CASE WHEN s.closed THEN t.next_seq ELSE t.lowest_held END,"
	    " t.unexplained_since_unix_ms FROM stream t JOIN spool s ON s.id = t.spool_id"
	    " JOIN device d ON d.id = s.device_id WHERE (t.spool_id, t.stream) > (?1, ?2)"
	    " AND t.unexplained > 0 AND (?3 IS NULL OR d.name = ?3)"
	    " ORDER BY t.spool_id, t.stream LIMIT 32",
	[READ_MISSING_RANGES] = "SELECT kind, first, last FROM seq_range WHERE spool_id = ?"
				" AND stream = ? AND kind IN (1, 3) ORDER BY first",
	[READ_MISSING_BESIDE] =
	    "SELECT (SELECT end_unix_ms FROM coverage WHERE device_id = ?1 AND stream = ?2"
	    " AND spool_id = ?3 AND seq_last < ?4 ORDER BY seq_last DESC LIMIT 1),"
	    " (SELECT begin_unix_ms FROM coverage WHERE device_id = ?1 AND stream = ?2"
	    " AND spool_id = ?3 AND seq_first > ?5 ORDER BY seq_first LIMIT 1)",
	[READ_GAP_SUCCESSOR] =
	    "SELECT min(begin_unix_ms) FROM (SELECT begin_unix_ms FROM coverage WHERE"
	    " device_id = ?1 AND stream = ?2 AND spool_id <> ?3 AND lo_unix_ms >= ?4"
	    " ORDER BY lo_unix_ms LIMIT 1)",
	[READ_MISSING_HOLES] =
	    "SELECT h.id, d.name, h.stream, h.begin_unix_ms, h.end_unix_ms, h.known_unix_ms, 0"
	    " FROM hole h JOIN device d ON d.id = h.device_id WHERE h.id < ?1"
	    " AND (?2 IS NULL OR d.name = ?2) ORDER BY h.id DESC LIMIT 64",
	[READ_MISSING_SAMPLES] =
	    "SELECT g.id, d.name, g.stream, g.begin_unix_ms, g.end_unix_ms, g.known_unix_ms,"
	    " g.samples FROM gap g JOIN device d ON d.id = g.device_id WHERE g.id < ?1"
	    " AND (?2 IS NULL OR d.name = ?2) AND g.reason = 9 AND g.seq_first = 0"
	    " ORDER BY g.id DESC LIMIT 64",
	/* An entry's time counts as far as it lies in the range. */
	[READ_GAP_TOTALS] =
	    "SELECT d.name, g.reason, count(*),"
	    " sum(CASE WHEN g.seq_first > 0 THEN g.seq_last - g.seq_first + 1 ELSE 0 END),"
	    " sum(g.samples), coalesce(sum(max(min(g.end_unix_ms,"
	    " coalesce(?2, g.end_unix_ms)) - max(g.begin_unix_ms, coalesce(?1, g.begin_unix_ms)),"
	    " 0)), 0), min(g.begin_unix_ms), max(g.end_unix_ms) FROM gap g"
	    " JOIN device d ON d.id = g.device_id"
	    " WHERE (?1 IS NULL OR g.end_unix_ms IS NULL OR g.end_unix_ms > ?1)"
	    " AND (?2 IS NULL OR g.begin_unix_ms IS NULL OR g.begin_unix_ms < ?2)"
	    " AND (?3 IS NULL OR d.name = ?3) GROUP BY g.device_id, g.reason"
	    " ORDER BY d.name, g.reason",
	[READ_THINNED] =
	    "SELECT d.name, g.begin_unix_ms, g.end_unix_ms FROM device d CROSS JOIN gap g"
	    " ON g.device_id = d.id WHERE g.stream = ? AND g.end_unix_ms > ?"
	    " AND g.begin_unix_ms < ? AND g.reason = 10 ORDER BY d.id, g.begin_unix_ms",
	[READ_GAP_SUMS] = "SELECT reason, entries, batches, samples FROM gap_total",
	[READ_ASIDE] = ASIDE_SELECT " ORDER BY id DESC LIMIT 256",
	[READ_ASIDE_DEVICE] = ASIDE_SELECT " AND device = ?2 ORDER BY id DESC LIMIT 256",
	[READ_ASIDE_MATCHING] =
	    "SELECT count(*) FROM aside WHERE payload IS NOT NULL AND (?1 = 0 OR reason = ?1)"
	    " AND (?2 IS NULL OR device = ?2) AND (?3 = 0 OR id = ?3)",
	[READ_TOTAL] = "SELECT lsn, last_commit_unix_ms, batches, samples, events, duplicates,"
		       " conflicts, aside_refused, requeued FROM total",
	[READ_ASIDE_COUNT] = "SELECT reason, n FROM aside_count",
	[READ_EPOCH] = "SELECT value FROM meta WHERE key = 'epoch'",
	[READ_COUNTS] = "SELECT (SELECT count(*) FROM gap), (SELECT count(*) FROM aside),"
			" (SELECT coalesce(sum(seq_last - seq_first + 1), 0) FROM coverage"
			" WHERE lo_unix_ms IS NULL),"
			" (SELECT count(*) FROM device), (SELECT count(*) FROM spool),"
			" (SELECT count(*) FROM series_row), (SELECT min(made_unix_ms) FROM spool)",
	[READ_LOG_HEAD] =
	    "SELECT (SELECT value FROM meta WHERE key = 'epoch'),"
	    " (SELECT max(id) FROM batch), (SELECT max(id) FROM gap), (SELECT max(id) FROM moved),"
	    " (SELECT maps FROM total)",
	[READ_LOG_MAPS] = "SELECT sum(dict_version + clock_version) FROM spool WHERE device_id = ?",
	[READ_LOG_VERSION] = "PRAGMA data_version",
	/* Not settled, though the agent has named it and still held it when it did. */
	[READ_LOG_BACKLOG] =
	    "SELECT 1 FROM stream s WHERE s.spool_id = (SELECT id FROM spool WHERE device_id = ?"
	    " AND closed = 0 ORDER BY hello_unix_ms DESC, id DESC LIMIT 1)"
	    " AND s.next_seq - 1 > max(s.contiguous, s.lowest_held - 1)"
	    " AND NOT EXISTS (SELECT 1 FROM seq_range q WHERE q.spool_id = s.spool_id"
	    " AND q.stream = s.stream AND q.kind = 1"
	    " AND q.first <= max(s.contiguous + 1, s.lowest_held) AND q.last >= s.next_seq - 1)"
	    " LIMIT 1",
	[READ_LOG_BATCHES] = LOG_BATCH_SELECT " WHERE b.id > ? ORDER BY b.id LIMIT ?",
	[READ_LOG_BATCH] = LOG_BATCH_SELECT " WHERE b.id = ?",
	[READ_LOG_GAPS] =
	    "SELECT g.id, d.name, g.stream, g.reason, g.seq_first, g.seq_last, g.begin_unix_ms,"
	    " g.end_unix_ms, g.samples, g.known_unix_ms, g.spool_id, " LOST_PART " FROM gap g"
	    " JOIN device d ON d.id = g.device_id WHERE g.id > ? ORDER BY g.id LIMIT ?",
	[READ_LOG_MOVED] =
	    "SELECT m.id, d.name, m.stream, m.begin_unix_ms, m.end_unix_ms, m.spool_id, m.boot_id,"
	    " m.from_ms FROM moved m JOIN device d ON d.id = m.device_id WHERE m.id > ?"
	    " ORDER BY m.id LIMIT ?",
	[READ_LOG_MOVED_BATCHES] =
	    LOG_BATCH_SELECT " WHERE b.spool_id = ? AND b.stream = ? AND b.seq > ?"
			     " AND b.boot_id = ? AND b.event_end_ms >= ? ORDER BY b.seq LIMIT ?",
	[READ_LOG_BEFORE] = "SELECT seq, boot_id, collect_end_ms FROM batch WHERE spool_id = ?"
			    " AND stream = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
	[READ_LOG_AFTER] = "SELECT seq, boot_id, collect_begin_ms FROM batch WHERE spool_id = ?"
			   " AND stream = ? AND seq > ? ORDER BY seq LIMIT 1",
	[READ_LOG_SERIES] = "SELECT id, labels, kind, stream, interval_ms FROM series"
			    " WHERE device_id = ? AND name = ? ORDER BY labels",
	[READ_LOG_SPOOL] = "SELECT uuid FROM spool WHERE id = ?",
	[READ_LOG_WHOLE] = "SELECT " BATCH_COLUMNS ", spool_id, boot_id, stream FROM batch"
			   " WHERE id = ?",
	[READ_LOG_COVERS] =
	    LOG_COVER_SELECT " AND lo_unix_ms >= max(?3, ?6 - " SPAN_MAX ")"
			     " AND NOT (lo_unix_ms = ?3 AND id <= ?4) AND lo_unix_ms < ?5"
			     " AND hi_unix_ms >= ?6 ORDER BY lo_unix_ms, id LIMIT ?7",
	/*
	 * The neighbours of a range: rows overlap and may hold steps of the clock, so
	 * these are all that could hold the nearest end (begin), as far as a row can reach.
	 */
	[READ_LOG_COVER_BEFORE] = LOG_COVER_SELECT
	" AND lo_unix_ms < ?3" LOG_COVER_LOWER
	" AND hi_unix_ms >= (SELECT max(end_unix_ms) FROM coverage"
	" WHERE device_id = ?1 AND stream = ?2 AND lo_unix_ms < ?3" LOG_COVER_LOWER ") LIMIT 64",
	[READ_LOG_COVER_AFTER] =
	    LOG_COVER_SELECT " AND lo_unix_ms >= ?3 AND lo_unix_ms <= (SELECT min(begin_unix_ms)"
			     " FROM coverage WHERE device_id = ?1 AND stream = ?2"
			     " AND lo_unix_ms >= ?3 AND lo_unix_ms <= (SELECT min(lo_unix_ms)"
			     " FROM coverage WHERE device_id = ?1 AND stream = ?2"
			     " AND lo_unix_ms >= ?3) + ?4) LIMIT 64",
	[READ_LOG_SEQS] = "SELECT kind, supersedes_first, supersedes_last FROM batch"
			  " WHERE spool_id = ? AND stream = ? AND seq = ?",
	/* What was thinned (reason 10) is there in another batch, or will come in it. */
	[READ_LOG_GAP_TIMES] =
	    "SELECT begin_unix_ms, end_unix_ms, " LOST_PART
	    " FROM gap WHERE device_id = ? AND stream = ?"
	    " AND end_unix_ms > ? AND begin_unix_ms < ? AND reason <> 10 ORDER BY begin_unix_ms",
	[READ_LOG_GAP_SEQS] =
	    "SELECT seq_first, seq_last FROM gap WHERE spool_id = ? AND stream = ?"
	    " AND seq_first BETWEEN 1 AND ? AND seq_last >= ? AND reason <> 10 ORDER BY seq_first",
	[READ_LOST_PARTS] = "SELECT DISTINCT end_ms, begin_unix_ms FROM gap WHERE " LOST_PART
			    " AND end_ms > 0 ORDER BY end_ms",
	[READ_LOST_HOUR] = "SELECT 1 FROM gap WHERE device_id = ? AND stream = ?"
			   " AND end_unix_ms = ? AND " LOST_PART,
	[READ_PARTS] = "SELECT " PART_COLUMNS " FROM part WHERE (hour_unix_ms, id) > (?, ?)"
		       " AND hour_unix_ms < ? ORDER BY hour_unix_ms, id LIMIT 64",
	[READ_PART] = "SELECT " PART_COLUMNS " FROM part WHERE id = ?",
	[READ_PART_AFTER] =
	    "SELECT " PART_COLUMNS ", sum FROM part WHERE id > ? ORDER BY id LIMIT 1",
	[READ_HIDDEN] = "SELECT device_id FROM part_hidden WHERE part_id = ? ORDER BY device_id",
	[READ_ALIAS] = "SELECT old_id, new_id FROM part_alias WHERE space = ? AND kind = ?"
		       " ORDER BY old_id",
	[READ_PACKED] = "SELECT hour_unix_ms, part_id, batch_upto FROM part_device"
			" WHERE device_id = ? AND hour_unix_ms > ? AND hour_unix_ms < ?"
			" ORDER BY hour_unix_ms",
	/* All of a device's hour, or nothing: part_device.batch_upto speaks of all of it. */
	[READ_DUE] =
	    "SELECT d.hour_unix_ms, d.device_id, d.spool_id, d.stream, d.seq_first, d.seq_last,"
	    " d.since_unix_ms FROM pack_due d WHERE (d.hour_unix_ms, d.device_id) > (?, ?)"
	    " AND d.hour_unix_ms <= ? AND (SELECT min(x.since_unix_ms) FROM pack_due x"
	    " WHERE x.hour_unix_ms = d.hour_unix_ms AND x.device_id = d.device_id) < ?"
	    " ORDER BY d.hour_unix_ms, d.device_id, d.spool_id, d.stream LIMIT ?",
	[READ_DUE_SUM] = "SELECT count(*), min(hour_unix_ms) FROM pack_due WHERE since_unix_ms < ?",
	[READ_DUE_BATCHES] = "SELECT " BATCH_COLUMNS ", boot_id, (SELECT until_unix_ms"
			     " FROM pack_mark WHERE batch_id = batch.id)"
			     " FROM batch WHERE spool_id = ? AND stream = ? AND seq BETWEEN ? AND ?"
			     " AND id <= ? ORDER BY seq LIMIT ?",
	/* Phases names, maps and parts of store_salvage.c. */
	[READ_PARTS_COME] = "SELECT 1 FROM meta WHERE key = 'salvage_phase' AND value IN (0, 1, 5)",
	[READ_DUE_PLACING] = "SELECT 1 FROM placing WHERE spool_id = ? LIMIT 1",
	[READ_DUE_SERIES] =
	    "SELECT d.entry, s.id, s.name, s.kind, s.stream, s.interval_ms FROM dict d"
	    " JOIN series s ON s.id = d.series_id WHERE d.spool_id = ? ORDER BY d.entry",
	[READ_DUE_SEQS] = "SELECT seq_first, seq_last FROM pack_due WHERE hour_unix_ms = ?"
			  " AND device_id = ? AND spool_id = ? AND stream = ?",
	[READ_CLEAN] = "SELECT min(after_unix_ms) FROM pack_clean",
	[READ_PART_END] =
	    "SELECT max(coalesce((SELECT max(CASE WHEN ?1 = 0 AND raw_bytes > 0 THEN raw_offset"
	    " + raw_bytes WHEN ?1 = 1 AND m5_bytes > 0 THEN m5_offset + m5_bytes WHEN ?1 = 2"
	    " THEN h1_offset + h1_bytes ELSE 0 END) FROM part"
	    " WHERE hour_unix_ms >= ?2 AND hour_unix_ms < ?3), 0), coalesce((SELECT"
	    " max(offset + bytes) FROM part_dead WHERE level = ?1 AND hour_unix_ms >= ?2"
	    " AND hour_unix_ms < ?3), 0))",
	[READ_PART_SUM] =
	    "SELECT count(*), sum(samples), sum(CASE ?1 WHEN 0 THEN raw_bytes WHEN 1 THEN m5_bytes"
	    " ELSE h1_bytes END), min(hour_unix_ms), max(hour_unix_ms) FROM part"
	    " WHERE (?1 <> 0 OR raw_bytes > 0) AND (?1 <> 1 OR m5_bytes > 0)",
	[READ_BATCH_COUNT] = "SELECT count(*) FROM batch",
	[READ_WORN_HOUR] =
	    "SELECT hour FROM (SELECT p.hour_unix_ms AS hour, sum(p.raw_bytes + p.m5_bytes"
	    " + p.h1_bytes < ?1 AND p.devices < ?4) AS small, max(ifnull(h.n, 0) * 2 > p.devices) "
	    "AS half,"
	    " max(p.made_unix_ms) AS made FROM part p LEFT JOIN (SELECT part_id, count(*) AS n"
	    " FROM part_hidden GROUP BY part_id) h ON h.part_id = p.id WHERE p.raw_bytes > 0"
	    " AND p.hour_unix_ms > ?5 GROUP BY p.hour_unix_ms) WHERE (small >= ?2 OR half) AND "
	    "made < ?3 AND NOT EXISTS"
	    " (SELECT 1 FROM pack_due d WHERE d.hour_unix_ms = hour) ORDER BY hour LIMIT 1",
	[READ_FREE_PAGES] = "PRAGMA freelist_count",
	[READ_MOVED_NEXT] =
	    "SELECT id, spool_id, device_id, boot_id, from_ms, begin_unix_ms, end_unix_ms"
	    " FROM moved WHERE id > ifnull((SELECT value FROM meta WHERE key = 'pack_moved'), 0)"
	    " AND boot_id <> 0 ORDER BY id LIMIT 1",
	[READ_RETAINED] =
	    "SELECT 1 FROM part WHERE hour_unix_ms < ?2 AND (?1 <> 0 OR raw_bytes > 0)"
	    " AND (?1 <> 1 OR m5_bytes > 0) LIMIT 1",
	[READ_OLDEST_BATCH] = "SELECT arrived_unix_ms FROM batch ORDER BY id LIMIT 1",
	[READ_DEAD] = "SELECT id, level, hour_unix_ms, offset, bytes, since_unix_ms FROM part_dead"
		      " WHERE since_unix_ms < ? ORDER BY id LIMIT ?",
	/* Rows of packed_seq do not overlap: the last that begins before a row's end decides. */
	[READ_LOG_PACKED] =
	    "SELECT c.id, d.name, c.stream, c.lo_unix_ms, c.hi_unix_ms FROM coverage c"
	    " JOIN device d ON d.id = c.device_id WHERE c.id > ?1 AND c.id <= ?2"
	    " AND c.lo_unix_ms >= ?3 AND (SELECT p.last FROM packed_seq p"
	    " WHERE p.spool_id = c.spool_id AND p.stream = c.stream AND p.first <= c.seq_last"
	    " ORDER BY p.first DESC LIMIT 1) >= c.seq_first ORDER BY c.id LIMIT ?4",
	/* The nearest packed seq on a side. */
	[READ_LOG_PACKED_BEFORE] =
	    "SELECT min(last, ?3 - 1) FROM packed_seq WHERE spool_id = ?1 AND stream = ?2"
	    " AND first < ?3 ORDER BY first DESC LIMIT 1",
	[READ_LOG_PACKED_AFTER] =
	    "SELECT max(first, ?3 + 1) FROM packed_seq WHERE spool_id = ?1 AND stream = ?2"
	    " AND last > ?3 ORDER BY first LIMIT 1",
	[READ_LOG_COVER_OF] =
	    "SELECT c.boot_id, c.begin_ms, c.end_ms, c.seq_first, c.seq_last FROM spool s"
	    " JOIN coverage c ON c.device_id = s.device_id AND c.stream = ?2 WHERE s.id = ?1"
	    " AND c.spool_id = ?1 AND c.seq_first <= ?3 AND c.seq_last >= ?3"
	    " ORDER BY c.lo_unix_ms DESC LIMIT 1",
	[READ_LOG_COVER_LAST] = "SELECT coalesce(max(id), 0) FROM coverage",
	[READ_LOG_RETAINED] = "SELECT max(hour_unix_ms) FROM part WHERE raw_bytes = 0",
	[READ_RAW_GONE] = "SELECT raw_bytes = 0 FROM part WHERE hour_unix_ms > ?"
			  " ORDER BY hour_unix_ms LIMIT 1",
	[READ_AGE] = "SELECT min(max(h) + 3600000, coalesce((SELECT arrived_unix_ms"
		     " FROM batch WHERE arrived_unix_ms >= 1577836800000" /* STORE_AGE_SET_MS */
		     " ORDER BY id DESC LIMIT 1), 9223372036854775807)),"
		     " (SELECT value FROM meta WHERE key = 'age_unix_ms'),"
		     " coalesce((SELECT value FROM meta WHERE key = 'age_held_ms'), -1)"
		     " FROM (SELECT max(hour_unix_ms) AS h FROM part"
		     " UNION ALL SELECT max(hour_unix_ms) FROM pack_due)",
};
