/* What the agent's own limits refused; see agent_limits.h.  Pure. */
#include "agent_limits.h"

#include <stdio.h>
#include <string.h>

static struct limits_stream *
stream_of(struct limits *l, enum bl_stream stream)
{
	const unsigned i = (unsigned)stream - 1;

	return &l->stream[i < BL_STREAMS ? i : BL_STREAM_HOST - 1];
}

static void
note(struct limits_stream *s, int64_t boot_ms)
{
	if (!s->pending)
		s->since_boot_ms = boot_ms;
	s->pending = true;
}

/* For %.*s. */
static int
shown(const struct bl_str *s)
{
	return s->len < LIMITS_NAME_MAX ? (int)s->len : (int)LIMITS_NAME_MAX;
}

/* "disk_used_bytes{mount=/srv}", cut where it is too long. */
static void
name_of(const struct bl_series_def *def, char out[LIMITS_NAME_MAX])
{
	size_t n = (size_t)snprintf(out, LIMITS_NAME_MAX, "%.*s", shown(&def->name),
	    def->name.p == NULL ? "" : def->name.p);

	for (uint32_t i = 0; i < def->n_labels && i < BL_LABELS_MAX && n < LIMITS_NAME_MAX; i++)
		n += (size_t)snprintf(out + n, LIMITS_NAME_MAX - n, "%s%.*s=%.*s%s",
		    i == 0 ? "{" : ",", shown(&def->label[i].key), def->label[i].key.p,
		    shown(&def->label[i].value), def->label[i].value.p,
		    i + 1 == def->n_labels ? "}" : "");
	/* It may have been refused for what is in it. */
	for (char *p = out; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
}

void
limits_series(struct limits *l, const struct bl_series_def *def, int64_t boot_ms)
{
	struct limits_stream *s = stream_of(l, def->stream);

	l->refused_series++;
	s->series++;
	name_of(def, l->newest);
	note(s, boot_ms);
}

void
limits_sample(struct limits *l, enum bl_stream stream, int64_t boot_ms)
{
	struct limits_stream *s = stream_of(l, stream);

	l->refused_samples++;
	s->samples++;
	note(s, boot_ms);
}

void
limits_results(struct limits *l, uint64_t n, int64_t from_boot_ms, int64_t boot_ms)
{
	struct limits_stream *s = stream_of(l, BL_STREAM_PROBES);

	l->dropped_results += n;
	s->uncounted = true;
	note(s, from_boot_ms < boot_ms ? from_boot_ms : boot_ms);
}

void
limits_lost(struct limits *l, enum bl_stream stream, int64_t boot_ms)
{
	struct limits_stream *s = stream_of(l, stream);

	s->uncounted = true;
	note(s, boot_ms);
}

void
limits_left_out(struct limits *l, enum bl_stream stream, int64_t boot_ms)
{
	struct limits_stream *s = stream_of(l, stream);

	s->left_out = true;
	note(s, boot_ms);
}

unsigned
limits_refused_now(const struct limits *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BL_STREAMS; i++)
		n += l->stream[i].series;
	return n;
}

static bool
is_due(const struct limits_stream *s, int64_t boot_ms, bool ending)
{
	const bool mishap = s->series > 0 || s->samples > 0 || s->uncounted;

	return s->pending &&
	       (ending || s->told_boot_ms == 0 ||
		   boot_ms - s->told_boot_ms >= (mishap ? LIMITS_TELL_MS : LIMITS_DAY_MS));
}

void
limits_untold(struct limits *l, const struct bl_gap *gap)
{
	struct limits_stream *s = stream_of(l, gap->stream);

	s->pending = true;
	s->since_boot_ms = gap->begin_boot_ms;
	s->told_boot_ms = 0;
	s->samples += gap->samples;
	s->uncounted |= gap->samples == 0;
}

bool
limits_due(
    struct limits *l, const struct bl_id *boot, int64_t boot_ms, bool ending, struct bl_gap *out)
{
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		struct limits_stream *s = &l->stream[i];

		if (!is_due(s, boot_ms, ending)) {
			s->told_boot_ms = ending ? 0 : s->told_boot_ms;
			continue;
		}
		/* How many samples there would have been may not be known: 0 says so. */
		*out = (struct bl_gap){ .reason = BL_GAP_OVERLOAD,
			.stream = (enum bl_stream)(i + 1),
			.begin_boot = *boot,
			.begin_boot_ms = s->since_boot_ms,
			.end_boot = *boot,
			.end_boot_ms = boot_ms,
			.samples = s->series > 0 || s->uncounted || s->left_out ? 0 : s->samples };
		s->series = ending ? 0 : s->series;
		s->samples = 0;
		s->uncounted = s->left_out = false;
		s->told_boot_ms = ending ? 0 : boot_ms;
		s->since_boot_ms = boot_ms;
		s->pending = s->series > 0; /* it goes on */
		return true;
	}
	return false;
}
