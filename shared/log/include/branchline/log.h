/*
 * Log lines on standard error: "<6>info  module: sentence key=value".
 *
 * The "<N>" journal priority stands only when standard error is not a terminal
 * and the environment says journal or BL_LOG_PREFIX=1.  BL_LOG_TIME=1 puts the
 * UTC time before the level, for output that goes to a file.  No files and no
 * rotation: that is the service manager's work.  Any thread; one write(2) a
 * line.  Payloads, passwords, tokens and full URLs with queries do not belong
 * here.  Info is a change of state that an operator would act on or date;
 * anything per sample or per batch is debug.
 */
#ifndef BRANCHLINE_LOG_H
#define BRANCHLINE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum bl_log_level { BL_LOG_ERROR = 3, BL_LOG_WARN = 4, BL_LOG_INFO = 6, BL_LOG_DEBUG = 7 };

/* Lines above this level are dropped; BL_LOG_INFO at first.  Any thread. */
void bl_log_level_set(enum bl_log_level level);

/* "error", "warn", "info", "debug".  False: no such level, nothing changed. */
bool bl_log_level_parse(const char *name, enum bl_log_level *out);

void bl_log(enum bl_log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define bl_error(module, ...) bl_log(BL_LOG_ERROR, module, __VA_ARGS__)
#define bl_warn(module, ...)  bl_log(BL_LOG_WARN, module, __VA_ARGS__)
#define bl_info(module, ...)  bl_log(BL_LOG_INFO, module, __VA_ARGS__)
#define bl_debug(module, ...) bl_log(BL_LOG_DEBUG, module, __VA_ARGS__)

/*
 * Rate limit for a line that could repeat: zero-initialise one, keep it in the
 * owning object, call before logging.  At most one line an interval passes;
 * *suppressed tells how many were swallowed since the last that passed.
 * The caller serialises access.
 */
struct bl_log_limit {
	int64_t next_mono_ms;
	unsigned swallowed;
};

bool bl_log_allow(struct bl_log_limit *limit, int64_t now_mono_ms, int64_t interval_ms,
    unsigned *suppressed);

#endif
