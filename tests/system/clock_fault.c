/*
 * Preloaded into an agent: a wall clock that stands where the test says, at the
 * speed it says, disciplined or not; and a boot clock that jumps ahead, as after
 * suspend.  The monotonic clock stays what it is.
 *
 * BL_CLOCK_FAULT names a file of struct fault, mapped here and changed by the
 * test at will.  Seconds come from the same place for every call, so that no part
 * of the agent sees another clock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

struct fault {
	int64_t unix_ms;     /* wall time ... */
	int64_t at_mono_ms;  /* ... at this monotonic time */
	int64_t speed_pct;   /* 100: as it should; 0: it stands */
	int64_t boot_add_ms; /* slept so long */
	int64_t synced;
};

static const volatile struct fault *fault;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void
map_file(void)
{
	const char *path = getenv("BL_CLOCK_FAULT");
	const int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	*(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*fault), PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	fault = p == MAP_FAILED ? NULL : p;
}

static int64_t
ms_of(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
}

static void
set(struct timespec *ts, int64_t ms)
{
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	struct timespec mono;
	int rc;

	if (real_gettime == NULL) /* before the constructor ran */
		*(void **)&real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	if ((rc = real_gettime(id, ts)) != 0 || fault == NULL)
		return rc;
	if (id == CLOCK_BOOTTIME) {
		set(ts, ms_of(ts) + fault->boot_add_ms);
	} else if (id == CLOCK_REALTIME) {
		(void)real_gettime(CLOCK_MONOTONIC, &mono);
		set(ts,
		    fault->unix_ms + (ms_of(&mono) - fault->at_mono_ms) * fault->speed_pct / 100);
	}
	return 0;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *tv, void *zone)
{
	struct timespec ts;

	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

int
adjtimex(struct timex *tx)
{
	tx->status = fault != NULL && fault->synced != 0 ? 0 : STA_UNSYNC;
	return tx->status == 0 ? TIME_OK : TIME_ERROR;
}
