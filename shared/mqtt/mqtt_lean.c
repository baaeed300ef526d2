/*
 * What Paho does at the begin and end of every function and around every allocation, done
 * without its tracing: Debian's archive notes the names of all functions on a stack of its
 * own and every piece of memory in a tree under a lock, for a trace that nobody can switch
 * on here.  It took a third of the time that Paho spends on a message.
 *
 * Paho has the same when it is built with HIGH_PERFORMANCE.  paho_link.cmake makes the
 * archive's own ones weak and checks that they are there; these are linked instead.  Any
 * thread.
 */
#include <stdlib.h>

#include "mqtt_internal.h"

void StackTrace_entry(const char *name, int line, int trace);
void StackTrace_exit(const char *name, int line, void *rc, int trace);
void *mymalloc(const char *file, int line, size_t size);
void *myrealloc(const char *file, int line, void *p, size_t size);
void myfree(const char *file, int line, void *p);

void
mqtt_lean(void)
{
}

void
StackTrace_entry(const char *name, int line, int trace)
{
	(void)name;
	(void)line;
	(void)trace;
}

void
StackTrace_exit(const char *name, int line, void *rc, int trace)
{
	(void)name;
	(void)line;
	(void)rc;
	(void)trace;
}

void *
mymalloc(const char *file, int line, size_t size)
{
	(void)file;
	(void)line;
	return malloc(size);
}

void *
myrealloc(const char *file, int line, void *p, size_t size)
{
	(void)file;
	(void)line;
	return realloc(p, size);
}

void
myfree(const char *file, int line, void *p)
{
	(void)file;
	(void)line;
	free(p);
}
