/* The ceiling of memory; see agent_memory.h. */
#include "agent_memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef BL_SANITIZED
#define CAN_LIMIT false
#else
#define CAN_LIMIT true
#endif

void
memory_stacks(void)
{
	pthread_attr_t attr;

	if (!CAN_LIMIT || pthread_attr_init(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, MEMORY_STACK_BYTES) == 0)
		(void)pthread_setattr_default_np(&attr); /* else the default: only bigger */
	(void)pthread_attr_destroy(&attr);
}

/* The soft limit that the process was started with. */
static rlim_t
started_with(rlim_t now)
{
	static rlim_t first;
	static bool known;

	if (!known)
		first = now;
	known = true;
	return first;
}

int
memory_ceiling(struct memory *m, int64_t bytes, struct bl_err *err)
{
	struct rlimit rl;

	if (!CAN_LIMIT)
		return BL_OK;
	if (getrlimit(RLIMIT_DATA, &rl) != 0)
		return bl_fail_errno(err, BL_EIO, "ask for the limit of memory");
	rl.rlim_cur = started_with(rl.rlim_cur);
	/* "Unlimited" is the greatest of its numbers; on 32-bit machines a greater one stays that.
	 */
	if (bytes > 0 && (uint64_t)bytes < rl.rlim_cur)
		rl.rlim_cur = (rlim_t)bytes;
	if (setrlimit(RLIMIT_DATA, &rl) != 0)
		return bl_fail_errno(
		    err, BL_EIO, "limit memory to %llu bytes", (unsigned long long)rl.rlim_cur);
	memory_look(m);
	return BL_OK;
}

void
memory_look(struct memory *m)
{
	struct rlimit rl;

	m->ceiling_bytes =
	    !CAN_LIMIT || getrlimit(RLIMIT_DATA, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY
		? 0
		: rl.rlim_cur;
}

uint64_t
memory_used(void)
{
	unsigned long long resident, data;
	char text[128];
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* size resident shared text lib data, in pages */
	if (sscanf(text, "%*u %llu %*u %*u %*u %llu", &resident, &data) != 2)
		return 0;
	return (resident > data ? resident : data) * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned
memory_pct(const struct memory *m)
{
	return m->ceiling_bytes == 0 ? 0 : (unsigned)(m->used_bytes * 100 / m->ceiling_bytes);
}

bool
memory_judge(struct memory *m, uint64_t used_bytes, int64_t mono_ms)
{
	m->used_bytes = used_bytes;
	if (memory_pct(m) < MEMORY_LOW_PCT)
		m->high = false;
	if (memory_pct(m) < MEMORY_HIGH_PCT ||
	    (m->high && mono_ms - m->relieved_mono_ms < MEMORY_AGAIN_MS))
		return false;
	m->high = true;
	m->relieved++;
	m->relieved_mono_ms = mono_ms;
	return true;
}

void
memory_failed(struct memory *m, uint64_t n, int64_t mono_ms)
{
	m->failed += n;
	m->failed_mono_ms = mono_ms;
}

bool
memory_short(const struct memory *m, int64_t mono_ms)
{
	return m->failed > 0 && mono_ms - m->failed_mono_ms < MEMORY_FAILED_MS;
}
