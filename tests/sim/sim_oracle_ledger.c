/* What the ledger says, and what was set aside. */
#include "sim_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the ledger ---- */

static void
add_entry(struct judge *j, const struct entry *e)
{
	if (j->n_entries == j->size_entries) {
		j->size_entries = j->size_entries * 2 + 256;
		j->entry = realloc(j->entry, j->size_entries * sizeof(*j->entry));
		assert(j->entry != NULL);
	}
	j->entry[j->n_entries++] = *e;
}

/* Only seqs are known: the batches that left under them say which times those were. */
static void
add_by_seq(
    struct judge *j, struct entry e, const struct bl_id *spool, uint64_t first, uint64_t last)
{
	const struct sim *w = j->w;

	for (size_t i = 0; i < w->size_sent; i++) {
		const struct sim_sent *s = &w->sent[i];

		if (s->seq < first || s->seq > last || s->stream != e.stream ||
		    !bl_id_equal(&s->spool, spool))
			continue;
		e.from = machine_true_time(w, &s->boot, s->begin_ms, NULL);
		e.to = machine_true_time(w, &s->boot, s->last_ms, NULL);
		e.by_seq = true;
		add_entry(j, &e);
	}
}

void
judge_ledger(struct judge *j)
{
	sqlite3_stmt *st = judge_query(j, j->db,
	    "SELECT d.name, g.stream, g.reason, g.seq_first, g.seq_last, g.begin_boot, g.begin_ms,"
	    " g.end_boot, g.end_ms, g.samples, s.uuid FROM gap g JOIN device d ON d.id=g.device_id"
	    " JOIN spool s ON s.id=g.spool_id ORDER BY g.id");

	while (judge_row(j, st)) {
		const struct bl_id begin = judge_column_id(st, 5), end = judge_column_id(st, 7),
				   spool = judge_column_id(st, 10);
		struct entry e = { .stream = (uint8_t)sqlite3_column_int(st, 1),
			.reason = sqlite3_column_int(st, 2),
			.from = INT64_MIN };

		if (sscanf((const char *)sqlite3_column_text(st, 0), "dev-%u", &e.device) != 1)
			continue;
		e.samples = (uint64_t)sqlite3_column_int64(st, 9);
		e.has_seqs = sqlite3_column_int64(st, 3) > 0;
		j->w->acts[ACT_EVICT] += e.reason == BL_GAP_EVICTED;
		if (bl_id_is_zero(&end)) {
			sim_trace(j->w,
			    "ledger: dev-%u stream %u reason %d of spool %02x seq %lld..%lld",
			    e.device, e.stream, e.reason, spool.b[0],
			    (long long)sqlite3_column_int64(st, 3),
			    (long long)sqlite3_column_int64(st, 4));
			add_by_seq(j, e, &spool, (uint64_t)sqlite3_column_int64(st, 3),
			    (uint64_t)sqlite3_column_int64(st, 4));
			continue;
		}
		if (!bl_id_is_zero(&begin))
			e.from = machine_true_time(j->w, &begin, sqlite3_column_int64(st, 6), NULL);
		e.to = machine_true_time(j->w, &end, sqlite3_column_int64(st, 8), NULL);
		sim_trace(j->w, "ledger: dev-%u stream %u reason %d %.3f .. %.3f s seq %lld..%lld",
		    e.device, e.stream, e.reason, ((double)e.from - (double)j->w->begin) / 1000.0,
		    ((double)e.to - (double)j->w->begin) / 1000.0,
		    (long long)sqlite3_column_int64(st, 3), (long long)sqlite3_column_int64(st, 4));
		add_entry(j, &e);
	}
}

/* Ledger entries that travelled in a batch which was set aside are shown with it. */
struct gaps_of {
	struct judge *j;
	unsigned device;
};

static void
note_gaps_aside(void *ctx, const void *msg, size_t len)
{
	struct judge *j = ((struct gaps_of *)ctx)->j;
	const unsigned device = ((struct gaps_of *)ctx)->device;
	struct bl_batch_header h;
	struct bl_batch_reader rd;
	struct bl_gap g;
	struct bl_err err = { 0 };
	const uint8_t *body;
	size_t body_len;

	if (bl_batch_header_decode(msg, len, &h, &body, &body_len, &err) < 0 ||
	    bl_batch_inflate(&h, body, body_len, &j->raw, &err) < 0 ||
	    bl_batch_reader_init(&rd, &h, j->raw.data, j->raw.len, &err) < 0)
		return;
	while (bl_batch_next_gap(&rd, &g, &err) == 1) {
		struct entry e = { .device = device,
			.stream = (uint8_t)g.stream,
			.reason = (int)g.reason,
			.from = INT64_MIN };

		if (bl_id_is_zero(&g.end_boot))
			continue;
		if (!bl_id_is_zero(&g.begin_boot))
			e.from = machine_true_time(j->w, &g.begin_boot, g.begin_boot_ms, NULL);
		e.to = machine_true_time(j->w, &g.end_boot, g.end_boot_ms, NULL);
		add_entry(j, &e);
	}
}

void
judge_aside(struct judge *j)
{
	sqlite3_stmt *st = judge_query(j, j->db,
	    "SELECT a.payload, a.topic, a.detail, a.reason=7 AND EXISTS (SELECT 1 FROM batch b JOIN"
	    " spool s ON s.id=b.spool_id WHERE s.uuid=a.spool AND b.stream=a.stream AND"
	    " b.seq=a.seq) FROM aside a");

	while (judge_row(j, st)) {
		const char *topic = (const char *)sqlite3_column_text(st, 1);
		const char *name = strstr(topic, "/dev-");
		struct gaps_of gaps = { .j = j };

		sim_trace(
		    j->w, "set aside: %s %s", topic, (const char *)sqlite3_column_text(st, 2));
		if (sqlite3_column_type(st, 0) == SQLITE_NULL)
			continue;
		if (!judge_two_lives(j->w) && j->w->acts[ACT_BACK] == 0)
			continue;
		judge_message(j, sqlite3_column_int(st, 3) != 0 ? IN_CONFLICT : IN_ASIDE,
		    sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
		if (name != NULL && sscanf(name, "/dev-%u", &gaps.device) == 1)
			sim_each_batch(sqlite3_column_blob(st, 0),
			    (size_t)sqlite3_column_bytes(st, 0), note_gaps_aside, &gaps);
	}
}

/* The samples that were made at a time: events of one instant are told apart by nobody. */
