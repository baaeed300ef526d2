/*
 * libFuzzer target: small files that a program left for its next start or that
 * people wrote: the collector's decode marker and the store's mark, and a file
 * of definitions.  Damage costs what was in them, no more.
 *
 * The first byte chooses: '0' marker, '1' mark, else definitions.
 */
#include <fcntl.h>
#include <unistd.h>

/* Source of a program, not of a library. */
#include "define_file.c"

#include "branchline/log.h"

#include "folder.h"
#include "fuzz.h"
#include "ingest_internal.h"
#include "store_internal.h"

static char folder[FOLDER_MAX], path[FOLDER_MAX + 32], mark_path[FOLDER_MAX + 32];
static FILE *nowhere;

static void
clean(void)
{
	folder_remove(folder);
}

static void
begin(void)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	folder_make(folder, name);
	(void)atexit(clean);
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	(void)snprintf(mark_path, sizeof(mark_path), "%s/file.mark", folder);
	CHECK((nowhere = fopen("/dev/null", "w")) != NULL);
	bl_log_level_set(BL_LOG_ERROR);
}

/* define_file.c tells its faults through these; see commands.h and files.h. */
void
command_write(FILE *to, const char *text)
{
	(void)to;
	(void)fputs(text, nowhere);
}

int
files_read(const char *from, struct bl_buf *out, struct bl_err *err)
{
	FILE *f = fopen(from, "rb");
	char piece[4096];
	size_t n;

	CHECK(f != NULL);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		bl_buf_bytes(out, piece, n);
	(void)fclose(f);
	return out->failed ? bl_fail(err, BL_EFULL, "too long") : BL_OK;
}

static void
put(const char *to, const uint8_t *data, size_t size)
{
	const int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0);
}

static void
marker(const uint8_t *data, size_t size)
{
	struct marker *m;
	uint64_t sum = 77;

	put(path, data, size);
	CHECK(marker_open(&m, path, NULL) == BL_OK);
	if (size >= sizeof(sum))
		memcpy(&sum, data + size - sizeof(sum), sizeof(sum));
	sum |= 1;
	if (marker_enter(m, sum) < MARKER_STRIKES)
		marker_leave(m, sum);
	CHECK(marker_enter(m, 12345) == 0 || size > 16);
	marker_leave(m, 12345);
	marker_close(m);
}

static void
mark(const uint8_t *data, size_t size)
{
	struct store s = { .path = path };
	struct bl_id epoch;
	int64_t lsn;

	put(mark_path, data, size);
	CHECK(store_mark_open(&s, NULL) == BL_OK);
	(void)store_mark_read(&s, &epoch, &lsn);
	store_mark_write(&s);
	CHECK(store_mark_read(&s, &epoch, &lsn) && lsn == 0);
	(void)close(s.mark_fd);
}

static void
definitions(const uint8_t *data, size_t size)
{
	static struct define_file_set set;

	set.n = 0;
	put(path, data, size);
	if (define_file_read(&set, path) == 0)
		for (size_t i = 0; i < set.n; i++)
			CHECK(id_plain(set.item[i].id) && json_is_object(set.item[i].body));
	define_file_free(&set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (folder[0] == '\0')
		begin();
	if (size == 0)
		return 0;
	if (data[0] == '0')
		marker(data + 1, size - 1);
	else if (data[0] == '1')
		mark(data + 1, size - 1);
	else
		definitions(data + 1, size - 1);
	return 0;
}
