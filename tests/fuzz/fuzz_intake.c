/*
 * libFuzzer target: names and labels of others.  Input: lines "NAME[ KEY=VALUE ...]".  Looked for,
 * besides what the sanitizers see: a series that the codec would refuse, one of the agent's own
 * names, one without its source, two slots for one series, more series than the cap.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/catalogue.h"
#include "branchline/log.h"
#include "branchline/message.h"

#include "intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CAP 16u

static int32_t declared;

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	static const struct bl_id nobody = { { 1 } };
	struct bl_series_def probe = *def;
	struct bl_err err = { 0 };
	uint32_t n = 0, sources = 0;
	struct bl_buf b;

	(void)ctx;
	probe.id = 1;
	bl_buf_init(&b, BL_BATCH_WIRE_MAX);
	check(bl_dict_encode(&nobody, &probe, 1, &b, &n, &err) == BL_OK);
	bl_buf_free(&b);
	check(!bl_catalogue_own(def->name.p, def->name.len));
	for (uint32_t i = 0; i < def->n_labels; i++)
		if (def->label[i].key.len == 6 && memcmp(def->label[i].key.p, "source", 6) == 0) {
			check(def->label[i].value.len == 4 &&
			      memcmp(def->label[i].value.p, "fuzz", 4) == 0);
			sources++;
		}
	check(sources == 1);
	return declared++;
}

static void
put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	(void)value;
	check(handle >= 0 && handle < declared);
}

static struct bl_str
cut(struct bl_str *rest, char at)
{
	const char *end = rest->len > 0 ? memchr(rest->p, at, rest->len) : NULL;
	struct bl_str s = *rest;

	if (end == NULL) {
		rest->len = 0;
		return s;
	}
	s.len = (size_t)(end - rest->p);
	rest->p = end + 1;
	rest->len -= s.len + 1;
	return s;
}

static void
line(struct intake *t, struct bl_str text)
{
	struct intake_name n = { .kind = text.len % 2 == 0 ? BL_GAUGE : BL_COUNTER };
	int32_t slot;

	n.name = cut(&text, ' ');
	n.unit = n.name;
	while (text.len > 0 && n.n_labels < BL_LABELS_MAX) {
		struct bl_str word = cut(&text, ' ');

		n.label[n.n_labels].key = cut(&word, '=');
		n.label[n.n_labels++].value = word;
	}
	slot = intake_series(t, &n);
	check(slot >= -(int32_t)INTAKE_REASONS && slot < (int32_t)CAP);
	check(intake_series(t, &n) == slot);
	if (slot >= 0)
		intake_put(t, slot, 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample_sink sink = { .declare = declare, .put = put };
	const struct intake_opts opts = { .source = "fuzz", .max_series = CAP, .sink = &sink };
	struct bl_str rest = { (const char *)data, size };
	struct bl_err err = { 0 };
	struct intake *t;

	bl_log_level_set(BL_LOG_ERROR);
	declared = 0;
	check(intake_open(&t, &opts, &err) == BL_OK);
	while (rest.len > 0)
		line(t, cut(&rest, '\n'));
	check(intake_count(t, NULL) == (uint32_t)declared && declared <= (int32_t)CAP);
	intake_close(t);
	return 0;
}
