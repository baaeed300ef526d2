/* What holds for reports of all inlets; see the header.  Pure. */
#include "inlet_report.h"

#include <string.h>

#include "branchline/rowmap.h"

#define SECONDS_MAX                                                                                \
	INT64_C(253402400000) /* the year 9999; beyond, it was milliseconds that were meant */

/* Seconds, with a fraction perhaps. */
static bool
seconds(struct bl_str t, int64_t *unix_ms)
{
	int64_t ms = 0, scale = 100;
	size_t i = 0, point;

	for (; i < t.len && t.p[i] >= '0' && t.p[i] <= '9' && ms < SECONDS_MAX; i++)
		ms = ms * 10 + (t.p[i] - '0');
	if (i == 0 || ms >= SECONDS_MAX)
		return false;
	ms *= 1000;
	if (i < t.len && t.p[i] == '.') {
		point = i++;
		for (; i < t.len && t.p[i] >= '0' && t.p[i] <= '9'; i++, scale /= 10)
			ms += scale * (t.p[i] - '0');
		if (i == point + 1 || i > point + 10)
			return false;
	}
	*unix_ms = ms;
	return i == t.len;
}

bool
inlet_report_time(struct bl_str text, int64_t *at_unix_ms)
{
	return (seconds(text, at_unix_ms) || bl_time_parse(text.p, text.len, at_unix_ms)) &&
	       *at_unix_ms > 0;
}

int
inlet_report_place(const struct inlet_report *r, const struct bl_clock *clock, int64_t *boot_ms,
    struct bl_err *err)
{
	const int64_t now = bl_unix_ms(clock), at = r->at_unix_ms;
	const int64_t back = r->kind == INLET_METRIC ? INLET_METRIC_BACK_MS : INLET_BACK_MS;
	char here[BL_TIME_SIZE];
	int64_t ago = 0;

	bl_time_utc(now, here);
	if (at > now && at - now > INLET_AHEAD_MS)
		return bl_fail(err, BL_EINVAL,
		    "the time lies in the future: more than a minute after this machine's clock, "
		    "which says %s",
		    here);
	if (at != 0 && at < now)
		ago = at > 0 ? now - at : INT64_MAX;
	if (ago > back)
		return bl_fail(err, BL_EINVAL,
		    "the time lies too far back: more than %d %s before this machine's clock, "
		    "which says %s",
		    r->kind == INLET_METRIC ? 24 : 7,
		    r->kind == INLET_METRIC ? "hours (of values)" : "days", here);
	*boot_ms = bl_boot_ms(clock) - ago;
	*boot_ms -= *boot_ms == 0; /* 0 is "now" to others */
	return BL_OK;
}

void
inlet_report_of_row(struct inlet_report *out, const struct bl_rowmap_report *from)
{
	out->kind = from->metric ? INLET_METRIC : INLET_EVENT;
	out->id = from->id;
	out->at_unix_ms = from->at_unix_ms;
	out->ev = from->ev;
	out->def = from->def;
	out->value = from->value;
	out->user = 0;
}

int
inlet_report_type(struct bl_str type, struct bl_err *err)
{
	static const char *const steps[] = { "step.begin", "step.end", "step.event" };

	if (type.len == 0 || type.len > BL_NAME_MAX || !bl_wire_utf8(type.p, type.len))
		return bl_fail(err, BL_EINVAL,
		    "the type of an event: expected UTF-8 text of 1 to %u bytes", BL_NAME_MAX);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (type.len == strlen(steps[i]) && memcmp(type.p, steps[i], type.len) == 0)
			return BL_OK;
	if (inlet_report_own_type(type))
		return bl_fail(err, BL_EINVAL,
		    "the type of an event: \"%.*s\" is one that only the agent uses", (int)type.len,
		    type.p);
	return BL_OK;
}

int
inlet_report_check(const struct inlet_report *r, const struct bl_clock *clock, struct bl_err *err)
{
	int64_t boot_ms;
	const int rc = inlet_report_place(r, clock, &boot_ms, err);

	return rc == BL_OK && r->kind == INLET_EVENT ? inlet_report_type(r->ev.type, err) : rc;
}

bool
inlet_report_own_type(struct bl_str type)
{
	static const char *const own[] = { "agent.", "clock.", "config.", "probe.", "spool.",
		"link.", "step." };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (type.len >= strlen(own[i]) && memcmp(type.p, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}
