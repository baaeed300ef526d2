/*
 * A bounded table of named things that come and go: mounts, disks, interfaces.
 *
 * A thing that vanishes keeps its slot for SAMPLE_GONE_MS and its series are
 * put as unknown; then it is forgotten and its slot is free.  One that comes
 * back within that time goes on where it was; later it is declared anew, which
 * gives the same series.  What finds the table full is counted and put as one
 * series, so that a cap never hides silently.
 */
#include "sample_internal.h"

#include <stdlib.h>
#include <string.h>

int
sample_table_init(struct sample_table *t, unsigned max, const struct sample_spec *spec,
    unsigned n_spec, const struct sample_spec *skipped_spec, struct bl_err *err)
{
	memset(t, 0, sizeof(*t));
	t->slot = calloc(max, sizeof(*t->slot));
	if (t->slot == NULL)
		return bl_fail(err, BL_ENOMEM, "sample: out of memory");
	t->max = max;
	t->spec = spec;
	t->n_spec = n_spec;
	t->skipped_spec = skipped_spec;
	t->skipped_handle = SAMPLE_NEW;
	return BL_OK;
}

void
sample_table_free(struct sample_table *t)
{
	free(t->slot);
	t->slot = NULL;
	t->max = 0;
}

void
sample_table_begin(struct sample_table *t)
{
	t->next = 0;
	t->skipped = 0;
	for (unsigned i = 0; i < t->max; i++)
		t->slot[i].seen = false;
}

struct sample_slot *
sample_table_find(struct sample_table *t, const char *name)
{
	for (unsigned k = 0; k < t->max; k++) {
		const unsigned i = (t->next + k) % t->max;

		if (t->slot[i].name[0] != '\0' && strcmp(t->slot[i].name, name) == 0) {
			t->next = i + 1;
			return &t->slot[i];
		}
	}
	return NULL;
}

static struct sample_slot *
slot_new(struct sample_table *t, const char *name, size_t len)
{
	for (unsigned i = 0; i < t->max; i++) {
		struct sample_slot *slot = &t->slot[i];

		if (slot->name[0] != '\0')
			continue;
		memset(slot, 0, sizeof(*slot));
		memcpy(slot->name, name, len + 1);
		slot->n_series = t->n_spec;
		for (unsigned k = 0; k < SAMPLE_SLOT_SERIES; k++)
			slot->handle[k] = SAMPLE_NEW;
		return slot;
	}
	return NULL;
}

struct sample_slot *
sample_table_take(struct sample_table *t, const char *name)
{
	const size_t len = strlen(name);
	struct sample_slot *slot = NULL;

	if (sample_label_valid(name, len)) {
		slot = sample_table_find(t, name);
		if (slot == NULL)
			slot = slot_new(t, name, len);
	}
	if (slot == NULL) {
		t->skipped++;
		return NULL;
	}
	if (slot->seen) /* twice in one tick: the first counts */
		return NULL;
	slot->seen = true;
	slot->gone = false;
	return slot;
}

void
sample_table_unknown(const struct sample_table *t, struct sample_slot *slot,
    const struct sample_to *to, enum bl_unknown reason)
{
	for (unsigned k = 0; k < slot->n_series; k++)
		sample_put_unknown(to, &slot->handle[k], &t->spec[k], slot->name, reason);
}

void
sample_table_unreadable(struct sample_table *t, const struct sample_to *to)
{
	for (unsigned i = 0; i < t->max; i++)
		if (t->slot[i].name[0] != '\0')
			sample_table_unknown(t, &t->slot[i], to, BL_UNKNOWN_UNREADABLE);
}

static void
vanished(
    struct sample_table *t, struct sample_slot *slot, const struct sample_to *to, int64_t boot_ms)
{
	if (!slot->gone) {
		slot->gone = true;
		slot->gone_boot_ms = boot_ms;
	}
	if (boot_ms - slot->gone_boot_ms >= SAMPLE_GONE_MS) {
		slot->name[0] = '\0';
		return;
	}
	sample_table_unknown(t, slot, to, BL_UNKNOWN_UNREADABLE);
}

void
sample_table_end(struct sample_table *t, const struct sample_to *to, int64_t boot_ms)
{
	for (unsigned i = 0; i < t->max; i++)
		if (t->slot[i].name[0] != '\0' && !t->slot[i].seen)
			vanished(t, &t->slot[i], to, boot_ms);

	sample_put_left_out(to, &t->skipped_handle, t->skipped_spec, t->skipped);
}
