/*
 * Where somebody stopped reading, kept from one process to the next in a small
 * file of text: "dev inode offset anchor cuts name<TAB>path" a line (without the cuts
 * in files of the first kind).
 *
 * Who counts writes it at an orderly end and takes it away at the next start: a place
 * from before a crash would count lines twice.  Who knows lines again replaces it as he goes.
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
#define STATE_2   "branchline log places 2\n"

static void
take_line(struct sample_scan line, bool cuts, struct log_kept *kept, size_t n)
{
	struct log_place at = { 0 };
	const char *tab;

	if (!sample_scan_u64(&line, &at.dev) || !sample_scan_u64(&line, &at.ino) ||
	    !sample_scan_u64(&line, &at.offset) || !sample_scan_u64(&line, &at.anchor) ||
	    (cuts && !sample_scan_u64(&line, &at.cuts)) || at.offset > INT64_MAX ||
	    !sample_scan_skip(&line, " "))
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

/* The text of the file; BL_ENOTFOUND: there is none. */
static int
read_text(const char *file, char text[STATE_MAX], size_t *len, struct bl_err *err)
{
	const int fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return BL_ENOTFOUND;
	if (fd < 0)
		return bl_fail_errno(err, BL_EIO, "logs: read %s", file);
	got = read(fd, text, STATE_MAX);
	(void)close(fd);
	*len = got > 0 ? (size_t)got : 0;
	return BL_OK;
}

static int
take_text(const char *file, const char *text, size_t len, struct log_kept *kept, size_t n,
    struct bl_err *err)
{
	static const size_t head = sizeof(STATE_1) - 1;
	struct sample_scan rest, line;
	bool cuts;

	if (len < head || (memcmp(text, STATE_1, head) != 0 && memcmp(text, STATE_2, head) != 0))
		return bl_fail(err, BL_ECORRUPT, "logs: %s holds no places of logs", file);
	if (text[len - 1] != '\n' || memchr(text, '\0', len) != NULL)
		return bl_fail(err, BL_ECORRUPT, "logs: %s is cut short", file);
	cuts = memcmp(text, STATE_2, head) == 0;
	rest = (struct sample_scan){ text + head, text + len };
	while (sample_scan_line(&rest, &line))
		take_line(line, cuts, kept, n);
	return BL_OK;
}

int
log_state_read(const char *file, struct log_kept *kept, size_t n, struct bl_err *err)
{
	char text[STATE_MAX];
	size_t len;
	const int rc = read_text(file, text, &len, err);

	if (rc < 0)
		return rc == BL_ENOTFOUND ? BL_OK : rc;
	return take_text(file, text, len, kept, n, err);
}

int
log_state_take(const char *file, struct log_kept *kept, size_t n, struct bl_err *err)
{
	char text[STATE_MAX];
	size_t len;
	const int rc = read_text(file, text, &len, err);

	if (rc < 0)
		return rc == BL_ENOTFOUND ? BL_OK : rc;
	/* One that stays would be used again after a crash. */
	if (unlink(file) < 0)
		return bl_fail_errno(err, BL_EIO, "logs: take %s away", file);
	return take_text(file, text, len, kept, n, err);
}

static bool
write_lines(FILE *f, const struct log_kept *kept, size_t n)
{
	bool ok = fputs(STATE_2, f) >= 0;

	for (size_t i = 0; ok && i < n; i++)
		ok = !kept[i].known ||
		     fprintf(f,
			 "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\t%s\n",
			 kept[i].at.dev, kept[i].at.ino, kept[i].at.offset, kept[i].at.anchor,
			 kept[i].at.cuts, kept[i].name, kept[i].path) > 0;
	return ok;
}

static int
write_file(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err)
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
	return ok ? BL_OK : bl_fail_errno(err, BL_EFULL, "logs: write %s", file);
}

int
log_state_save(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err)
{
	const int rc = write_file(file, kept, n, err);

	if (rc != BL_EFULL)
		return rc;
	/* Half a file is none; an empty one tells the next start that there should be one. */
	if (truncate(file, 0) < 0)
		(void)unlink(file);
	return BL_EIO;
}

int
log_state_replace(const char *file, const struct log_kept *kept, size_t n, struct bl_err *err)
{
	char next[4096];
	const int len = snprintf(next, sizeof(next), "%s.new", file);
	int rc;

	if (len < 0 || (size_t)len >= sizeof(next))
		return bl_fail(err, BL_EINVAL, "logs: the name %s is too long", file);
	rc = write_file(next, kept, n, err);
	if (rc == BL_OK && rename(next, file) < 0)
		rc = bl_fail_errno(err, BL_EIO, "logs: write %s", file);
	if (rc < 0)
		(void)unlink(next);
	return rc;
}
