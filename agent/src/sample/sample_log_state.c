/*
 * Where counting stopped, kept from one process to the next in a small file of
 * text: "dev inode offset anchor name<TAB>path" a line.
 *
 * It is written at an orderly end and taken away at the next start: a place
 * from before a crash would count lines twice.
 */
#include "sample_log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_MAX (64 * 1024)
#define STATE_1   "branchline log places 1\n"

static void
take_line(struct sample_scan line, struct log_kept *kept, size_t n)
{
	struct log_place at;
	const char *tab;

	if (!sample_scan_u64(&line, &at.dev) || !sample_scan_u64(&line, &at.ino) ||
	    !sample_scan_u64(&line, &at.offset) || !sample_scan_u64(&line, &at.anchor) ||
	    at.offset > INT64_MAX || !sample_scan_skip(&line, " "))
		return;
	if ((tab = memchr(line.p, '\t', (size_t)(line.end - line.p))) == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		const size_t name = strlen(kept[i].name), path = strlen(kept[i].path);

		if ((size_t)(tab - line.p) != name || memcmp(line.p, kept[i].name, name) != 0 ||
		    (size_t)(line.end - tab - 1) != path ||
		    memcmp(tab + 1, kept[i].path, path) != 0)
			continue;
		kept[i].at = at;
		kept[i].known = true;
	}
}

int
log_state_take(const char *file, struct log_kept *kept, size_t n, struct bl_err *err)
{
	static const size_t head = sizeof(STATE_1) - 1;
	const int fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[STATE_MAX];
	struct sample_scan rest, line;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT ? BL_OK : bl_fail_errno(err, BL_EIO, "logs: read %s", file);
	got = read(fd, text, sizeof(text));
	(void)close(fd);
	/* One that stays would be used again after a crash. */
	if (unlink(file) < 0)
		return bl_fail_errno(err, BL_EIO, "logs: take %s away", file);
	if (got < (ssize_t)head || memcmp(text, STATE_1, head) != 0)
		return bl_fail(err, BL_ECORRUPT, "logs: %s holds no places of logs", file);
	rest = (struct sample_scan){ text + head, text + got };
	while (sample_scan_line(&rest, &line))
		take_line(line, kept, n);
	return BL_OK;
}

static bool
write_lines(FILE *f, const struct log_kept *kept, size_t n)
{
	bool ok = fputs(STATE_1, f) >= 0;

	for (size_t i = 0; ok && i < n; i++)
		ok = !kept[i].known ||
		     fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\t%s\n",
			 kept[i].at.dev, kept[i].at.ino, kept[i].at.offset, kept[i].at.anchor,
			 kept[i].name, kept[i].path) > 0;
	return ok;
}

int
log_state_save(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err)
{
	const int fd =
	    open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool ok;

	if (f == NULL) {
		const int rc = bl_fail_errno(err, BL_EIO, "logs: write %s", file);

		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	ok = write_lines(f, kept, n);
	ok = fclose(f) == 0 && ok;
	if (ok)
		return BL_OK;
	(void)bl_fail_errno(err, BL_EIO, "logs: write %s", file);
	/* Half a file is none; an empty one tells the next start that there should be one. */
	if (truncate(file, 0) < 0)
		(void)unlink(file);
	return BL_EIO;
}
