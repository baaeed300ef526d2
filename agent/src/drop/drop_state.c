/*
 * How far a file is done, from one process to the next: one line of text, a
 * sum at its end.  It is written beside and renamed; a copy becomes durable soon
 * after (inlet_keep.h).  What an older one makes be read again has the same ids.
 */
#include "drop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_MAX 320u
#define STATE_1   "drop 1 "

uint64_t
drop_hash(uint64_t h, const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const unsigned char *)p)[i]) * 1099511628211ull;
	return h;
}

static bool
parse(char *text, size_t len, struct drop_place *out)
{
	char *tail = len > 18 ? text + len - 18 : NULL; /* " SUM\n" */
	uint64_t told;

	text[len] = '\0';
	if (tail == NULL || sscanf(tail, " %16" SCNx64, &told) != 1 ||
	    told != drop_hash(DROP_HASH, text, (size_t)(tail - text)))
		return false;
	return sscanf(text,
		   STATE_1 "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
			   " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		   &out->identity, &out->dev, &out->ino, &out->born, &out->size, &out->head,
		   &out->anchor, &out->offset, &out->line, &out->rest, &out->bad_bytes,
		   &out->bad_lines) == 12;
}

static bool
load(const char *path, struct drop_place *out)
{
	const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[STATE_MAX + 1];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, STATE_MAX);
	(void)close(fd);
	return n > 0 && parse(text, (size_t)n, out);
}

bool
drop_state_load(const char *path, struct drop_place *out)
{
	char safe[4200];

	(void)snprintf(safe, sizeof(safe), "%s.safe", path);
	return load(path, out) || load(safe, out);
}

static bool
write_all(const char *path, const char *text, size_t len)
{
	const int fd =
	    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, len) == (ssize_t)len;
	return close(fd) == 0 && ok;
}

int
drop_state_save(const char *path, const struct drop_place *at, struct bl_err *err)
{
	char text[STATE_MAX + 32], beside[4200];
	int n = snprintf(text, sizeof(text),
	    STATE_1 "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
		    " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64,
	    at->identity, at->dev, at->ino, at->born, at->size, at->head, at->anchor, at->offset,
	    at->line, at->rest, at->bad_bytes, at->bad_lines);

	n += snprintf(text + n, sizeof(text) - (size_t)n, " %016" PRIx64 "\n",
	    drop_hash(DROP_HASH, text, (size_t)n));
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	if (!write_all(beside, text, (size_t)n) || rename(beside, path) < 0)
		return bl_fail_errno(err, BL_EIO, "drop: write %s", path);
	return BL_OK;
}
