/*
 * The codec at a pipe, for test_wire_golden.py.
 *
 *   wire_tool decode           hex lines in, a line of JSON each out
 *   wire_tool random SEED N    N random messages of all types as hex
 *   wire_tool make             the golden vectors: "name hex" lines.  Run once, when one is
 *                              added; vectors that exist are never made anew
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire_json.h"
#include "wire_samples.h"

static void
put_hex(const struct bl_buf *msg)
{
	for (size_t i = 0; i < msg->len; i++)
		(void)printf("%02x", msg->data[i]);
	(void)putchar('\n');
}

static size_t
from_hex(const char *line, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(line, "%2x", &byte) == 1; line += 2)
		out[n++] = (uint8_t)byte;
	return n;
}

static int
decode_lines(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		uint8_t *msg = malloc(strlen(line) / 2 + 1), *exact;
		size_t len;

		if (msg == NULL)
			return 1;
		/* In memory of exactly its length, so that a sanitizer sees the end. */
		len = from_hex(line, msg);
		exact = malloc(len > 0 ? len : 1);
		if (exact == NULL)
			return 1;
		memcpy(exact, msg, len);
		wire_json(stdout, exact, len);
		free(msg);
		free(exact);
	}
	free(line);
	return 0;
}

int
main(int argc, char **argv)
{
	struct bl_buf msg;

	if (argc == 2 && strcmp(argv[1], "decode") == 0)
		return decode_lines();
	bl_buf_init(&msg, BL_BATCH_WIRE_MAX);
	if (argc == 4 && strcmp(argv[1], "random") == 0) {
		wire_random_seed(strtoull(argv[2], NULL, 10));
		for (unsigned long n = strtoul(argv[3], NULL, 10); n > 0; n--) {
			bl_buf_reset(&msg);
			wire_random(&msg);
			put_hex(&msg);
		}
	} else if (argc == 2 && strcmp(argv[1], "make") == 0) {
		for (unsigned i = 0; wire_golden_name(i) != NULL; i++) {
			bl_buf_reset(&msg);
			wire_golden(i, &msg);
			(void)printf("%s ", wire_golden_name(i));
			put_hex(&msg);
		}
	} else {
		(void)fputs("usage: wire_tool decode | random SEED N | make\n", stderr);
		return 2;
	}
	bl_buf_free(&msg);
	return 0;
}
