/*
 * The one place that talks to SQLite's statement interface on the writer's
 * side: every statement, binding by a type string, and what its codes mean.
 *
 * Statements are prepared when first used and kept.  Every return code is
 * looked at; a failing one becomes one of ours with SQLite's own words.
 */
#include <stdarg.h>
#include <string.h>

#include "store_internal.h"

const char *const store_sql_text[SQL_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_TOTAL_SET] =
	    "UPDATE total SET lsn=?, last_commit_unix_ms=?, batches=?, samples=?, events=?,"
	    " duplicates=?, conflicts=?, aside_bytes=?, aside_refused=?,"
	    " requeued=? WHERE id=1",
	[SQL_META_SET] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)",
	[SQL_META_SET_TEXT] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)",
	[SQL_META_GET] = "SELECT value FROM meta WHERE key=?",
	[SQL_ASIDE_COUNT_SET] = "INSERT OR REPLACE INTO aside_count (reason, n) VALUES (?,?)",
	[SQL_DEVICE_GET] = "SELECT id FROM device WHERE name=?",
	/* The sum names the id, so the id has to be known before. */
	[SQL_DEVICE_ADD] =
	    "INSERT INTO device (id, name, sum) SELECT n, ?1, row_sum('device', n, ?1) FROM"
	    " (SELECT coalesce(max(id), 0) + 1 AS n FROM device)",
	[SQL_BOOT_GET] = "SELECT id FROM boot WHERE uuid=?",
	[SQL_BOOT_ADD] =
	    "INSERT INTO boot (id, uuid, sum) SELECT n, ?1, row_sum('boot', n, ?1) FROM"
	    " (SELECT coalesce(max(id), 0) + 1 AS n FROM boot)",
	[SQL_SPOOL_GET] = "SELECT s.id, s.device_id, d.name, s.closed, s.conflict, s.dict_version,"
			  " s.clock_version, s.hello_unix_ms IS NOT NULL FROM spool s JOIN device d"
			  " ON d.id = s.device_id WHERE s.uuid=?",
	[SQL_SPOOL_COUNT] = "SELECT count(*) FROM spool WHERE device_id=?",
	[SQL_SPOOL_ADD] = "INSERT INTO spool (id, uuid, device_id, made_unix_ms, sum)"
			  " SELECT n, ?1, ?2, ?3, row_sum('spool', n, ?1, ?2) FROM"
			  " (SELECT coalesce(max(id), 0) + 1 AS n FROM spool)",
	[SQL_SPOOL_SET] =
	    "UPDATE spool SET closed=?, conflict=?, dict_version=?, clock_version=? WHERE id=?",
	[SQL_SPOOL_HELLO] =
	    "UPDATE spool SET predecessor=CASE WHEN length(?1)=0 THEN predecessor ELSE ?1 END,"
	    " hello_unix_ms=?, boot_uuid=?, software=?,"
	    " config_hash=? WHERE id=?",
	[SQL_SPOOL_BIRTH] =
	    "SELECT made_unix_ms, ifnull(length(predecessor), 0) FROM spool WHERE id=?",
	[SQL_SPOOL_SUCCESSOR] = "SELECT 1 FROM spool WHERE predecessor=? AND device_id=? LIMIT 1",
	[SQL_STREAM_GET] =
	    "SELECT stream, contiguous, next_seq, lowest_held, unexplained, batches, samples,"
	    " last_arrival_unix_ms, until_unix_ms, span_max_ms, unexplained_gaps,"
	    " unexplained_since_unix_ms,"
	    " sum = row_sum('stream', spool_id, stream, contiguous, next_seq, lowest_held)"
	    " FROM stream WHERE spool_id=?",
	[SQL_STREAM_ADD] = "INSERT INTO stream (spool_id, stream) VALUES (?,?)",
	[SQL_STREAM_SET] =
	    "UPDATE stream SET contiguous=?1, next_seq=?2, lowest_held=?3, unexplained=?4,"
	    " batches=?5, samples=?6, last_arrival_unix_ms=?7, until_unix_ms=?8, span_max_ms=?9,"
	    " unexplained_gaps=?10, unexplained_since_unix_ms=?11, sum=?12"
	    " WHERE spool_id=?13 AND stream=?14",
	[SQL_RANGE_GET] = "SELECT stream, kind, first, last,"
			  " sum = row_sum('range', spool_id, stream, kind, first, last)"
			  " FROM seq_range WHERE spool_id=?",
	[SQL_RANGE_CLEAR] = "DELETE FROM seq_range WHERE spool_id=? AND stream=?",
	[SQL_RANGE_ADD] = "INSERT INTO seq_range (spool_id, stream, kind, first, last, sum)"
			  " VALUES (?1,?2,?3,?4,?5, row_sum('range',?1,?2,?3,?4,?5))",
	[SQL_SEGMENT_GET] = "SELECT entry, boot_uuid, from_ms, offset_ms, uncertainty_ms, source"
			    " FROM clock_segment WHERE spool_id=? ORDER BY entry",
	[SQL_SEGMENT_ADD] =
	    "INSERT INTO clock_segment (spool_id, entry, boot_uuid, from_ms, offset_ms,"
	    " uncertainty_ms, source, sum) VALUES (?1,?2,?3,?4,?5,?6,?7,"
	    " row_sum('clock',?1,?2,?3,?4,?5,?6,?7))",
	[SQL_BATCH_GET] = "SELECT crc32, raw_bytes, boot_id, collect_begin_ms, collect_end_ms, id,"
			  " kind FROM batch WHERE spool_id=? AND stream=? AND seq=?",
	[SQL_BATCH_ADD] =
	    "INSERT INTO batch (spool_id, stream, seq, crc32, device_id, boot_id, kind,"
	    " event_begin_ms, event_end_ms, collect_begin_ms, collect_end_ms, dict_version,"
	    " n_samples, n_events, n_gaps, raw_bytes, supersedes_first, supersedes_last,"
	    " arrived_unix_ms, lsn, body, sum) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
	    " ?14,?15,?16,?17,?18,?19,?20,?21,?22)",
	[SQL_BATCH_CHECK] =
	    "SELECT crc32, raw_bytes, body, sum IS NULL OR sum = row_sum('batch', spool_id, stream,"
	    " seq, crc32, device_id, boot_id, kind, event_begin_ms, event_end_ms, collect_begin_ms,"
	    " collect_end_ms, dict_version, n_samples, n_events, n_gaps, raw_bytes,"
	    " supersedes_first, supersedes_last, arrived_unix_ms) FROM batch WHERE id=?",
	/* Whole rows: the index must lead to them, and what they name must be there. */
	[SQL_SCRUB] =
	    "SELECT b.id, b.crc32, b.raw_bytes, b.body, (b.sum IS NULL OR b.sum = row_sum('batch',"
	    " b.spool_id, b.stream, b.seq, b.crc32, b.device_id, b.boot_id, b.kind,"
	    " b.event_begin_ms, b.event_end_ms, b.collect_begin_ms, b.collect_end_ms,"
	    " b.dict_version, b.n_samples, b.n_events, b.n_gaps, b.raw_bytes, b.supersedes_first,"
	    " b.supersedes_last, b.arrived_unix_ms)) AND b.id IS (SELECT x.id FROM batch x"
	    " INDEXED BY batch_seq WHERE x.spool_id = b.spool_id AND x.stream = b.stream"
	    " AND x.seq = b.seq) AND EXISTS (SELECT 1 FROM spool WHERE id = b.spool_id)"
	    " AND EXISTS (SELECT 1 FROM boot WHERE id = b.boot_id)"
	    " FROM batch b WHERE b.id > ? ORDER BY b.id LIMIT ?",
	[SQL_SCRUB_DEVICES] =
	    "SELECT count(*) FROM device WHERE sum IS NOT row_sum('device', id, name)",
	[SQL_SCRUB_BOOTS] = "SELECT count(*) FROM boot WHERE sum IS NOT row_sum('boot', id, uuid)",
	[SQL_SCRUB_SPOOLS] =
	    "SELECT count(*) FROM spool WHERE sum IS NOT row_sum('spool', id, uuid, device_id)",
	[SQL_SCRUB_DEFS] = "SELECT count(*) FROM series_def WHERE sum IS NOT row_sum('series_def',"
			   " id, name, labels, unit, kind, stream, interval_ms)",
	[SQL_SCRUB_SERIES] = "SELECT count(*) FROM series_row WHERE sum IS NOT"
			     " row_sum('series_row', id, device_id, def_id)",
	[SQL_SCRUB_DICT] = "SELECT count(*) FROM dict_run WHERE sum IS NOT"
			   " row_sum('dict_run', spool_id, entry, series_id, n)",
	[SQL_SCRUB_CLOCK] = "SELECT count(*) FROM clock_segment WHERE sum IS NOT row_sum('clock',"
			    " spool_id, entry, boot_uuid, from_ms, offset_ms, uncertainty_ms,"
			    " source)",
	[SQL_SCRUB_STREAMS] =
	    "SELECT count(*) FROM stream WHERE sum IS NOT"
	    " row_sum('stream', spool_id, stream, contiguous, next_seq, lowest_held)",
	[SQL_BATCH_ANY] =
	    "SELECT 1 FROM batch WHERE spool_id=? AND stream=? AND seq BETWEEN ? AND ? LIMIT 1",
	[SQL_BATCH_SEQS] = "SELECT seq FROM batch WHERE spool_id=? AND stream=?"
			   " AND seq BETWEEN ? AND ? ORDER BY seq",
	[SQL_BATCH_SUPERSEDED] = "SELECT 1 FROM batch WHERE spool_id=? AND stream=? AND kind=1"
				 " AND supersedes_last >= ? AND supersedes_first <= ? LIMIT 1",
	/* Coverage is the way to batches by time; its rows name their seqs. */
	[SQL_BATCH_AGAIN] =
	    "SELECT b.crc32, b.raw_bytes, b.n_samples, b.n_events, b.n_gaps, b.event_begin_ms,"
	    " b.event_end_ms, b.collect_begin_ms, b.collect_end_ms, b.dict_version, b.body"
	    " FROM coverage c JOIN batch b ON b.spool_id=c.spool_id AND b.stream=c.stream AND "
	    "b.seq BETWEEN"
	    " c.seq_first AND c.seq_last WHERE c.device_id=?1 AND c.stream=?2 AND c.boot_id=?3"
	    " AND c.lo_ms<=?5 AND c.hi_ms>=?4 AND c.spool_id<>?6 AND b.boot_id=?3"
	    " AND (b.event_begin_ms<=?5 AND b.event_end_ms>=?4"
	    " OR b.collect_begin_ms<?5 AND b.collect_end_ms>=?4)",
	[SQL_PACKED_CHECK] =
	    "SELECT first, last, checks, sum = row_sum('packed', spool_id, stream, first, last,"
	    " checks) FROM packed_seq WHERE spool_id=? AND stream=? AND first<=?"
	    " ORDER BY first DESC LIMIT 1",
	[SQL_PACKED_RANGES] = "SELECT first, last FROM packed_seq WHERE spool_id=? AND stream=?"
			      " AND last>=? AND first<=?",
	/* As SQL_BATCH_AGAIN, of what has no rows any more. */
	[SQL_PACKED_AGAIN] =
	    "SELECT min(c.lo_unix_ms), max(c.hi_unix_ms) FROM coverage c WHERE c.device_id=?1"
	    " AND c.stream=?2 AND c.boot_id=?3 AND c.lo_ms<=?5 AND c.hi_ms>=?4 AND c.spool_id<>?6"
	    " AND (SELECT p.last FROM packed_seq p WHERE p.spool_id=c.spool_id"
	    " AND p.stream=c.stream AND p.first<=c.seq_last ORDER BY p.first DESC LIMIT 1)"
	    ">=c.seq_first",
	/* Once, however often its page is met. */
	[SQL_SALVAGE_PART] =
	    "INSERT INTO part (id, hour_unix_ms, space, devices, series, samples, raw_offset,"
	    " raw_bytes, m5_offset, m5_bytes, h1_offset, h1_bytes, made_unix_ms, sum)"
	    " SELECT i, ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
	    " row_sum('part', i, ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11) FROM (SELECT"
	    " coalesce((SELECT seq FROM sqlite_sequence WHERE name='part'), 0) + 1 AS i)"
	    " WHERE NOT EXISTS (SELECT 1 FROM part WHERE hour_unix_ms=?1 AND space=?2"
	    " AND h1_offset=?10 AND raw_offset=?6)",
	[SQL_SALVAGE_PART_ID] = "SELECT id FROM part WHERE hour_unix_ms=? AND space=?"
				" AND h1_offset=? AND raw_offset=? LIMIT 1",
	[SQL_SALVAGE_ALIAS] = "INSERT OR REPLACE INTO part_alias (space, kind, old_id, new_id, sum)"
			      " VALUES (?1,?2,?3,?4,row_sum('alias',?1,?2,?3,?4))",
	[SQL_SALVAGE_SPACE] = "SELECT max(coalesce((SELECT max(space) FROM part), 0),"
			      " coalesce((SELECT max(space) FROM part_alias), 0)) + 1",
	[SQL_SALVAGE_PLACE] =
	    "INSERT INTO part_device (device_id, hour_unix_ms, part_id, batch_upto, sum)"
	    " VALUES (?1,?2,?3,0,row_sum('place',?1,?2,?3,0)) ON CONFLICT DO UPDATE"
	    " SET part_id=excluded.part_id, sum=excluded.sum"
	    " WHERE batch_upto = 0 AND excluded.part_id > part_id",
	/* From the newest: what is asked for lies near what comes. */
	[SQL_COVERAGE_OF] =
	    "SELECT boot_id, begin_ms, end_ms FROM coverage WHERE device_id=?1 AND stream=?2"
	    " AND spool_id=?3 AND seq_first<=?4 AND seq_last>=?4 ORDER BY lo_unix_ms DESC LIMIT 1",
	[SQL_COVERAGE_ADD] =
	    "INSERT INTO coverage (spool_id, device_id, stream, seq_first, seq_last, boot_id,"
	    " begin_ms, end_ms, lo_ms, hi_ms, begin_unix_ms, end_unix_ms, lo_unix_ms, hi_unix_ms,"
	    " first_arrived_unix_ms, arrived_unix_ms, lsn)"
	    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_COVERAGE_SET] =
	    "UPDATE coverage SET seq_first=?, seq_last=?, begin_ms=?, end_ms=?, lo_ms=?, hi_ms=?,"
	    " begin_unix_ms=?, end_unix_ms=?, lo_unix_ms=?, hi_unix_ms=?, arrived_unix_ms=?,"
	    " lsn=? WHERE id=?",
	[SQL_COVERAGE_GROW] =
	    "UPDATE coverage SET seq_last=?, end_ms=?, hi_ms=?, end_unix_ms=?, hi_unix_ms=?,"
	    " arrived_unix_ms=?, lsn=? WHERE id=?",
	[SQL_GAP_ADD] =
	    "INSERT OR IGNORE INTO gap (spool_id, device_id, stream, reason, seq_first, seq_last,"
	    " begin_boot, begin_ms, end_boot, end_ms, begin_unix_ms, end_unix_ms, samples,"
	    " known_unix_ms, lsn) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_GAP_OVERLAP] =
	    "SELECT id, reason, seq_first, seq_last, begin_boot, begin_ms, end_boot, end_ms,"
	    " begin_unix_ms, end_unix_ms, known_unix_ms FROM gap WHERE spool_id=? AND stream=?"
	    " AND seq_first BETWEEN 1 AND ? AND seq_last >= ?",
	[SQL_GAP_REMOVE] = "DELETE FROM gap WHERE id=?",
	[SQL_GAP_OF_BOOT] = "SELECT id, begin_boot, begin_ms, end_boot, end_ms, stream,"
			    " begin_unix_ms, end_unix_ms FROM gap"
			    " WHERE spool_id=? AND (begin_boot=? OR end_boot=?)",
	[SQL_GAP_PLACE] = "UPDATE gap SET begin_unix_ms=coalesce(?, begin_unix_ms),"
			  " end_unix_ms=coalesce(?, end_unix_ms) WHERE id=?",
	[SQL_MOVED_ADD] = "INSERT INTO moved (spool_id, device_id, stream, boot_id, from_ms,"
			  " begin_unix_ms, end_unix_ms) VALUES (?,?,?,?,?,?,?)",
	[SQL_HOLE_ADD] =
	    "INSERT OR IGNORE INTO hole (spool_id, device_id, stream, boot, begin_ms, end_ms,"
	    " begin_unix_ms, end_unix_ms, known_unix_ms) VALUES (?,?,?,?,?,?,?,?,?)",
	[SQL_HOLE_GET] = "SELECT id, begin_ms, end_ms FROM hole WHERE device_id=? AND stream=?"
			 " AND boot=? ORDER BY id DESC",
	[SQL_HOLE_REMOVE] = "DELETE FROM hole WHERE id=?",
	[SQL_HOLE_COVERED] =
	    "SELECT max(end_ms) FROM coverage WHERE device_id=?1 AND stream=?2"
	    " AND boot_id=(SELECT id FROM boot WHERE uuid=?3) AND begin_ms<=?4 AND end_ms>?4",
	/* An entry that ends in another boot has all of this one behind its begin. */
	[SQL_HOLE_NAMED] =
	    "SELECT max(CASE WHEN end_boot=?3 THEN end_ms ELSE 9007199254740992 END) FROM gap"
	    " WHERE device_id=?1 AND stream=?2 AND (begin_boot=?3 OR end_boot=?3)"
	    " AND (begin_boot<>?3 OR begin_ms<=?4) AND (end_boot<>?3 OR end_ms>?4)",
	[SQL_DEF_GET] = "SELECT id FROM series_def WHERE name=? AND labels=? AND unit=? AND kind=?"
			" AND stream=? AND interval_ms=?",
	[SQL_DEF_LAST] = "SELECT coalesce(max(id), 0) FROM series_def",
	[SQL_DEF_ADD] =
	    "INSERT INTO series_def (id, name, labels, unit, kind, stream, interval_ms, sum)"
	    " VALUES (?1,?2,?3,?4,?5,?6,?7, row_sum('series_def',?1,?2,?3,?4,?5,?6,?7))",
	[SQL_DEF_UNUSED] = "DELETE FROM series_def WHERE id=?1"
			   " AND NOT EXISTS (SELECT 1 FROM series_row WHERE def_id=?1)",
	/* The names first, of which there are few; CROSS JOIN keeps that order. */
	[SQL_SERIES_GET] = "SELECT r.id, r.def_id FROM series_def d CROSS JOIN series_row r"
			   " ON r.device_id=?1 AND r.def_id=d.id WHERE d.name=?2 AND d.labels=?3",
	[SQL_SERIES_LAST] = "SELECT coalesce(max(id), 0) FROM series_row",
	[SQL_SERIES_ADD] = "INSERT INTO series_row (id, device_id, def_id, sum)"
			   " VALUES (?1,?2,?3, row_sum('series_row',?1,?2,?3))",
	[SQL_SERIES_SET] = "UPDATE series_row SET def_id=?3, sum=row_sum('series_row',?1,?2,?3)"
			   " WHERE id=?1",
	[SQL_DICT_GET] =
	    "SELECT series_id + ?2 - entry FROM dict_run WHERE spool_id=?1 AND entry<=?2"
	    " AND entry + n > ?2",
	[SQL_DICT_LAST] = "SELECT entry, series_id, n FROM dict_run WHERE spool_id=?"
			  " ORDER BY entry DESC LIMIT 1",
	[SQL_DICT_ADD] = "INSERT INTO dict_run (spool_id, entry, series_id, n, sum)"
			 " VALUES (?1,?2,?3,?4, row_sum('dict_run',?1,?2,?3,?4))",
	[SQL_DICT_GROW] = "UPDATE dict_run SET n=?4, sum=row_sum('dict_run',?1,?2,?3,?4)"
			  " WHERE spool_id=?1 AND entry=?2",
	[SQL_PLACING_ADD] = "INSERT OR IGNORE INTO placing (spool_id, entry) VALUES (?,?)",
	[SQL_PLACING_GET] = "SELECT p.spool_id, p.entry, s.uuid FROM placing p"
			    " JOIN spool s ON s.id = p.spool_id LIMIT 1",
	[SQL_PLACING_DONE] = "DELETE FROM placing WHERE spool_id=? AND entry=?",
	[SQL_UNPLACED_COVERAGE] = "SELECT id, begin_ms, end_ms, lo_ms, hi_ms, seq_first, seq_last "
				  "FROM coverage WHERE device_id=? AND stream=?"
				  " AND lo_unix_ms IS NULL AND spool_id=? AND boot_id=? LIMIT 1",
	[SQL_PLACED_COVERAGE] = "SELECT id, begin_ms, end_ms, lo_ms, hi_ms, seq_first, seq_last "
				"FROM coverage WHERE device_id=? AND stream=?"
				" AND lo_unix_ms >= ? AND spool_id=? AND boot_id=? AND hi_ms >= ?",
	[SQL_COVERAGE_PLACE] =
	    "UPDATE coverage SET begin_unix_ms=?, end_unix_ms=?, lo_unix_ms=?, hi_unix_ms=?"
	    " WHERE id=?",
	[SQL_PRESENCE_GET] = "SELECT presence, presence_boot, connections FROM device WHERE id=?",
	[SQL_PRESENCE_SET] =
	    "UPDATE device SET presence=?, presence_since_unix_ms=CASE WHEN ? THEN ?"
	    " ELSE presence_since_unix_ms END, presence_boot=?, connections=?, software=?"
	    " WHERE id=?",
	[SQL_REPORT_NEWER] =
	    "SELECT 1 FROM device_report WHERE device_id=? AND boot=? AND boot_ms > ?",
	[SQL_REPORT_SET] = "INSERT OR REPLACE INTO device_report (device_id, arrived_unix_ms, "
			   "boot, boot_ms, payload)"
			   " VALUES (?,?,?,?,?)",
	[SQL_USAGE_SET] =
	    "INSERT INTO usage (device_id, month, in_bytes, out_bytes, events_bytes, probes_bytes,"
	    " host_bytes, other_bytes, known_unix_ms) VALUES (?,?,?,?,?,?,?,?,?)"
	    " ON CONFLICT (device_id, month) DO UPDATE SET in_bytes=excluded.in_bytes,"
	    " out_bytes=excluded.out_bytes, events_bytes=excluded.events_bytes,"
	    " probes_bytes=excluded.probes_bytes, host_bytes=excluded.host_bytes,"
	    " other_bytes=excluded.other_bytes, known_unix_ms=excluded.known_unix_ms"
	    " WHERE in_bytes < excluded.in_bytes OR (in_bytes = excluded.in_bytes"
	    " AND out_bytes < excluded.out_bytes)",
	[SQL_USAGE_OLD] =
	    "DELETE FROM usage WHERE device_id=?1 AND month < (SELECT month FROM usage"
	    " WHERE device_id=?1 ORDER BY month DESC LIMIT 1 OFFSET ?2)",
	[SQL_PARTY_OLD] =
	    "DELETE FROM identity_party WHERE device_id=?1 AND (last_unix_ms < ?2 OR last_unix_ms <"
	    " (SELECT last_unix_ms FROM identity_party WHERE device_id=?1"
	    " ORDER BY last_unix_ms DESC LIMIT 1 OFFSET ?3))",
	[SQL_PARTY_SET] =
	    "INSERT INTO identity_party (device_id, spool, boot, software, address, first_unix_ms,"
	    " last_unix_ms, returns) VALUES (?,?,?,?,?,?,?,?)"
	    " ON CONFLICT (device_id, spool, boot) DO UPDATE SET software=excluded.software,"
	    " address=CASE WHEN excluded.address='' THEN address ELSE excluded.address END,"
	    " last_unix_ms=excluded.last_unix_ms, returns=returns+excluded.returns",
	[SQL_ASIDE_GET] = "SELECT id FROM aside WHERE digest=?",
	[SQL_ASIDE_ADD] =
	    "INSERT INTO aside (digest, arrived_unix_ms, topic, device, part, reason, detail,"
	    " spool, stream, seq, bytes, payload) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
	[SQL_ASIDE_AGAIN] = "UPDATE aside SET repeats=repeats+1, again_unix_ms=? WHERE id=?",
	[SQL_ASIDE_NEXT] = "SELECT id, topic, reason, payload FROM aside WHERE id > ?1 AND id <= ?2"
			   " AND payload IS NOT NULL AND (?3 = 0 OR reason = ?3)"
			   " AND (?4 IS NULL OR device = ?4) ORDER BY id LIMIT 1",
	[SQL_ASIDE_LAST] = "SELECT coalesce(max(id), 0) FROM aside",
	[SQL_ASIDE_STAYS] = "UPDATE aside SET reason=?, detail=?, tried_unix_ms=? WHERE id=?",
	[SQL_ASIDE_REMOVE] = "DELETE FROM aside WHERE id=?",
	[SQL_DUE_NOTE] =
	    "INSERT INTO pack_due (hour_unix_ms, device_id, spool_id, stream, seq_first, seq_last,"
	    " since_unix_ms) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET"
	    " seq_first=min(seq_first, excluded.seq_first),"
	    " seq_last=max(seq_last, excluded.seq_last)",
	[SQL_DUE_UNSEEN] =
	    "SELECT b.id, p.uuid, t.uuid, b.stream, b.seq, b.event_begin_ms, b.event_end_ms,"
	    " b.n_samples, b.n_events, b.n_gaps, m.until_unix_ms FROM batch b"
	    " JOIN spool p ON p.id = b.spool_id JOIN boot t ON t.id = b.boot_id"
	    " LEFT JOIN pack_mark m ON m.batch_id = b.id WHERE b.id <= ? ORDER BY b.id DESC LIMIT "
	    "?",
	[SQL_DUE_HAS] = "SELECT seq_first, seq_last FROM pack_due WHERE hour_unix_ms=?"
			" AND device_id=? AND spool_id=? AND stream=?",
	[SQL_PACKED_UPTO] =
	    "SELECT 1 FROM part_device WHERE device_id=? AND hour_unix_ms=? AND batch_upto>=?",
	[SQL_DUE_AGAIN] = "UPDATE pack_due SET since_unix_ms=? WHERE hour_unix_ms=? AND device_id=?"
			  " AND spool_id=? AND stream=?",
	[SQL_DUE_DONE] = "DELETE FROM pack_due WHERE hour_unix_ms=? AND device_id=? AND spool_id=?"
			 " AND stream=? AND seq_first>=? AND seq_last<=?",
	[SQL_DUE_FORGET] = "DELETE FROM pack_due WHERE since_unix_ms >= ? AND hour_unix_ms < ?"
			   " AND NOT EXISTS (SELECT 1 FROM batch b WHERE b.spool_id ="
			   " pack_due.spool_id AND b.stream = pack_due.stream"
			   " AND b.seq BETWEEN pack_due.seq_first AND pack_due.seq_last)",
	[SQL_DUE_NEWER] = "SELECT 1 FROM batch INDEXED BY batch_seq WHERE spool_id=? AND stream=?"
			  " AND seq BETWEEN ? AND ? AND id > ? LIMIT 1",
	[SQL_MARK_ADD] = "INSERT OR REPLACE INTO pack_mark (batch_id, until_unix_ms) VALUES (?,?)",
	[SQL_MARK_SEQS] = "INSERT OR REPLACE INTO pack_mark (batch_id, until_unix_ms)"
			  " SELECT id, ? FROM batch WHERE spool_id=? AND stream=?"
			  " AND seq BETWEEN ? AND ?",
	[SQL_MARK_ANY] = "SELECT 1 FROM pack_mark LIMIT 1",
	[SQL_MARK_REMOVE] = "DELETE FROM pack_mark WHERE batch_id=?",
	[SQL_MOVED_LAST] = "SELECT coalesce(max(id), 0) FROM moved",
	[SQL_MOVED_SINCE] =
	    "SELECT 1 FROM moved WHERE id > ? AND device_id=? AND boot_id <> 0 LIMIT 1",
	[SQL_PART_NEXT] =
	    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='part'), 0) + 1",
	[SQL_PART_ADD] =
	    "INSERT INTO part (id, hour_unix_ms, space, devices, series, samples, raw_offset,"
	    " raw_bytes, m5_offset, m5_bytes, h1_offset, h1_bytes, made_unix_ms, sum)"
	    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,"
	    " row_sum('part',?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12))",
	/* The number that the part itself has of a device. */
	[SQL_PART_OF] = "SELECT d.part_id, coalesce((SELECT a.old_id FROM part p JOIN part_alias a"
			" ON a.space = p.space AND a.kind = 1 AND a.new_id = d.device_id"
			" WHERE p.id = d.part_id AND p.space > 0), d.device_id)"
			" FROM part_device d WHERE d.device_id=? AND d.hour_unix_ms=?",
	[SQL_PART_PLACE] = "INSERT OR REPLACE INTO part_device (device_id, hour_unix_ms, part_id,"
			   " batch_upto, sum) VALUES (?1,?2,?3,?4,row_sum('place',?1,?2,?3,?4))",
	[SQL_PART_VACATE] = "DELETE FROM part_device WHERE device_id=? AND hour_unix_ms=?",
	[SQL_PART_HIDE] = "INSERT OR IGNORE INTO part_hidden (part_id, device_id, sum)"
			  " VALUES (?1,?2,row_sum('hidden',?1,?2))",
	[SQL_PACKED_BESIDE] = "SELECT first, last, checks FROM packed_seq WHERE spool_id=?"
			      " AND stream=? AND first<=? ORDER BY first DESC LIMIT 1",
	[SQL_PACKED_AFTER] = "SELECT first, last, checks FROM packed_seq WHERE spool_id=?"
			     " AND stream=? AND first>? ORDER BY first LIMIT 1",
	[SQL_PACKED_SET] =
	    "INSERT OR REPLACE INTO packed_seq (spool_id, stream, first, last, checks, sum)"
	    " VALUES (?1,?2,?3,?4,?5,row_sum('packed',?1,?2,?3,?4,?5))",
	[SQL_PACKED_REMOVE] = "DELETE FROM packed_seq WHERE spool_id=? AND stream=? AND first=?",
	/* What lies inside; then one row that says no more than that, unless it would overlap. */
	[SQL_PACKED_CLEAR] =
	    "DELETE FROM packed_seq WHERE spool_id=? AND stream=? AND first>=? AND last<=?",
	[SQL_PACKED_BARE] =
	    "INSERT INTO packed_seq (spool_id, stream, first, last, checks, sum)"
	    " SELECT ?1,?2,?3,?4,x'',row_sum('packed',?1,?2,?3,?4,x'') WHERE NOT EXISTS (SELECT 1"
	    " FROM packed_seq WHERE spool_id=?1 AND stream=?2 AND first<=?4 AND last>=?3)",
	/* A stream that has some, and about how far its data are older than that. */
	[SQL_CHECKS_NEXT] =
	    "SELECT p.spool_id, p.stream, (SELECT c.seq_last FROM coverage c"
	    " WHERE c.device_id = s.device_id AND c.stream = p.stream AND c.spool_id = p.spool_id"
	    " AND c.lo_unix_ms < ?3 ORDER BY c.lo_unix_ms DESC LIMIT 1)"
	    " FROM packed_seq p CROSS JOIN spool s ON s.id = p.spool_id"
	    " WHERE (p.spool_id, p.stream) > (?1, ?2) ORDER BY p.spool_id, p.stream LIMIT 1",
	[SQL_CHECKS_OLD] =
	    "SELECT first, last FROM packed_seq WHERE spool_id=?1 AND stream=?2 AND first<=?3"
	    " AND last<=?3 AND length(checks) > 0 ORDER BY first LIMIT 1",
	[SQL_CLEAN_ADD] = "INSERT INTO pack_clean (id, after_unix_ms, n, ids, sum)"
			  " SELECT i, ?1, ?2, ?3, row_sum('clean', i, ?2, ?3) FROM"
			  " (SELECT coalesce(max(id), 0) + 1 AS i FROM pack_clean)",
	[SQL_CLEAN_GET] =
	    "SELECT id, after_unix_ms, n, ids, sum = row_sum('clean', id, n, ids) FROM pack_clean"
	    " WHERE id > ? ORDER BY id LIMIT 1",
	[SQL_CLEAN_DONE] = "DELETE FROM pack_clean WHERE id <= ?",
	[SQL_BATCH_LAST] = "SELECT coalesce(max(id), 0) FROM batch",
	[SQL_BATCH_REMOVE] = "DELETE FROM batch WHERE id=?",
	[SQL_BATCH_OLD] = "SELECT id, arrived_unix_ms FROM batch ORDER BY id LIMIT 1",
	[SQL_FORGET_GET] = "SELECT id, space, devices, series, samples, raw_offset, raw_bytes,"
			   " m5_offset, m5_bytes, h1_offset, h1_bytes, hour_unix_ms FROM part"
			   " WHERE hour_unix_ms < ?1 AND (?2 <> 0 OR raw_bytes > 0)"
			   " AND (?2 <> 1 OR m5_bytes > 0) ORDER BY hour_unix_ms LIMIT 1",
	[SQL_FORGET_SET] =
	    "UPDATE part SET raw_bytes=?2, m5_bytes=?3, sum=row_sum('part', id, hour_unix_ms,"
	    " space, devices, series, samples, raw_offset, ?2, m5_offset, ?3, h1_offset, h1_bytes)"
	    " WHERE id=?1",
	[SQL_FORGET_DEVICE] = "SELECT min(device_id) FROM part_device WHERE device_id > ?",
	[SQL_FORGET_PLACES] = "DELETE FROM part_device WHERE device_id=? AND hour_unix_ms < ?",
	[SQL_PART_REMOVE] = "DELETE FROM part WHERE id=?",
	[SQL_HIDDEN_REMOVE] = "DELETE FROM part_hidden WHERE part_id=?",
	[SQL_SWEEP_GET] =
	    "SELECT p.id, p.hour_unix_ms, p.raw_offset, p.raw_bytes, p.m5_offset, p.m5_bytes,"
	    " p.h1_offset, p.h1_bytes FROM (SELECT part_id, count(*) AS n FROM part_hidden"
	    " GROUP BY part_id) h JOIN part p ON p.id = h.part_id WHERE h.n >= p.devices LIMIT 1",
	[SQL_DEAD_ADD] = "INSERT INTO part_dead (level, hour_unix_ms, offset, bytes, since_unix_ms)"
			 " VALUES (?,?,?,?,?)",
	[SQL_DEAD_FORGET] = "DELETE FROM part_dead WHERE level=? AND hour_unix_ms < ?",
	[SQL_DEAD_REMOVE] = "DELETE FROM part_dead WHERE id=?",
	/* Devices by number, and whether their hour lies in that part. */
	[SQL_LOST_DEVICES] =
	    "SELECT d.id, coalesce(p.part_id, 0) FROM device d LEFT JOIN part_device p"
	    " ON p.device_id = d.id AND p.hour_unix_ms = ? WHERE d.id > ? ORDER BY d.id LIMIT 1",
	[SQL_LOST_ENTRIES] = "SELECT entries FROM gap_total WHERE reason = 6",
	/* Of the streams that it has series in. */
	[SQL_LOST_ADD] =
	    "INSERT OR IGNORE INTO gap (spool_id, device_id, stream, reason, seq_first, seq_last,"
	    " begin_boot, begin_ms, end_boot, end_ms, begin_unix_ms, end_unix_ms, samples,"
	    " known_unix_ms, lsn) SELECT s.id, ?1, t.stream, 6, 0, 0, x'', ?2, x'', ?3, ?2,"
	    " ?2 + 3600000, 0, ?4, ?5 FROM (SELECT max(id) AS id FROM spool WHERE device_id = ?1) s"
	    " JOIN (SELECT 2 AS stream UNION ALL SELECT 3) t WHERE s.id IS NOT NULL"
	    " AND EXISTS (SELECT 1 FROM series_row r JOIN series_def f ON f.id = r.def_id"
	    " WHERE r.device_id = ?1 AND f.stream = t.stream)"
	    " AND NOT EXISTS (SELECT 1 FROM gap g WHERE g.device_id = ?1 AND g.stream = t.stream"
	    " AND g.end_unix_ms = ?2 + 3600000 AND " STORE_SQL_LOST_PART ")",
	[SQL_LOST_REMOVE] =
	    "DELETE FROM gap WHERE device_id = ?1 AND stream IN (1, 2, 3)"
	    " AND end_unix_ms = ?2 + 3600000 AND end_ms = ?3 AND " STORE_SQL_LOST_PART,
};

