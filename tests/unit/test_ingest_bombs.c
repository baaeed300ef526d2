/*
 * Much behind few bytes: 10 GB deflated into some hundred bytes, zlib in zlib in
 * zlib, lies about sizes.  Each is set aside, and memory stays where it was.
 */
#include <zlib.h>

#include "branchline/batch.h"

#include "ingest_kit.h"

#define PIECE    ((size_t)1 << 20)
#define ROOM     ((size_t)16 << 20)
#define GROWTH   ((size_t)8 << 20)
#define VARIANTS 8

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

struct bytes {
	uint8_t *p;
	size_t len;
};

static void
deflate_piece(z_stream *z, const uint8_t *in, size_t len, int flush)
{
	z->next_in = (uint8_t *)(uintptr_t)in;
	z->avail_in = (uInt)len;
	assert_in_range(deflate(z, flush), Z_OK, Z_STREAM_END);
	assert_int_equal(z->avail_in, 0);
}

static struct bytes
deflated(const uint8_t *in, size_t len)
{
	struct bytes out = { malloc(compressBound(len)), compressBound(len) };

	assert_int_equal(compress2(out.p, &out.len, in, len, 9), Z_OK);
	return out;
}

/* That many MiB of zeros.  After a full flush every further piece has the same bytes, so it is
 * copied instead of made.  The checksum behind it is wrong, as far as anybody gets there. */
static struct bytes
zeros(size_t mib)
{
	uint8_t *zero = calloc(1, PIECE), *out = malloc(ROOM);
	z_stream z = { .next_out = out, .avail_out = ROOM };
	size_t first, each;

	assert_int_equal(deflateInit(&z, 9), Z_OK);
	deflate_piece(&z, zero, PIECE, Z_FULL_FLUSH);
	first = ROOM - z.avail_out;
	deflate_piece(&z, zero, PIECE, Z_FULL_FLUSH);
	each = ROOM - z.avail_out - first;
	for (size_t i = 2; i < mib; i++) {
		assert_true(z.avail_out > each);
		memcpy(z.next_out, z.next_out - each, each);
		z.next_out += each;
		z.avail_out -= (uInt)each;
	}
	deflate_piece(&z, zero, 0, Z_FINISH);
	(void)deflateEnd(&z);
	free(zero);
	return (struct bytes){ out, ROOM - z.avail_out };
}

static struct bytes
once_more(struct bytes in)
{
	struct bytes out = deflated(in.p, in.len);

	free(in.p);
	return out;
}

/* A batch with that body, which says that it is so large. */
static void
make_bomb(struct ctx *c, uint64_t seq, const struct bytes *body, uint64_t stated, uint64_t samples)
{
	struct bl_buf *b = &c->msg;

	bl_buf_reset(b);
	bl_buf_bytes(b, "BL\1\3", 4);
	bl_buf_bytes(b, c->spool.b, BL_ID_BYTES);
	bl_buf_bytes(b, c->boot.b, BL_ID_BYTES);
	bl_buf_u8(b, BL_STREAM_HOST);
	bl_buf_u8(b, BL_BATCH_NORMAL);
	bl_buf_varint(b, seq);
	bl_buf_zigzag(b, 0);
	bl_buf_varint(b, MINUTE);
	bl_buf_zigzag(b, 0);
	bl_buf_varint(b, samples > 0 ? MINUTE : 0);
	bl_buf_varint(b, 1);
	bl_buf_varint(b, samples);
	bl_buf_varint(b, 0);
	bl_buf_varint(b, 0);
	bl_buf_varint(b, stated);
	bl_buf_u32(b, 0);
	bl_buf_u64(b, seq + 1);
	bl_buf_u64(b, 1);
	bl_buf_varint(b, body->len);
	bl_buf_bytes(b, body->p, body->len);
	assert_false(b->failed);
}

/* The most that was resident since the mark was set back; what came before does not hide it. */
static void
mark_memory(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");

	assert_non_null(f);
	assert_true(fputs("5", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static size_t
most_memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	size_t kib = 0;

	assert_non_null(f);
	while (kib == 0 && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "VmHWM: %zu kB", &kib);
	assert_int_equal(fclose(f), 0);
	assert_true(kib > 0);
	return kib * 1024;
}

/* Every size that it may state, true or not. */
static unsigned
throw_bomb(struct ctx *c, const struct bytes *body)
{
	const uint64_t stated[] = { body->len, body->len + 1, 4096, 100 * body->len + 99,
		BL_BATCH_RAW_MAX, BL_BATCH_RAW_MAX + 1, INT64_MAX, UINT64_MAX };
	static uint64_t seq = 100;

	for (size_t i = 0; i < VARIANTS; i++)
		for (uint64_t samples = 0; samples <= BL_BATCH_SAMPLES_MAX;
		     samples += BL_BATCH_SAMPLES_MAX) {
			make_bomb(c, ++seq, body, stated[i], samples);
			take(c, topic_of(BL_TOPIC_LIVE, "kiosk-1"), c->msg.data, c->msg.len, false);
			pass(c, 2000);
			c->n_sent = 0;
		}
	return 2 * VARIANTS;
}

static void
bombs_are_set_aside_and_cost_no_memory(void **state)
{
	struct ctx *c = *state;
	struct bytes bomb[] = { once_more(once_more(zeros(10240))), once_more(zeros(1024)),
		zeros(10), zeros(100), once_more(once_more(deflated((const uint8_t *)"abc", 3))) };
	unsigned thrown = 0;
	size_t before;

	/* A whole batch first, so that what is kept from then on is there. */
	take_batch(c, 1);
	pass(c, 2000);
	c->n_sent = 0;
	assert_true(bomb[0].len < 10240);
	mark_memory();
	before = most_memory();
	for (size_t i = 0; i < sizeof(bomb) / sizeof(bomb[0]); i++)
		thrown += throw_bomb(c, &bomb[i]);
	print_message("%u bombs, the peak of memory grew by %zu KiB\n", thrown,
	    (most_memory() - before) / 1024);
	/* The sanitizer keeps freed memory back; it has its own bounds. */
	if (!SANITIZED)
		assert_true(most_memory() - before <= GROWTH);
	assert_int_equal(aside(c).n, thrown);
	assert_int_equal(totals(c).batches, 1);
	take_batch(c, 2);
	assert_int_equal(totals(c).batches, 2);
	for (size_t i = 0; i < sizeof(bomb) / sizeof(bomb[0]); i++)
		free(bomb[i].p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    bombs_are_set_aside_and_cost_no_memory, setup, teardown),
	};

	bl_log_level_set(BL_LOG_ERROR);
	return cmocka_run_group_tests_name("ingest: bombs", tests, NULL, NULL);
}
