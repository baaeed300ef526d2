/* See alloc_faults.h.  One thread. */
#include "alloc_faults.h"

#include <assert.h>
#include <stddef.h>

#include <sqlite3.h>

#include "nomem.h"

static struct {
	enum alloc_kind kind;
	unsigned nth, used; /* inside spans */
	unsigned sqlite_asked;
	bool inside, fired;
	unsigned asked_at_enter;
} g;

static sqlite3_mem_methods real;

static bool
sqlite_fails(void)
{
	if (!g.inside || g.kind != ALLOC_SQLITE || g.nth == 0)
		return false;
	if (++g.used != g.nth)
		return false;
	g.fired = true;
	return true;
}

static void *
sqlite_malloc(int n)
{
	return sqlite_fails() ? NULL : real.xMalloc(n);
}

static void *
sqlite_realloc(void *p, int n)
{
	return sqlite_fails() ? NULL : real.xRealloc(p, n);
}

void
alloc_faults_install(void)
{
	sqlite3_mem_methods m;
	int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);

	assert(rc == SQLITE_OK);
	m = real;
	m.xMalloc = sqlite_malloc;
	m.xRealloc = sqlite_realloc;
	rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &m);
	assert(rc == SQLITE_OK);
	(void)rc;
}

void
alloc_plan(enum alloc_kind kind, unsigned nth)
{
	g.kind = kind;
	g.nth = nth;
	g.used = 0;
	g.fired = false;
}

bool
alloc_fired(void)
{
	return g.fired;
}

void
alloc_enter(void)
{
	g.inside = true;
	if (g.kind != ALLOC_OURS || g.nth == 0 || g.fired)
		return;
	g.asked_at_enter = nomem_asked();
	nomem_arm(g.nth - g.used);
}

void
alloc_leave(void)
{
	g.inside = false;
	if (g.kind != ALLOC_OURS || g.nth == 0 || g.fired)
		return;
	g.fired = nomem_disarm();
	g.used += nomem_asked() - g.asked_at_enter;
}
