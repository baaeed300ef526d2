/*
 * libFuzzer target: what a monitoring plug-in prints, taken apart and made into lines for the
 * agent.  Looked for, besides what the sanitizers see: a text that is no UTF-8 or has control
 * characters, a value or a limit that is not finite, performance data that is not read to its end,
 * a line that the agent's own reader of words does not understand or that is longer than it takes.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "inlet_line.h"
#include "plugins_output.h"
#include "plugins_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* It says what it is meant to, and with all that a report needs. */
static void
check_line(void *ctx, const char *line, size_t len, bool event)
{
	static struct inlet_line parsed;
	struct bl_err err = { 0 };

	(void)ctx;
	CHECK(inlet_line_parse(line, len, &parsed, &err) == BL_OK);
	CHECK(parsed.r.kind == (event ? INLET_EVENT : INLET_METRIC));
	CHECK(parsed.r.id.len > 0 && parsed.r.at_unix_ms == 1764324000123);
	CHECK(event || parsed.r.def.n_labels >= 1);
}

static void
check_range(const struct plugins_range *r)
{
	CHECK(!r->has_low || isfinite(r->low));
	CHECK(!r->has_high || isfinite(r->high));
}

static void
check_perf(const struct bl_buf *perf)
{
	struct bl_str rest = { (const char *)perf->data, perf->len };
	struct plugins_perf p;
	struct bl_err err = { 0 };
	int rc;

	while (rest.len > 0) {
		const size_t before = rest.len;

		rc = plugins_perf_next(&rest, &p, &err);
		CHECK(rest.len < before);
		CHECK(rc >= 0 || (rc == BL_EINVAL && strstr(err.msg, "expected ") == err.msg));
		if (rc <= 0)
			continue;
		CHECK(p.label[0] != '\0' && memchr(p.label, '\0', sizeof(p.label)) != NULL);
		CHECK(memchr(p.uom, '\0', sizeof(p.uom)) != NULL);
		CHECK(!p.known || isfinite(p.value));
		CHECK((!p.has_min || isfinite(p.min)) && (!p.has_max || isfinite(p.max)));
		check_range(&p.warn);
		check_range(&p.crit);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plugins_teller t = { .line = check_line, .id = "fuzz" };
	struct plugins_memory m = { .known = size % 2 == 0, .state = PLUGINS_OK };
	struct plugins_counted counted = { 0 };
	struct plugins_result r;

	plugins_result_failed(&r, "fuzz", "", 1764324000123);
	bl_buf_init(&r.text, 2 * size + 16);
	bl_buf_init(&r.detail, 2 * size + 16);
	bl_buf_init(&r.perf, 2 * size + 16);
	r.state = (enum plugins_state)(size % 4);
	plugins_output_split((const char *)data, size, &r.text, &r.detail, &r.perf);
	CHECK(!r.text.failed && !r.detail.failed && !r.perf.failed);
	check_perf(&r.perf);
	plugins_report(&r, &t, &m, 0, &counted);
	CHECK(t.unmade == 0);
	plugins_result_free(&r);
	return 0;
}
