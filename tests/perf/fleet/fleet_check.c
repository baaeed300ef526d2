/*
 * `fleet check`: is in the collector's store what `fleet run` says that it sent, once?
 *
 * Of every agent the number of batches and samples that the store counts; of some of them,
 * spread over the fleet, every sample by time and value, made anew from the seed.  Through
 * the readers that the collector itself uses, so it does not matter whether samples lie in
 * batches or have been compacted since.
 */
#include "fleet_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_record.h"
#include "store_log.h"

#define TOLD_MAX 20 /* differences that are told one by one */

struct check {
	const struct fleet_opts *o;
	struct fleet_shape shape;
	struct store_read *store;
	const struct fleet_record *rec; /* of the agent that is looked at */
	bool *wrong;                    /* whether anything of it was */
	uint64_t samples, values, told, wrong_values;
	/* Series of the agent, by stream: their ids and places in the mix. */
	unsigned n_ids[BL_STREAMS];
	int64_t id[BL_STREAMS][MIX_SERIES];
	unsigned place[BL_STREAMS][MIX_SERIES];
	/* The stretch that is compared. */
	enum bl_stream stream;
	const struct fleet_ticks *ticks;
	unsigned next[MIX_SERIES];
};

static void
differs(struct check *c, const char *what, double is, double should)
{
	*c->wrong = true;
	if (c->told++ < TOLD_MAX)
		fleet_say(
		    "%s: %s: there is %.17g, sent was %.17g", c->rec->device, what, is, should);
}

/* ---- totals ---- */

static int
check_totals(struct check *c, struct bl_err *err)
{
	struct store_device d;
	const int rc = store_read_device(c->store, c->rec->device, &d, err);

	if (rc == BL_ENOTFOUND)
		memset(&d, 0, sizeof(d));
	else if (rc < 0)
		return rc;
	if (d.samples != c->rec->samples)
		differs(c, "samples", (double)d.samples, (double)c->rec->samples);
	if (d.batches != c->rec->batches)
		differs(c, "batches", (double)d.batches, (double)c->rec->batches);
	if (d.set_aside > 0 || d.unexplained > 0 || d.gaps > 0)
		differs(c, "gaps and messages set aside",
		    (double)(d.set_aside + d.unexplained + d.gaps), 0);
	c->samples += d.samples;
	return BL_OK;
}

/* ---- values ---- */

static bool
is_series(const struct bl_series_def *def, const struct store_series *s)
{
	char labels[BL_NAME_MAX + BL_LABEL_VALUE_MAX + 16] = "{}";

	if (def->name.len != strlen(s->name) || memcmp(def->name.p, s->name, def->name.len) != 0)
		return false;
	if (def->n_labels == 1)
		(void)snprintf(labels, sizeof(labels), "{\"%.*s\":\"%.*s\"}",
		    (int)def->label[0].key.len, def->label[0].key.p, (int)def->label[0].value.len,
		    def->label[0].value.p);
	return strcmp(labels, s->labels_json) == 0;
}

static bool
on_series(void *ctx, const struct store_series *s)
{
	struct bl_series_def def[MIX_SERIES];
	struct check *c = ctx;
	const unsigned i = s->stream - 1u;

	mix_defs(def, c->shape.split);
	for (unsigned k = 0; k < MIX_SERIES && c->n_ids[i] < MIX_SERIES; k++)
		if (def[k].stream == s->stream && is_series(&def[k], s)) {
			c->id[i][c->n_ids[i]] = s->id;
			c->place[i][c->n_ids[i]++] = k;
		}
	return true;
}

static bool
on_sample(void *ctx, const struct store_log_sample *s)
{
	struct check *c = ctx;
	const unsigned i = c->stream - 1u;
	const unsigned place = c->place[i][s->series], k = c->next[place]++;

	c->values++;
	if (k < c->ticks->n && s->unix_ms == c->ticks->at_ms[k] + c->rec->offset_ms &&
	    s->unknown == BL_KNOWN && s->thin.count <= 1 &&
	    memcmp(&s->value, &c->ticks->value[k][place], sizeof(s->value)) == 0)
		return true;
	differs(c, "a value", s->value, k < c->ticks->n ? c->ticks->value[k][place] : 0);
	c->wrong_values++;
	return true;
}

/* All ticks of a stretch of boot time, in every stream. */
static int
check_stretch(struct check *c, const struct fleet_ticks *t, int64_t from_ms, int64_t to_ms,
    struct bl_err *err)
{
	int rc = BL_OK;