int
store_sql_fail(sqlite3 *db, struct bl_err *err, const char *doing)
{
	int code = BL_EIO;

	/* The writer's connection gives extended codes: an index that does not fit is one. */
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
	case SQLITE_TOOBIG:
		code = BL_EFULL;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		code = BL_ECORRUPT;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT: /* it took too long */
		code = BL_EBUSY;
		break;
	case SQLITE_NOMEM:
		code = BL_ENOMEM;
		break;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		code = BL_EDENIED;
		break;
	default:
		break;
	}
	return bl_fail(err, code, "telemetry store: %s: %s (SQLite %d)", doing, sqlite3_errmsg(db),
	    sqlite3_extended_errcode(db));
}

int
store_exec(sqlite3 *db, const char *sql, struct bl_err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_sql_fail(db, err, "execute");
	return BL_OK;
}

int
store_pragma_int(sqlite3 *db, const char *sql, int64_t *out, struct bl_err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return store_sql_fail(db, err, sql);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	if (sqlite3_finalize(st) != SQLITE_OK || rc != SQLITE_ROW)
		return store_sql_fail(db, err, sql);
	return BL_OK;
}

static int
bind_values(sqlite3_stmt *st, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *types != '\0' && rc == SQLITE_OK; types++, i++) {
		switch (*types) {
		case 'i':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 'u':
			rc = sqlite3_bind_int64(st, i, (int64_t)va_arg(ap, uint64_t));
			break;
		case 'o': {
			const int64_t v = va_arg(ap, int64_t);

			rc = v == STORE_TIME_NONE ? sqlite3_bind_null(st, i)
						  : sqlite3_bind_int64(st, i, v);
			break;
		}
		case 't':
			rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'b': {
			const void *p = va_arg(ap, const void *);
			const size_t len = va_arg(ap, size_t);

			/* A NULL pointer would bind null; an empty body is an empty blob. */
			rc = sqlite3_bind_blob64(st, i, p == NULL ? "" : p, len, SQLITE_STATIC);
			break;
		}
		case 'a': {
			const int64_t *v = va_arg(ap, const int64_t *);
			const size_t n = va_arg(ap, size_t);

			for (size_t k = 0; k < n && rc == SQLITE_OK; k++)
				rc = sqlite3_bind_int64(st, i + (int)k, v[k]);
			i += (int)n - 1;
			break;
		}
		case 'd': {
			const struct bl_id *id = va_arg(ap, const struct bl_id *);

			rc = bl_id_is_zero(id)
				 ? sqlite3_bind_blob64(st, i, "", 0, SQLITE_STATIC)
				 : sqlite3_bind_blob64(st, i, id->b, BL_ID_BYTES, SQLITE_STATIC);
			break;
		}
		default:
			rc = sqlite3_bind_null(st, i);
			break;
		}
	}
	return rc;
}

