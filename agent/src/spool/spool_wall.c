/*
 * How old is what was stamped with the wall clock, when that clock was set meanwhile?
 *
 * A machine that begins in 1970 and hears the time later would take an event id
 * of a minute ago for 56 years old.  So steps forward of this process are
 * remembered as long as it takes for what was stamped before to grow old by
 * boot time.  After a step back stamps lie ahead and are not old: they stay
 * longer than they must.
 */
#include "spool_internal.h"

#define STEP_MS 60000 /* less makes no difference to hours */

void
wall_look(struct spool *s)
{
	const int64_t boot_ms = bl_boot_ms(s->clock);
	const int64_t offset = bl_unix_ms(s->clock) - boot_ms;
	const unsigned size = sizeof(s->wall.step) / sizeof(s->wall.step[0]);

	if (s->wall.looked && offset - s->wall.offset_ms > STEP_MS)
		s->wall.step[s->wall.n++ % size] =
		    (struct spool_wall_step){ boot_ms, boot_ms + s->wall.offset_ms };
	s->wall.offset_ms = offset;
	s->wall.looked = true;
}

static unsigned
steps(const struct spool *s)
{
	const unsigned size = sizeof(s->wall.step) / sizeof(s->wall.step[0]);

	return s->wall.n < size ? s->wall.n : size;
}

bool
wall_older(struct spool *s, int64_t stamp_unix_ms, int64_t age_ms)
{
	wall_look(s);
	if (stamp_unix_ms >= bl_unix_ms(s->clock) - age_ms)
		return false;
	for (unsigned i = 0; i < steps(s); i++) {
		const struct spool_wall_step *w = &s->wall.step[i];

		if (stamp_unix_ms <= w->before_unix_ms &&
		    w->before_unix_ms - stamp_unix_ms + bl_boot_ms(s->clock) - w->boot_ms < age_ms)
			return false;
	}
	return true;
}

bool
wall_set_within(struct spool *s, int64_t age_ms)
{
	bool any = false;

	wall_look(s);
	for (unsigned i = 0; i < steps(s); i++)
		any = any || bl_boot_ms(s->clock) - s->wall.step[i].boot_ms < age_ms;
	return any;
}