	c->ticks = t;
	for (unsigned i = 0; i < BL_STREAMS && rc == BL_OK; i++) {
		c->stream = (enum bl_stream)(i + 1);
		memset(c->next, 0, sizeof(c->next));
		if (c->n_ids[i] == 0)
			continue;
		rc = store_log_samples(c->store, c->rec->device, c->stream, c->id[i], c->n_ids[i],
		    from_ms + c->rec->offset_ms, to_ms + c->rec->offset_ms, on_sample, c, err);
		for (unsigned k = 0; k < c->n_ids[i] && rc == BL_OK; k++) {
			const unsigned got = c->next[c->place[i][k]];

			if (got < t->n) {
				differs(c, "samples of a series", got, t->n);
				c->wrong_values += t->n - got;
			}
		}
	}
	return rc;
}

static int
check_past(struct check *c, struct fleet_ticks *t, struct bl_err *err)
{
	const unsigned n = fleet_ticks_in(&c->shape, 0, c->shape.past_cut_ms);
	struct mix m;
	int rc = BL_OK;

	fleet_past_mix(&c->shape, c->rec->agent, &m);
	for (unsigned h = 0; h < c->shape.past_batches && rc == BL_OK; h++) {
		const int64_t from = FLEET_BOOT_MS + h * c->shape.past_cut_ms;

		fleet_ticks_make(&m, &c->shape, from, n, t);
		rc = check_stretch(c, t, from, from + c->shape.past_cut_ms, err);
	}
	return rc;
}

static int
check_live(struct check *c, struct fleet_ticks *t, struct bl_err *err)
{
	int64_t from = c->rec->live_begin_ms;
	struct mix m;
	int rc = BL_OK;

	fleet_live_mix(&c->shape, c->rec->agent, &m);
	for (uint64_t left = c->rec->live_ticks; left > 0 && rc == BL_OK; left -= t->n) {
		int64_t to;

		fleet_ticks_make(&m, &c->shape, from,
		    left < FLEET_TICKS_MAX ? (unsigned)left : FLEET_TICKS_MAX, t);
		to = from + (int64_t)t->n * c->shape.tick_ms;
		rc = check_stretch(c, t, from, to, err);
		from = to;
	}
	return rc;
}

static int
check_values(struct check *c, struct bl_err *err)
{
	static struct fleet_ticks t; /* half a MiB */
	int rc;

	memset(c->n_ids, 0, sizeof(c->n_ids));
	rc = store_read_series(c->store, c->rec->device, on_series, c, err);
	if (rc == BL_OK &&
	    c->n_ids[0] + c->n_ids[1] + c->n_ids[2] != (c->rec->samples > 0 ? MIX_SERIES : 0)) {
		differs(c, "series", c->n_ids[0] + c->n_ids[1] + c->n_ids[2], MIX_SERIES);
		c->wrong_values++;
	}
	if (rc == BL_OK)
		rc = check_past(c, &t, err);
	if (rc == BL_OK)
		rc = check_live(c, &t, err);
	return rc;
}

/* ---- all ---- */

static int
check_all(
    struct check *c, const struct fleet_record *rec, size_t n, bool *wrong, struct bl_err *err)
{
	const size_t sample = c->o->sample < n ? c->o->sample : n;
	int rc = BL_OK;

	for (size_t i = 0; i < n && rc == BL_OK; i++) {
		c->rec = &rec[i];
		c->wrong = &wrong[i];
		rc = check_totals(c, err);
	}
	/* Spread evenly, the first and the last among them. */
	for (size_t k = 0; k < sample && rc == BL_OK; k++) {
		const size_t i = sample == 1 ? 0 : k * (n - 1) / (sample - 1);

		c->rec = &rec[i];
		c->wrong = &wrong[i];
		rc = check_values(c, err);
	}
	return rc;
}

/* How many agents anything was wrong of. */
static size_t
print(const struct check *c, const bool *wrong, size_t n)
{
	size_t agents = 0;

	for (size_t i = 0; i < n; i++)
		agents += wrong[i];
	(void)printf("fleet_check_agents %zu\nfleet_check_samples %" PRIu64
		     "\nfleet_check_values %" PRIu64 "\nfleet_check_wrong_agents %zu"
		     "\nfleet_check_wrong_values %" PRIu64 "\n",
	    n, c->samples, c->values, agents, c->wrong_values);
	return agents;
}

int
fleet_check(const struct fleet_opts *o)
{
	static bool wrong[FLEET_AGENTS_MAX];
	struct check *c = calloc(1, sizeof(*c));
	struct fleet_record *rec = NULL;
	struct bl_err err = { 0 };
	size_t n = 0;
	int rc;

	if (c == NULL)
		return 1;
	c->o = o;
	if ((rc = fleet_record_read(o->record, &c->shape, &rec, &n, &err)) == BL_OK &&
	    (rc = store_read_open(&c->store, o->store, bl_clock_real(), &err)) == BL_OK)
		rc = check_all(c, rec, n, wrong, &err);
	if (rc < 0)
		fleet_say("%s", err.msg);
	else if (print(c, wrong, n) > 0)
		rc = BL_ECORRUPT;
	store_read_close(c->store);
	free(rec);
	free(c);
	return rc < 0 ? 1 : 0;
}
