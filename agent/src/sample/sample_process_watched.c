/*
 * What is remembered of one watched name between two walks.  Pure.
 *
 * CPU time is what its processes used since the agent began to watch: each
 * is followed by pid and start time, so that one that ends takes nothing away
 * and another one under the same pid adds nothing that it did not use.  What a
 * process used between the last walk and its end is not seen.
 *
 * A restart is another oldest process than before.  Workers that come and go
 * below a process that stays are none.
 */
#include "sample_process_internal.h"

#include <string.h>

void
process_watched_begin(struct process_watched *w)
{
	w->count = 0;
	w->resident_pages = 0;
	w->oldest_ticks = UINT64_MAX;
	w->untracked = false;
	for (unsigned i = 0; i < w->n; i++)
		w->tracked[i].seen = false;
}

static struct process_tracked *
tracked(struct process_watched *w, const struct process *p)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->tracked[i].pid == p->pid && w->tracked[i].start_ticks == p->start_ticks)
			return &w->tracked[i];
	return NULL;
}

void
process_watched_see(struct process_watched *w, const struct process *p)
{
	struct process_tracked *t = tracked(w, p);

	if (p->state == PROCESS_ZOMBIE)
		return; /* ended: only its parent does not know yet */
	w->count++;
	w->resident_pages += p->resident_pages;
	if (p->start_ticks < w->oldest_ticks)
		w->oldest_ticks = p->start_ticks;
	if (t == NULL && w->n == PROCESS_TRACKED) {
		w->untracked = true;
		return;
	}
	if (t == NULL) {
		t = &w->tracked[w->n++];
		/* What it used before the agent looked for the first time is not counted. */
		*t = (struct process_tracked){ p->pid, p->start_ticks, w->begun ? 0 : p->cpu_ticks,
			true };
	}
	t->seen = true;
	if (p->cpu_ticks > t->cpu_ticks)
		w->cpu_ticks += p->cpu_ticks - t->cpu_ticks;
	t->cpu_ticks = p->cpu_ticks;
}

void
process_watched_end(struct process_watched *w)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < w->n; i++)
		if (w->tracked[i].seen)
			w->tracked[kept++] = w->tracked[i];
	w->n = kept;
	w->begun = true;
	if (w->count == 0)
		return;
	w->restarts += w->known && w->oldest_ticks > w->known_oldest_ticks;
	w->known = true;
	w->known_oldest_ticks = w->oldest_ticks;
}
