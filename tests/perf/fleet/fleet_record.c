/* See fleet_record.h. */
#include "fleet_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int
fleet_record_write(const char *path, const struct fleet_shape *shape, const struct fleet_record *r,
    size_t n, struct bl_err *err)
{
	FILE *f = fopen(path, "w");
	bool failed;

	if (f == NULL)
		return bl_fail_errno(err, BL_EIO, "write %s", path);
	(void)fprintf(f, "shape %" PRIu64 " %" PRId64 " %" PRId64 " %u %" PRId64 " %u %d %d\n",
	    shape->seed, shape->tick_ms, shape->cut_ms, shape->past_batches, shape->past_cut_ms,
	    shape->variants, shape->split, shape->quiet);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f,
		    "agent %u %s %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		    r[i].agent, r[i].device, r[i].offset_ms, r[i].live_begin_ms, r[i].live_ticks,
		    r[i].batches, r[i].samples);
	failed = ferror(f) != 0;
	if (fclose(f) != 0 || failed)
		return bl_fail_errno(err, BL_EIO, "write %s", path);
	return BL_OK;
}

static bool
read_shape(FILE *f, struct fleet_shape *s)
{
	int split, quiet;

	if (fscanf(f, "shape %" SCNu64 " %" SCNd64 " %" SCNd64 " %u %" SCNd64 " %u %d %d\n",
		&s->seed, &s->tick_ms, &s->cut_ms, &s->past_batches, &s->past_cut_ms, &s->variants,
		&split, &quiet) != 8)
		return false;
	s->split = split != 0;
	s->quiet = quiet != 0;
	return s->variants > 0 && s->tick_ms > 0;
}

static bool
read_agent(FILE *f, struct fleet_record *r)
{
	return fscanf(f,
		   "agent %u %63s %" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "\n",
		   &r->agent, r->device, &r->offset_ms, &r->live_begin_ms, &r->live_ticks,
		   &r->batches, &r->samples) == 7;
}

int
fleet_record_read(const char *path, struct fleet_shape *shape, struct fleet_record **r, size_t *n,
    struct bl_err *err)
{
	FILE *f = fopen(path, "r");
	bool whole;

	*n = 0;
	*r = NULL;
	if (f == NULL)
		return bl_fail_errno(err, BL_ENOTFOUND, "read %s", path);
	if ((*r = calloc(FLEET_AGENTS_MAX, sizeof(**r))) == NULL) {
		(void)fclose(f);
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	}
	whole = read_shape(f, shape);
	while (whole && *n < FLEET_AGENTS_MAX && read_agent(f, &(*r)[*n]))
		(*n)++;
	whole = whole && feof(f) != 0;
	(void)fclose(f);
	if (whole)
		return BL_OK;
	free(*r);
	*r = NULL;
	*n = 0;
	return bl_fail(err, BL_ECORRUPT, "%s: not what fleet run writes", path);
}
