/*
 * A disk that takes its time, put before a program by LD_PRELOAD: at each sync a random part of
 * what was written reaches the device at once, the rest when the sync is done, some milliseconds
 * later.
 *
 * Without it a power cut nearly always finds everything synced: between a write and its sync lie
 * microseconds, and a program cannot be stopped inside of either.
 *
 * With BL_SLOW_FILE in the environment a sync takes as many milliseconds as that file says, as
 * long as it is there, and is an ordinary one otherwise: a disk that cannot keep up for a while.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLOW_MS_MOST 24
#define PAGE         4096

typedef int sync_fn(int fd);

/* Some pages, written back in any order as the kernel might; what fails is left to the sync. */
static void
write_back_some(int fd, uint64_t random)
{
	struct stat st;
	int64_t pages, first;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (pages = st.st_size / PAGE) == 0)
		return;
	first = (int64_t)(random % (uint64_t)pages);
	(void)sync_file_range(fd, first * PAGE,
	    (int64_t)(random >> 32) % (pages - first + 1) * PAGE,
	    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

static void
wait_as_told(const char *path)
{
	struct timespec wait = { 0, 0 };
	FILE *f = fopen(path, "re");
	long ms = 0;

	if (f == NULL)
		return;
	if (fscanf(f, "%ld", &ms) == 1 && ms > 0) {
		wait.tv_sec = ms / 1000;
		wait.tv_nsec = ms % 1000 * 1000000;
		(void)nanosleep(&wait, NULL);
	}
	(void)fclose(f);
}

static int
slow(const char *name, int fd)
{
	const char *told = getenv("BL_SLOW_FILE");
	sync_fn *real;
	uint64_t random = 0;
	struct timespec wait = { 0, 0 };

	*(void **)&real = dlsym(RTLD_NEXT, name);
	if (told != NULL) {
		wait_as_told(told);
		return real(fd);
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random)) {
		if (random & 1)
			write_back_some(fd, random >> 1);
		wait.tv_nsec = (long)(random >> 8 & 0xffff) * SLOW_MS_MOST * 1000000 / 0x10000;
		(void)nanosleep(&wait, NULL);
	}
	return real(fd);
}

int
fsync(int fd)
{
	return slow("fsync", fd);
}

int
fdatasync(int fd)
{
	return slow("fdatasync", fd);
}
