/*
 * What the link carried and may carry: as JSON from the spool's figures, and in words
 * from JSON, of which no member is trusted to be there.
 */
#include "status_meter.h"

#include <inttypes.h>

static const char *const classes[] = { "events", "probes", "host" };

/* ---- JSON ---- */

static json_t *
month_json(const struct bl_report_month *m)
{
	char name[32] = "";

	if (m->month != 0)
		(void)snprintf(name, sizeof(name), "%04u-%02u", m->month / 12, m->month % 12 + 1);
	return json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I}", "month",
	    name[0] != '\0' ? json_string(name) : json_null(), "in_bytes", (json_int_t)m->in_bytes,
	    "out_bytes", (json_int_t)m->out_bytes, "events_bytes", (json_int_t)m->class_bytes[0],
	    "probes_bytes", (json_int_t)m->class_bytes[1], "host_bytes",
	    (json_int_t)m->class_bytes[2], "other_bytes", (json_int_t)m->other_bytes);
}

json_t *
status_usage_json(const struct spool_usage *u)
{
	json_t *list = json_array();

	for (uint32_t i = u->n; i > 0; i--)
		(void)json_array_append_new(list, month_json(&u->month[i - 1]));
	return list;
}

json_t *
status_budget_json(const struct status_budget *b)
{
	json_t *held = json_array(), *by_class = json_object();

	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const struct status_budget_class *c = &b->class[i];

		if (c->held)
			(void)json_array_append_new(held, json_string(classes[i]));
		(void)json_object_set_new(by_class, classes[i],
		    json_pack("{s:o,s:I,s:s,s:b,s:o}", "bytes_per_hour",
			c->bytes_per_hour > 0 ? json_integer(c->bytes_per_hour) : json_null(),
			"used_bytes", (json_int_t)c->used_bytes, "hours",
			c->hours != NULL ? c->hours : "", "held", c->held, "opens_in_ms",
			c->held && c->opens_in_ms >= 0 ? json_integer(c->opens_in_ms)
						       : json_null()));
	}
	return json_pack("{s:o,s:I,s:o,s:I,s:I,s:o,s:o}", "bytes_per_hour",
	    b->bytes_per_hour > 0 ? json_integer(b->bytes_per_hour) : json_null(), "window_ms",
	    (json_int_t)b->window_ms, "window_bytes",
	    b->window_bytes > 0 ? json_integer((json_int_t)b->window_bytes) : json_null(),
	    "used_bytes", (json_int_t)b->used_bytes, "ends_in_ms", (json_int_t)b->ends_in_ms,
	    "held", held, "classes", by_class);
}

/* ---- words ---- */

static int64_t
number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static const char *
amount(int64_t n, char out[32])
{
	if (n < 10 * 1024)
		(void)snprintf(out, 32, "%" PRId64 " B", n);
	else if (n < 10 * 1024 * 1024)
		(void)snprintf(out, 32, "%" PRId64 " KiB", n / 1024);
	else
		(void)snprintf(out, 32, "%" PRId64 " MiB", n / 1024 / 1024);
	return out;
}

static const char *
until(int64_t ms, char out[32])
{
	if (ms < 120000)
		(void)snprintf(out, 32, "%" PRId64 " s", (ms + 999) / 1000);
	else if (ms < 2 * 3600000)
		(void)snprintf(out, 32, "%" PRId64 " min", ms / 60000);
	else
		(void)snprintf(out, 32, "%" PRId64 " h", ms / 3600000);
	return out;
}

static void
print_class(const char *name, const json_t *c, int64_t waiting, FILE *to)
{
	char a[32], b[32];

	if (!json_is_true(json_object_get(c, "held")))
		return;
	(void)fprintf(to, "           %s waits: ", name);
	if (json_is_integer(json_object_get(c, "opens_in_ms")))
		(void)fprintf(to, "it may go in %s", until(number(c, "opens_in_ms"), a));
	else
		(void)fputs("it may go when the time is known", to);
	if (waiting > 0)
		(void)fprintf(to, "; %s are kept in the spool", amount(waiting, b));
	(void)fputc('\n', to);
}

static void
print_budget(const json_t *b, const json_t *streams, FILE *to)
{
	char used[32], most[32], end[32];

	amount(number(b, "used_bytes"), used);
	until(number(b, "ends_in_ms"), end);
	if (json_is_integer(json_object_get(b, "window_bytes")))
		(void)fprintf(to, "budget     %s of %s are used; a new one begins in %s\n", used,
		    amount(number(b, "window_bytes"), most), end);
	else
		(void)fprintf(to, "budget     by class; a new one begins in %s\n", end);
	for (size_t i = 0; i < 3; i++)
		print_class(classes[i], json_object_get(json_object_get(b, "classes"), classes[i]),
		    number(json_object_get(streams, classes[i]), "waiting_bytes"), to);
}

static void
print_month(const json_t *m, const char *zone, FILE *to)
{
	const char *name = json_string_value(json_object_get(m, "month"));
	char in[32], out[32];

	(void)fprintf(to, "           %s%s%s: %s sent, %s received\n",
	    name != NULL ? name : "before the month was known", zone[0] != '\0' ? " in " : "", zone,
	    amount(number(m, "out_bytes"), out), amount(number(m, "in_bytes"), in));
}

void
status_print_meter(const json_t *status, FILE *to)
{
	const json_t *meter = json_object_get(status, "meter");
	const json_t *months = json_object_get(meter, "months");
	const json_t *budget = json_object_get(meter, "budget");
	const char *zone = json_string_value(json_object_get(meter, "zone"));

	if (json_is_object(budget))
		print_budget(
		    budget, json_object_get(json_object_get(status, "spool"), "streams"), to);
	if (json_array_size(months) == 0)
		return;
	(void)fputs("usage      of the link, with all headers:\n", to);
	for (size_t i = 0; i < json_array_size(months) && i < 3; i++)
		print_month(json_array_get(months, i), zone != NULL ? zone : "", to);
}
