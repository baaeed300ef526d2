#include "nomem.h"

#include <stdatomic.h>
#include <stddef.h>

/* Threads of the program under test allocate too. */
static atomic_uint asked;
static atomic_uint fail_at; /* a count of `asked`; 0: none */
static atomic_bool fired;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);

void
nomem_arm(unsigned nth)
{
	fired = false;
	fail_at = asked + nth;
}

bool
nomem_disarm(void)
{
	fail_at = 0;
	return fired;
}

unsigned
nomem_asked(void)
{
	return asked;
}

static bool
fails(void)
{
	if (atomic_fetch_add(&asked, 1) + 1 != fail_at)
		return false;
	fired = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}
