/*
 * libFuzzer target: messages of any topic through the collector's ingest into
 * a real store.  The input is a row of them:
 *
 *	u8 topic (of the table below)   u8 flags   u16 length, little end first   payload
 *
 * flags: 1 retained; 2 the prefix is put right (else as it is); 4 the checksum
 * of a batch whose body is not compressed is put right.  A first byte '!' commits;
 * else the transaction is rolled back, which is fast and leaves no trace.
 *
 * Whatever comes, ingest says BL_OK, counts each message (of a bundle, each batch) once, and no
 * reader meets a bad batch.  After some commits the store is made anew.
 */
#include <math.h>
#include <unistd.h>

#include "branchline/log.h"

#include "codec_internal.h"
#include "folder.h"
#include "fuzz.h"
#include "ingest_core.h"
#include "store.h"
#include "store_fixture.h"
#include "store_read.h"

#define COMMITS_MAX  200
#define MESSAGES_MAX 32

static const char *const topics[] = {
	"bl/1/up/07/kiosk-1/live",
	"bl/1/up/07/kiosk-1/past",
	"bl/1/up/07/kiosk-1/hello",
	"bl/1/up/07/kiosk-1/presence",
	"bl/1/up/07/kiosk-2/live",
	"bl/1/up/07/kiosk-2/hello",
	"bl/1/up/08/kiosk-1/live",
	"bl/1/up/07/old-1/hello",
	"bl/1/up/07/nobody/live",
	"bl/1/centre",
	"else",
};
#define TOPICS (sizeof(topics) / sizeof(topics[0]))

static struct {
	char folder[FOLDER_MAX], path[FOLDER_MAX + 32], marker[FOLDER_MAX + 32];
	struct fixture_clock clock;
	struct store *s;
	struct store_read *r;
	struct ingest_core *core;
	unsigned commits;
} c;

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	(void)ctx;
	(void)err;
	out->part = 7;
	out->retired = strcmp(device, "old-1") == 0;
	return strcmp(device, "nobody") != 0;
}

static bool
publish(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	static union {
		struct bl_receipt receipt;
		struct bl_question question;
	} u;

	(void)ctx;
	(void)topic;
	CHECK(!retained && !store_in_transaction(c.s));
	if (bl_msg_type(payload, len) == BL_MSG_QUESTION)
		CHECK(bl_question_decode(payload, len, &u.question, NULL) == BL_OK);
	else
		CHECK(bl_receipt_decode(payload, len, &u.receipt, NULL) == BL_OK);
	return true;
}

static void
end(void)
{
	if (c.folder[0] == '\0')
		return;
	ingest_core_free(c.core);
	store_read_close(c.r);
	store_close(c.s);
	folder_remove(c.folder);
	memset(&c, 0, sizeof(c));
}

static void
begin(void)
{
	struct store_opts store = { .clock = &c.clock.clock, .aside_rows = 200 };
	struct ingest_core_opts opts = {
		.clock = &c.clock.clock, .lookup = lookup, .publish = publish
	};
	char name[32];

	(void)snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	folder_make(c.folder, name);
	(void)snprintf(c.path, sizeof(c.path), "%s/telemetry.db", c.folder);
	(void)snprintf(c.marker, sizeof(c.marker), "%s/marker", c.folder);
	fixture_clock_init(&c.clock);
	store.path = c.path;
	CHECK(store_open(&c.s, &store, NULL) == STORE_CREATED);
	CHECK(store_read_open(&c.r, c.path, &c.clock.clock, NULL) == BL_OK);
	opts.store = c.s;
	opts.marker_path = c.marker;
	CHECK(ingest_core_create(&c.core, &opts, NULL) == BL_OK);
	bl_log_level_set(BL_LOG_ERROR);
}

/* ---- what comes in ---- */

static void
put_checksum_right(uint8_t *msg, size_t len)
{
	struct bl_batch_header h;
	const uint8_t *body;
	struct bl_buf lengths;
	size_t n, at;
	uint32_t sum;

	if (bl_batch_header_decode(msg, len, &h, &body, &n, NULL) != BL_OK || n != h.raw_bytes)
		return;
	bl_buf_init(&lengths, 16);
	bl_buf_varint(&lengths, n);
	at = len - n - lengths.len - 16 - 4;
	bl_buf_free(&lengths);
	sum = codec_crc32(body, n);
	for (int i = 0; i < 4; i++)
		msg[at + (size_t)i] = (uint8_t)(sum >> (8 * i));
}

static uint64_t
counted(const struct ingest_core_stats *s)
{
	return s->batches + s->duplicates + s->set_aside + s->refused_holes;
}

