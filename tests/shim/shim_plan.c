/* Chance, counters and the plan of faults. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "shim_internal.h"

static struct {
	uint64_t rng;
	uint64_t ops; /* since installed */
	struct shim_plan plan;
	uint64_t seen; /* operations that the plan's kind may hit, since it was set */
	bool fired;
	char fired_at[512];
	bool off;
	char off_below[512];
} g;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
shim_enter(void)
{
	(void)pthread_mutex_lock(&lock);
}

void
shim_leave(void)
{
	(void)pthread_mutex_unlock(&lock);
}

/* splitmix64 */
static uint64_t
next_random(void)
{
	uint64_t z = g.rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t
shim_random(uint64_t below)
{
	return next_random() % below;
}

void
shim_random_bytes(void *out, int n)
{
	unsigned char *p = out;

	for (int i = 0; i < n; i++)
		p[i] = (unsigned char)next_random();
}

void
shim_restart(uint64_t seed)
{
	memset(&g, 0, sizeof(g));
	g.rng = seed;
}

void
shim_plan(const struct shim_plan *p)
{
	shim_enter();
	g.plan = p != NULL ? *p : (struct shim_plan){ .kind = SHIM_NONE };
	if (g.plan.count == 0)
		g.plan.count = 1;
	g.seen = 0;
	g.fired = false;
	g.fired_at[0] = '\0';
	shim_leave();
}

bool
shim_fired(void)
{
	bool yes;

	shim_enter();
	yes = g.fired;
	shim_leave();
	return yes;
}

const char *
shim_fired_at(void)
{
	return g.fired_at;
}

uint64_t
shim_ops(void)
{
	uint64_t n;

	shim_enter();
	n = g.ops;
	shim_leave();
	return n;
}

bool
shim_power_is_off(void)
{
	bool yes;

	shim_enter();
	yes = g.off;
	shim_leave();
	return yes;
}

static unsigned
hits(enum shim_fault kind)
{
	static const unsigned mask[SHIM_FAULTS] = {
		[SHIM_EIO] = OP_WRITE | OP_TRUNCATE | OP_DELETE | OP_CREATE,
		[SHIM_ENOSPC] = OP_WRITE | OP_CREATE,
		[SHIM_SYNC_EIO] = OP_SYNC,
		[SHIM_READ_EIO] = OP_READ,
		[SHIM_SYNC_LIES] = OP_SYNC,
		[SHIM_CUT] = OP_WRITE | OP_SYNC | OP_TRUNCATE | OP_DELETE | OP_CREATE,
		[SHIM_TEAR] = OP_WRITE,
	};

	return mask[kind];
}

const char *
shim_fault_name(enum shim_fault kind)
{
	static const char *const name[SHIM_FAULTS] = { "none", "EIO", "ENOSPC", "sync EIO",
		"read EIO", "lying sync", "power cut", "torn write" };

	return name[kind];
}

const char *
shim_loss_name(enum shim_loss how)
{
	static const char *const name[SHIM_LOSSES] = { "all unsynced lost", "some unsynced lost",
		"some torn", "nothing lost" };

	return name[how];
}

static const char *
op_name(enum shim_op op)
{
	switch (op) {
	case OP_WRITE:
		return "write to";
	case OP_SYNC:
		return "sync of";
	case OP_TRUNCATE:
		return "truncate of";
	case OP_DELETE:
		return "deletion of";
	case OP_CREATE:
		return "making of";
	case OP_READ:
		break;
	}
	return "read of";
}

static bool
begins(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

static bool
ends(const char *path, const char *with)
{
	const size_t n = strlen(path), m = strlen(with);

	return n >= m && strcmp(path + n - m, with) == 0;
}

bool
shim_is_off(const char *path)
{
	return g.off && begins(path, g.off_below);
}

void
shim_turn_on(void)
{
	g.off = false;
}

static void
turn_off(const char *below)
{
	g.off = true;
	(void)snprintf(g.off_below, sizeof(g.off_below), "%s", below != NULL ? below : "");
}

void
shim_power_off(const char *path_prefix)
{
	shim_enter();
	turn_off(path_prefix);
	shim_leave();
}

enum shim_fault
shim_meets(enum shim_op op, const char *path)
{
	const struct shim_plan *p = &g.plan;

	if (op != OP_READ)
		g.ops++;
	if ((hits(p->kind) & op) == 0 || (p->below != NULL && !begins(path, p->below)) ||
	    (p->suffix != NULL && !ends(path, p->suffix)))
		return SHIM_NONE;
	g.seen++;
	if (g.seen < p->at_op || g.seen - p->at_op >= p->count)
		return SHIM_NONE;
	if (!g.fired)
		(void)snprintf(g.fired_at, sizeof(g.fired_at), "%s %s", op_name(op), path);
	g.fired = true;
	if (p->kind == SHIM_CUT || p->kind == SHIM_TEAR)
		turn_off(p->below);
	return p->kind;
}
