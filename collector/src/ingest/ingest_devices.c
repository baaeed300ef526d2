/*
 * The devices that have been heard of since the start: what the device table
 * says of each (looked up again when it changed), and who shares the credit.
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
	if (d->backlog) {
		d->backlog = false;
		c->n_backlog--;
	}
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
			free(d);
		}
}

void
ingest_backlog_seen(struct ingest_core *c, struct device *d)
{
	d->last_past_mono_ms = bl_mono_ms(c->clock);
	if (!d->backlog) {
		d->backlog = true;
		c->n_backlog++;
	}
}

void
ingest_backlog_sweep(struct ingest_core *c)
{
	const int64_t now = bl_mono_ms(c->clock);

	if (now < c->next_sweep_mono_ms)
		return;
	c->next_sweep_mono_ms = now + 1000;
	for (unsigned b = 0; b < c->n_buckets && c->n_backlog > 0; b++)
		for (struct device *d = c->bucket[b]; d != NULL; d = d->next)
			if (d->backlog && now - d->last_past_mono_ms > PAST_ACTIVE_MS) {
				d->backlog = false;
				c->n_backlog--;
			}
}

/*
 * Each device with a backlog gets the same share; the least is 4 KiB/s, so that
 * a crowd still moves (10,000 of them would then ask for ten times the total,
 * which the bounded queues and the agents' windows bring down).
 */
uint32_t
ingest_credit(const struct ingest_core *c)
{
	const int64_t n = c->n_backlog > 0 ? c->n_backlog : 1;
	const int64_t share = c->opts.credit_bytes_per_s / n;

	if (share < 4096)
		return 4096;
	return share > UINT32_MAX ? UINT32_MAX : (uint32_t)share;
}
