/*
 * The devices that have been heard of since the start: what the device table
 * says of each (looked up again when it changed), and where each is found.
 *
 * Devices that do not exist are not remembered, so names made up by a sender
 * cost a look-up each and no memory.
 */
#include <stdlib.h>
#include <string.h>

#include "ingest_internal.h"

static unsigned
bucket_of(const struct ingest_core *c, const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h % c->n_buckets;
}

static void
forget(struct ingest_core *c, struct device *d)
{
	d->known = false;
	ingest_backlog_forget(c, d);
}

int
ingest_device(struct ingest_core *c, const char *name, struct device **out, struct bl_err *err)
{
	const unsigned b = bucket_of(c, name);
	struct ingest_device info = { 0 };
	struct device *d = c->bucket[b];
	int rc;

	*out = NULL;
	while (d != NULL && strcmp(d->name, name) != 0)
		d = d->next;
	if (d != NULL && d->generation == c->generation) {
		*out = d;
		return d->known ? 1 : 0;
	}
	if ((rc = c->opts.lookup(c->opts.lookup_ctx, name, &info, err)) < 0)
		return rc;
	if (d == NULL) {
		if (rc == 0)
			return 0;
		if (c->n_devices >= c->opts.devices_max)
			return bl_fail(err, BL_EFULL, "more than %u devices", c->opts.devices_max);
		if ((d = calloc(1, sizeof(*d))) == NULL)
			return bl_fail(err, BL_ENOMEM, "out of memory");
		memcpy(d->name, name, strlen(name) + 1);
		d->last_receipt_mono_ms = d->last_answer_mono_ms = INT64_MIN / 2;
		d->last_question_mono_ms = d->last_past_mono_ms = INT64_MIN / 2;
		d->next = c->bucket[b];
		c->bucket[b] = d;
		c->n_devices++;
	}
	d->generation = c->generation;
	d->info = info;
	d->known = rc == 1;
	if (!d->known)
		forget(c, d);
	*out = d;
	return rc;
}

void
ingest_devices_free(struct ingest_core *c)
{
	for (unsigned b = 0; c->bucket != NULL && b < c->n_buckets; b++)
		while (c->bucket[b] != NULL) {
			struct device *d = c->bucket[b];

			c->bucket[b] = d->next;
			for (unsigned k = 0; k < d->n_owed; k++)
				ingest_owed_clear(&d->owed[k]);
			ingest_identity_free(d);
			free(d);
		}
}
