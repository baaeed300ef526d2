/* The compactor's own thread: steps, and waits between. */
#include "compact_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "branchline/log.h"

#define IDLE_MS  5000  /* a look costs two statements */
#define RETRY_MS 30000 /* after a failure */
#define NICE     5     /* what comes in goes first */

/* False: stop. */
static bool
wait_for(struct compact *c, int64_t ms)
{
	struct timespec until;
	bool go_on;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_mutex_lock(&c->lock);
	while (ms > 0 && !c->stopping)
		if (pthread_cond_timedwait(&c->wake, &c->lock, &until) != 0)
			break;
	go_on = !c->stopping;
	(void)pthread_mutex_unlock(&c->lock);
	return go_on;
}

static void *
run(void *ctx)
{
	struct compact *c = ctx;
	struct bl_log_limit limit = { 0 };
	unsigned swallowed;
	int64_t wait = 0;

	/* Of this thread alone, as Linux has it; refused is no harm. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	while (wait_for(c, wait)) {
		struct bl_err err = { 0 };
		const int rc = compact_step(c, &err);

		wait = rc > 0 ? 0 : rc == 0 ? IDLE_MS : RETRY_MS;
		if (rc < 0 && rc != BL_EBUSY &&
		    bl_log_allow(&limit, bl_mono_ms(c->opts.clock), 60000, &swallowed))
			bl_error("compact", "%s; trying again in %d s suppressed=%u", err.msg,
			    RETRY_MS / 1000, swallowed);
	}
	return NULL;
}

int
compact_start(struct compact *c, struct bl_err *err)
{
	pthread_condattr_t attr;
	int rc;

	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	c->stopping = false;
	if ((rc = pthread_create(&c->thread, NULL, run, c)) != 0) {
		errno = rc;
		return bl_fail_errno(err, BL_ENOMEM, "compact: start a thread");
	}
	c->running = true;
	return BL_OK;
}

void
compact_stop(struct compact *c)
{
	if (c == NULL || !c->running)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->stopping = true;
	(void)pthread_cond_broadcast(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	c->running = false;
}
