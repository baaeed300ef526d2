/*
 * The golden vectors, ill-treated: cut at every length, every bit flipped,
 * extended.  Each input lies in memory of exactly its size, so that a
 * sanitizer sees the first byte read beyond it.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "branchline/batch.h"
#include "wire_json.h"

#define VECTOR_MAX 65536u

/* What the whole message says, to be freed; NULL: refused.  Walks all of it. */
static char *
says(const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	char *text = NULL;
	size_t text_len;
	FILE *to = open_memstream(&text, &text_len);

	assert_non_null(exact);
	assert_non_null(to);
	memcpy(exact, bytes, len);
	wire_json(to, exact, len);
	assert_int_equal(fclose(to), 0);
	free(exact);
	if (strncmp(text, "{\"refused\"", 10) != 0)
		return text;
	free(text);
	return NULL;
}

static bool
decodes(const uint8_t *bytes, size_t len)
{
	char *text = says(bytes, len);
	const bool ok = text != NULL;

	free(text);
	return ok;
}

static size_t
read_hex(const char *name, uint8_t *out)
{
	char path[512];
	unsigned byte;
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), BL_TEST_DATA "/wire/%s", name);
	assert_non_null(f = fopen(path, "r"));
	while (n < VECTOR_MAX && fscanf(f, " %2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	assert_int_equal(fclose(f), 0);
	assert_true(n > 4 && n < VECTOR_MAX);
	return n;
}

static void
for_each_vector(void (*check)(const char *name, uint8_t *bytes, size_t len))
{
	static uint8_t bytes[VECTOR_MAX + 16];
	DIR *dir = opendir(BL_TEST_DATA "/wire");
	const struct dirent *entry;
	unsigned n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		const size_t len = strlen(entry->d_name);

		if (len < 4 || strcmp(entry->d_name + len - 4, ".hex") != 0)
			continue;
		check(entry->d_name, bytes, read_hex(entry->d_name, bytes));
		n++;
	}
	assert_int_equal(closedir(dir), 0);
	assert_true(n >= 20);
}

static void
check_whole(const char *name, uint8_t *bytes, size_t len)
{
	if (!decodes(bytes, len))
		fail_msg("%s does not decode", name);
}

/* Cut where an optional section begins, a message is still one: how often that may be. */
static unsigned
may_be_shorter(const char *name)
{
	static const struct {
		const char *name;
		unsigned n;
	} known[] = { { "question.hex", 3 }, { "hello-unknown-section.hex", 1 },
		{ "report.hex", 7 }, { "report-sampling.hex", 1 } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			return known[i].n;
	return 0;
}

static void
check_cut(const char *name, uint8_t *bytes, size_t len)
{
	unsigned accepted = 0;

	for (size_t n = 0; n < len; n++)
		accepted += decodes(bytes, n);
	if (accepted != may_be_shorter(name))
		fail_msg("%s: %u of its beginnings decode", name, accepted);
}

/* What a flip may do is the contract test's; here nothing may be read that is not there. */
static void
check_flipped(const char *name, uint8_t *bytes, size_t len)
{
	unsigned refused = 0;

	(void)name;
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused += !decodes(bytes, len);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(refused >= 32);
}

static void
check_longer(const char *name, uint8_t *bytes, size_t len)
{
	static const uint8_t tails[][4] = { { 0 }, { 0x80 }, { 1, 0 }, { 0xff, 0xff, 0xff } };

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		memcpy(bytes + len, tails[i], 1 + i % 3);
		if (decodes(bytes, len + 1 + i % 3))
			fail_msg("%s decodes with rubbish behind it", name);
	}
}

/* A body's checksum guards what it says; zlib's own filling bits say nothing. */
static void
check_batch_flips(const char *name, uint8_t *bytes, size_t len)
{
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;
	char *whole;

	if (strncmp(name, "batch", 5) != 0)
		return;
	assert_int_equal(bl_batch_header_decode(bytes, len, &h, &body, &body_len, NULL), BL_OK);
	whole = says(bytes, len);
	for (size_t bit = (len - body_len) * 8; bit < len * 8; bit++) {
		char *flipped;

		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		flipped = says(bytes, len);
		if (flipped != NULL && (body_len == h.raw_bytes || strcmp(flipped, whole) != 0))
			fail_msg("%s: bit %zu of the body flips unseen", name, bit);
		free(flipped);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	free(whole);
}

static void
golden_vectors_decode(void **state)
{
	(void)state;
	for_each_vector(check_whole);
}

static void
beginnings_are_refused(void **state)
{
	(void)state;
	for_each_vector(check_cut);
}

static void
flipped_bits_do_no_harm(void **state)
{
	(void)state;
	for_each_vector(check_flipped);
}

static void
no_bit_of_a_body_flips_unseen(void **state)
{
	(void)state;
	for_each_vector(check_batch_flips);
}

static void
rubbish_behind_is_refused(void **state)
{
	(void)state;
	for_each_vector(check_longer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_vectors_decode),
		cmocka_unit_test(beginnings_are_refused),
		cmocka_unit_test(flipped_bits_do_no_harm),
		cmocka_unit_test(no_bit_of_a_body_flips_unseen),
		cmocka_unit_test(rubbish_behind_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