/* A damaged file weighs more than one that could not be written. */
static void
note_failure(struct sql_set *set, int rc)
{
	if (rc == BL_ECORRUPT || (rc == BL_EIO && set->failed != BL_ECORRUPT))
		set->failed = rc;
	if (rc == BL_ECORRUPT && set->damaged != NULL)
		set->damaged(set->damaged_ctx, 0);
}

sqlite3_stmt *
sql_bind_va(struct sql_set *set, int which, struct bl_err *err, const char *types, va_list ap)
{
	sqlite3_stmt *st = set->stmt[which];

	if (st == NULL) {
		if (sqlite3_prepare_v3(set->db, set->text[which], -1, SQLITE_PREPARE_PERSISTENT,
			&set->stmt[which], NULL) != SQLITE_OK) {
			note_failure(set, store_sql_fail(set->db, err, set->text[which]));
			return NULL;
		}
		st = set->stmt[which];
	}
	/* What reset returns is the last step's failure, which was reported then. */
	(void)sqlite3_reset(st);
	if (bind_values(st, types, ap) != SQLITE_OK) {
		(void)store_sql_fail(set->db, err, set->text[which]);
		return NULL;
	}
	return st;
}

int
sql_step(struct sql_set *set, sqlite3_stmt *st, struct bl_err *err)
{
	int rc;

	if (st == NULL) /* binding failed and said why */
		return err != NULL && err->code < 0 ? err->code : BL_EIO;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE) {
		(void)sqlite3_reset(st);
		return 0;
	}
	rc = store_sql_fail(set->db, err, sqlite3_sql(st));
	note_failure(set, rc);
	(void)sqlite3_reset(st);
	return rc;
}