static void
take(const char *topic, unsigned flags, const uint8_t *payload, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	const struct ingest_msg m = { topic, copy, len, (flags & 1) != 0 };
	struct ingest_core_stats before, after;
	struct bl_err err = { 0 };

	CHECK(copy != NULL);
	if (len > 0)
		memcpy(copy, payload, len);
	if ((flags & 2) != 0 && len >= 3)
		memcpy(copy, "BL\1", 3);
	if ((flags & 4) != 0)
		put_checksum_right(copy, len);
	ingest_core_stats(c.core, &before);
	if (ingest_core_take(c.core, &m, &err) != BL_OK) {
		(void)fprintf(stderr, "take: %s\n", err.msg);
		abort();
	}
	ingest_core_stats(c.core, &after);
	/* Not among them: what was taken in and is no batch, and superseded batches. */
	CHECK(counted(&after) - counted(&before) <=
	      (after.bundles > before.bundles ? BL_BUNDLE_MAX : 1));
	free(copy);
}

static void
take_all(const uint8_t *data, size_t size)
{
	for (unsigned n = 0; size >= 4 && n < MESSAGES_MAX; n++) {
		const size_t stated = (size_t)data[2] | (size_t)data[3] << 8;
		const size_t len = stated < size - 4 ? stated : size - 4;

		take(topics[data[0] % TOPICS], data[1], data + 4, len);
		data += 4 + len;
		size -= 4 + len;
	}
}

/* ---- what readers see ---- */

static size_t n_series;
static int64_t series[STORE_QUERY_SERIES];

static bool
see_series(void *ctx, const struct store_series *s)
{
	(void)ctx;
	series[n_series++] = s->id;
	return n_series < STORE_QUERY_SERIES;
}

static bool
see_event(void *ctx, const struct store_event *e)
{
	(void)ctx;
	CHECK(e->ev->n_attrs <= BL_ATTRS_MAX);
	return true;
}

static bool
see_gap(void *ctx, const struct store_gap *g)
{
	(void)ctx;
	CHECK(g->seq_first <= g->seq_last);
	return true;
}

static bool
see_aside(void *ctx, const struct store_aside_row *a)
{
	(void)ctx;
	CHECK(a->reason[0] != '\0' && a->topic != NULL);
	return true;
}

static void
must(int rc, const struct bl_err *err)
{
	if (rc >= 0 || rc == BL_ENOTFOUND)
		return;
	(void)fprintf(stderr, "read: %s (%d)\n", err->msg, rc);
	abort();
}

static void
read_back(const char *device)
{
	const struct store_gap_filter gaps = {
		.from_unix_ms = STORE_TIME_NONE, .to_unix_ms = STORE_TIME_NONE, .limit = 100
	};
	struct store_query q = { .series = series,
		.from_unix_ms = 1790000000000,
		.to_unix_ms = 1790003600000,
		.step_ms = 60000,
		.rate = true };
	struct store_query_result *result = NULL;
	static struct store_usage usage[13];
	static struct store_report report;
	struct bl_err err = { 0 };

	must(store_read_report(c.r, device, &report, &err), &err);
	must(store_read_usage(c.r, device, usage, 13, &err), &err);
	n_series = 0;
	must(store_read_series(c.r, device, see_series, NULL, &err), &err);
	must(store_read_events(
		 c.r, device, INT64_MIN / 4, INT64_MAX / 4, 100, see_event, NULL, &err),
	    &err);
	must(store_read_gaps(c.r, &gaps, see_gap, NULL, &err), &err);
	must(store_read_aside(c.r, NULL, 0, 100, see_aside, NULL, &err), &err);
	if ((q.n_series = n_series) > 0) {
		must(store_read_query(c.r, &q, &result, &err), &err);
		store_query_free(result);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool registered;
	struct bl_err err = { 0 };

	if (!registered)
		(void)atexit(end);
	registered = true;
	if (c.s == NULL)
		begin();
	CHECK(ingest_core_begin(c.core, &err) == BL_OK);
	if (size == 0 || data[0] != '!') {
		take_all(data, size);
		ingest_core_rollback(c.core);
		return 0;
	}
	take_all(data + 1, size - 1);
	CHECK(ingest_core_commit(c.core, &err) == BL_OK);
	c.clock.mono_ms += 11000;
	c.clock.unix_ms += 11000;
	(void)ingest_core_due(c.core);
	read_back("kiosk-1");
	if (++c.commits >= COMMITS_MAX)
		end();
	return 0;
}
