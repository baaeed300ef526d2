/*
 * Regions of an attacker: every checksum holds (the test sees to that), the
 * bytes behind them are changed, moved and cut.  Whatever is read either makes
 * sense or is refused; the sanitizers look on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <zlib.h>

#include "chunk_kit.h"
#include "folder.h"

bool __wrap_chunk_span_ok(const struct chunk_span *s, const void *bytes);

bool
__wrap_chunk_span_ok(const struct chunk_span *s, const void *bytes)
{
	(void)s;
	(void)bytes;
	return true;
}

static void
set_u32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void
mend_head(uint8_t *region)
{
	set_u32(region + CHUNK_HEAD_BYTES - 4, (uint32_t)crc32_z(0, region, CHUNK_HEAD_BYTES - 4));
}

static void
write_part(struct bl_buf out[CHUNK_LEVELS], uint64_t *s)
{
	struct chunk_enc *e = chunk_enc_create(KIT_HOUR);
	struct kit_column *c = calloc(1, sizeof(*c));
	struct bl_err err = { 0 };
	const unsigned n = 1 + kit_below(s, 8);

	assert_true(e != NULL && c != NULL);
	c->stream = BL_STREAM_PROBES;
	for (unsigned i = 0; i < n; i++) {
		c->device += kit_below(s, 2);
		c->series++;
		(void)snprintf(c->metric, sizeof(c->metric), "m%u", kit_below(s, 2));
		kit_fill(c, s);
		if (kit_add(e, c, &err) < 0)
			fail_msg("%s", err.msg);
	}
	assert_int_equal(chunk_enc_finish(e, out, NULL, &err), BL_OK);
	free(c);
	chunk_enc_free(e);
}

/* One to three of: a byte, a bit, some bytes from elsewhere, a large number. */
static void
change(struct bl_buf *b, uint64_t *s)
{
	for (uint32_t times = 1 + kit_below(s, 3); times > 0; times--) {
		const size_t at =
		    CHUNK_HEAD_BYTES + kit_below(s, (uint32_t)b->len - CHUNK_HEAD_BYTES);
		const size_t from = kit_below(s, (uint32_t)b->len);
		size_t n = 1 + kit_below(s, 12);

		n = at + n > b->len ? b->len - at : n;
		n = from + n > b->len ? b->len - from : n;
		switch (kit_below(s, 4)) {
		case 0:
			b->data[at] = (uint8_t)kit_below(s, 256);
			break;
		case 1:
			b->data[at] ^= (uint8_t)(1u << kit_below(s, 8));
			break;
		case 2:
			memmove(b->data + at, b->data + from, n);
			break;
		default:
			memset(b->data + at, 0xff, n);
			break;
		}
	}
}

static void
hostile_regions_are_read_or_refused(void **state)
{
	struct bl_buf out[CHUNK_LEVELS], copy;
	const unsigned n = rounds(60, 5000);
	unsigned refused = 0, read = 0;
	uint64_t s = 1;

	(void)state;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&out[l], CHUNK_REGION_MAX);
	bl_buf_init(&copy, CHUNK_REGION_MAX);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned l = 0; l < CHUNK_LEVELS; l++)
			bl_buf_reset(&out[l]);
		write_part(out, &s);
		for (unsigned k = 0; k < 90; k++) {
			const struct bl_buf *b = &out[k % CHUNK_LEVELS];

			bl_buf_reset(&copy);
			bl_buf_bytes(&copy, b->data, b->len);
			assert_false(copy.failed);
			change(&copy, &s);
			mend_head(copy.data);
			if (kit_read_region(copy.data, copy.len) > 0)
				refused++;
			else
				read++;
		}
	}
	(void)printf("%u refused, %u read\n", refused, read);
	assert_true(refused > 0 && read > 0);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&out[l]);
	bl_buf_free(&copy);
}

/* In front of the index, or behind its last field: at is 16 for the region's length, 20 for its. */
static void
bytes_that_nothing_names_are_refused(void **state)
{
	struct bl_buf out[CHUNK_LEVELS], copy;
	struct chunk_head head;
	uint64_t s = 3;

	(void)state;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&out[l], CHUNK_REGION_MAX);
	bl_buf_init(&copy, CHUNK_REGION_MAX);
	write_part(out, &s);
	for (unsigned i = 0; i < 2 * CHUNK_LEVELS; i++) {
		const struct bl_buf *b = &out[i / 2];
		size_t cut;

		assert_int_equal(chunk_head_parse(b->data, b->len, &head, NULL), BL_OK);
		cut = i % 2 == 0 ? head.index.offset : b->len;
		bl_buf_reset(&copy);
		bl_buf_bytes(&copy, b->data, cut);
		bl_buf_u8(&copy, 0);
		bl_buf_bytes(&copy, b->data + cut, b->len - cut);
		set_u32(copy.data + 16, (uint32_t)copy.len);
		set_u32(copy.data + 20, head.index.len + i % 2);
		mend_head(copy.data);
		assert_int_equal(chunk_head_parse(copy.data, copy.len, &head, NULL), BL_OK);
		assert_true(kit_read_region(copy.data, copy.len) > 0);
	}
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&out[l]);
	bl_buf_free(&copy);
}

static void
later_formats_are_told_from_damage(void **state)
{
	struct bl_buf out[CHUNK_LEVELS];
	struct chunk_head head;
	uint64_t s = 4;

	(void)state;
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_init(&out[l], CHUNK_REGION_MAX);
	write_part(out, &s);
	out[0].data[6] = CHUNK_FORMAT + 1;
	assert_int_equal(chunk_head_parse(out[0].data, out[0].len, &head, NULL), BL_ECORRUPT);
	mend_head(out[0].data);
	assert_int_equal(chunk_head_parse(out[0].data, out[0].len, &head, NULL), BL_ENEWER);
	for (unsigned l = 0; l < CHUNK_LEVELS; l++)
		bl_buf_free(&out[l]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_regions_are_read_or_refused),
		cmocka_unit_test(bytes_that_nothing_names_are_refused),
		cmocka_unit_test(later_formats_are_told_from_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