sqlite3_stmt *
store_bind(struct store *s, enum store_sql which, struct bl_err *err, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, types);
	st = sql_bind_va(&s->sql, (int)which, err, types, ap);
	va_end(ap);
	return st;
}

int
store_step(struct store *s, sqlite3_stmt *st, struct bl_err *err)
{
	return sql_step(&s->sql, st, err);
}

int
store_run(struct store *s, enum store_sql which, struct bl_err *err, const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, types);
	st = sql_bind_va(&s->sql, (int)which, err, types, ap);
	va_end(ap);
	rc = sql_step(&s->sql, st, err);
	if (rc == 1) {
		(void)sqlite3_reset(st);
		rc = 0;
	}
	return rc;
}

int64_t
store_column_time(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? STORE_TIME_NONE
							 : sqlite3_column_int64(st, i);
}

void
store_column_id(sqlite3_stmt *st, int i, struct bl_id *out)
{
	const void *p = sqlite3_column_blob(st, i);

	memset(out, 0, sizeof(*out));
	if (p != NULL && sqlite3_column_bytes(st, i) == BL_ID_BYTES)
		memcpy(out->b, p, BL_ID_BYTES);
}

void
store_column_text(sqlite3_stmt *st, int i, char *out, size_t size)
{
	const char *p = (const char *)sqlite3_column_text(st, i);
	const size_t len = p == NULL ? 0 : strlen(p);
	const size_t n = len < size ? len : size - 1;

	if (n > 0)
		memcpy(out, p, n);
	out[n] = '\0';
}
