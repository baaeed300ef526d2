/*
 * What Paho does at the begin and end of every function, done without its tracing: Debian's archive
 * notes the names of all functions on a stack of its own, for a trace that nobody can switch on
 * here; and it formats a line of that trace for each packet and hands it to nobody.  Paho has the
 * same when it is built with HIGH_PERFORMANCE.  paho_link.cmake sees to it that these are linked.
 * Any thread.
 */
#include "mqtt_internal.h"

void StackTrace_entry(const char *name, int line, int trace);
void StackTrace_exit(const char *name, int line, void *rc, int trace);
void Log(int level, int number, const char *format, ...);

void
mqtt_trace(void)
{
#ifdef BL_PAHO_LEAN
	mqtt_lean();
#endif
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

void
Log(int level, int number, const char *format, ...)
{
	(void)level;
	(void)number;
	(void)format;
}
