/* Log lines; see the header.  The level is the one mutable global. */
#include "branchline/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int log_level = BL_LOG_INFO;

static const struct {
	enum bl_log_level level;
	const char *name;
} log_names[] = {
	{ BL_LOG_ERROR, "error" },
	{ BL_LOG_WARN, "warn" },
	{ BL_LOG_INFO, "info" },
	{ BL_LOG_DEBUG, "debug" },
};

void
bl_log_level_set(enum bl_log_level level)
{
	atomic_store(&log_level, (int)level);
}

bool
bl_log_level_parse(const char *name, enum bl_log_level *out)
{
	for (size_t i = 0; i < sizeof(log_names) / sizeof(log_names[0]); i++) {
		if (strcmp(name, log_names[i].name) == 0) {
			*out = log_names[i].level;
			return true;
		}
	}
	return false;
}

static const char *
level_name(enum bl_log_level level)
{
	for (size_t i = 0; i < sizeof(log_names) / sizeof(log_names[0]); i++)
		if (log_names[i].level == level)
			return log_names[i].name;
	return "info";
}

static bool
wants_prefix(void)
{
	return (getenv("JOURNAL_STREAM") != NULL || getenv("BL_LOG_PREFIX") != NULL) &&
	       isatty(STDERR_FILENO) == 0;
}

/* "2026-11-22T10:34:32.123Z " where whoever keeps the lines adds no time of their own. */
static size_t
put_time(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	if (getenv("BL_LOG_TIME") == NULL || clock_gettime(CLOCK_REALTIME, &now) != 0 ||
	    gmtime_r(&now.tv_sec, &tm) == NULL ||
	    (n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm)) == 0)
		return 0;
	return n + (size_t)snprintf(out + n, size - n, ".%03dZ ", (int)(now.tv_nsec / 1000000));
}

/* Control characters from outside must not forge a second line or move the cursor. */
static void
flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

void
bl_log(enum bl_log_level level, const char *module, const char *fmt, ...)
{
	char line[1024];
	size_t used = 0;
	va_list ap;
	int n;

	if ((int)level > atomic_load(&log_level))
		return;
	if (wants_prefix())
		used = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	used += put_time(line + used, sizeof(line) - used);
	used += (size_t)snprintf(
	    line + used, sizeof(line) - used, "%-5s %s: ", level_name(level), module);
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	flatten(line);
	used = strlen(line);
	line[used++] = '\n';
	/* Nobody to tell when standard error itself fails. */
	(void)!write(STDERR_FILENO, line, used);
}

bool
bl_log_allow(
    struct bl_log_limit *limit, int64_t now_mono_ms, int64_t interval_ms, unsigned *suppressed)
{
	if (limit->next_mono_ms != 0 && now_mono_ms < limit->next_mono_ms) {
		limit->swallowed++;
		return false;
	}
	*suppressed = limit->swallowed;
	limit->swallowed = 0;
	limit->next_mono_ms = now_mono_ms + interval_ms;
	return true;
}
