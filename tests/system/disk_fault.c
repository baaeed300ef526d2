/*
 * Makes the disk under a real program bad, without root: preloaded, it stands
 * between the program and libc for files below one folder.  What fails, and how,
 * says a small file that the test writes while the program runs (mapped; see
 * support/disk.py).
 *
 * A real `mount -o remount,ro` is refused while files are open for writing;
 * kernels force it after errors, and then writing fails like this.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

/* As in support/disk.py. */
struct control {
	volatile int32_t
	    write_errno; /* writing, truncating, making room, unlinking, renaming; 0: no */
	volatile int32_t open_errno; /* opening for writing, or making */
	volatile int32_t sync_errno; /* the syncs that follow */
	volatile int32_t fail_at;    /* the sync with this number fails, counted from 1; 0: none */
	volatile int32_t every;      /* and every so many after it; 0: that one alone */
	volatile int32_t syncs;      /* counted here */
	volatile int32_t failed;     /* calls that were made to fail */
};

static struct control *control;
static const char *under;

static void *
real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void
begin(void)
{
	const char *name = getenv("BL_DISK_FAULT");
	int fd;

	under = getenv("BL_DISK_FAULT_UNDER");
	if (name == NULL || under == NULL || (fd = open(name, O_RDWR | O_CLOEXEC)) < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		control = NULL;
	(void)close(fd);
}

static int
concerns(const char *path)
{
	return control != NULL && path != NULL && strncmp(path, under, strlen(under)) == 0;
}

static int
concerns_fd(int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (control == NULL)
		return 0;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) <= 0)
		return 0;
	path[n] = '\0';
	return concerns(path);
}

/* 1: the call fails, errno says how. */
static int
fails(int concerned, int32_t how)
{
	if (!concerned || how == 0)
		return 0;
	__atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
	errno = how;
	return 1;
}

static int
writing(int fd)
{
	return fails(concerns_fd(fd), control != NULL ? control->write_errno : 0);
}

static int
changing(const char *path)
{
	return fails(concerns(path), control != NULL ? control->write_errno : 0);
}

static int
opening(const char *path, int flags)
{
	return (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 &&
	       fails(concerns(path), control != NULL ? control->open_errno : 0);
}

static int
syncing(int fd)
{
	int32_t n, at;

	if (!concerns_fd(fd))
		return 0;
	n = __atomic_add_fetch(&control->syncs, 1, __ATOMIC_RELAXED);
	at = control->fail_at;
	if (at > 0 && (n == at || (n > at && control->every > 0 && (n - at) % control->every == 0)))
		return fails(1, EIO);
	return fails(1, control->sync_errno);
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		int (*call)(const char *, int, ...) =                                              \
		    (int (*)(const char *, int, ...))real(#name);                                  \
		mode_t mode = 0;                                                                   \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, flags);                                                               \
		if ((flags & O_CREAT) != 0)                                                        \
			mode = (mode_t)va_arg(ap, int);                                            \
		va_end(ap);                                                                        \
		return opening(path, flags) ? -1 : call(path, flags, mode);                        \
	}

#define PWRITE(name, offset)                                                                       \
	ssize_t name(int fd, const void *p, size_t n, offset at)                                   \
	{                                                                                          \
		ssize_t (*call)(int, const void *, size_t, offset) =                               \
		    (ssize_t(*)(int, const void *, size_t, offset))real(#name);                    \
                                                                                                   \
		return writing(fd) ? -1 : call(fd, p, n, at);                                      \
	}

#define TRUNCATE(name, offset)                                                                     \
	int name(int fd, offset size)                                                              \
	{                                                                                          \
		int (*call)(int, offset) = (int (*)(int, offset))real(#name);                      \
                                                                                                   \
		return writing(fd) ? -1 : call(fd, size);                                          \
	}

#define SYNC(name)                                                                                 \
	int name(int fd)                                                                           \
	{                                                                                          \
		int (*call)(int) = (int (*)(int))real(#name);                                      \
                                                                                                   \
		return syncing(fd) ? -1 : call(fd);                                                \
	}

OPEN(open)
OPEN(open64)
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
SYNC(fsync)
SYNC(fdatasync)

ssize_t
write(int fd, const void *p, size_t n)
{
	ssize_t (*call)(int, const void *, size_t) =
	    (ssize_t(*)(int, const void *, size_t))real("write");

	return writing(fd) ? -1 : call(fd, p, n);
}

int
posix_fallocate(int fd, off_t at, off_t n)
{
	int (*call)(int, off_t, off_t) = (int (*)(int, off_t, off_t))real("posix_fallocate");

	return writing(fd) ? errno : call(fd, at, n);
}

int
unlink(const char *path)
{
	int (*call)(const char *) = (int (*)(const char *))real("unlink");

	return changing(path) ? -1 : call(path);
}

int
rename(const char *from, const char *to)
{
	int (*call)(const char *, const char *) =
	    (int (*)(const char *, const char *))real("rename");

	return changing(to) ? -1 : call(from, to);
}
