/*
 * libFuzzer target: configuration files that include others.  A line of "=" ends one
 * file and begins the next: m.yaml, which is loaded, then a.yaml, b.yaml and c.yaml
 * beside it.  What is accepted prints to a text that means the same; what is refused
 * names a file that was read, and a line.
 */
#include <fcntl.h>
#include <unistd.h>

#include "branchline/conf.h"
#include "fuzz.h"

#define FILES 4u

struct entry {
	char *name;
	struct bl_conf_strmap map;
};

struct box {
	char *id;
	int64_t n;
	struct bl_conf_strlist tags;
	struct bl_conf_list entries;
	struct entry inner;
};

static const struct bl_conf_key entry_keys[] = {
	{ .name = "name", .type = BL_CONF_STR, .dflt = "", .offset = offsetof(struct entry, name) },
	{ .name = "map",
	    .type = BL_CONF_MAP,
	    .dflt = "",
	    .offset = offsetof(struct entry, map),
	    .max = 4 },
	{ 0 },
};
static const struct bl_conf_section entry_section = { "entry", sizeof(struct entry), entry_keys,
	NULL };
static const struct bl_conf_key box_keys[] = {
	{ .name = "include", .type = BL_CONF_INCLUDE, .dflt = "" },
	{ .name = "id",
	    .type = BL_CONF_STR,
	    .dflt = "x",
	    .offset = offsetof(struct box, id),
	    .min = 1,
	    .max = 9 },
	{ .name = "n",
	    .type = BL_CONF_INT,
	    .dflt = "1",
	    .offset = offsetof(struct box, n),
	    .max = 9 },
	{ .name = "tags",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct box, tags),
	    .max = 4 },
	{ .name = "entries",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct box, entries),
	    .max = 8,
	    .section = &entry_section,
	    .unique = "name" },
	{ .name = "inner",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct box, inner),
	    .section = &entry_section },
	{ 0 },
};
static const struct bl_conf_section box_section = { "box", sizeof(struct box), box_keys, NULL };

/* A folder in memory, gone with the process; its files are written over every time. */
static char dir[64];

static void
path_of(unsigned file, char out[80])
{
	static const char names[FILES] = { 'm', 'a', 'b', 'c' };

	(void)snprintf(out, 80, "%s/%c.yaml", dir, names[file]);
}

static void
folder_leave(void)
{
	char path[80];

	for (unsigned i = 0; i < FILES; i++) {
		path_of(i, path);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

static void
folder_enter(void)
{
	if (dir[0] != '\0')
		return;
	(void)snprintf(dir, sizeof(dir), "%s/bl-fuzz-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(dir) != NULL && atexit(folder_leave) == 0);
}

static void
put(unsigned file, const char *text, size_t len)
{
	char path[80];
	int fd;

	path_of(file, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len && close(fd) == 0);
}

static void
put_all(const char *text, size_t size)
{
	const char *from = text, *end;

	for (unsigned i = 0; i < FILES; i++) {
		const size_t left = size - (size_t)(from - text);

		end = i + 1 < FILES ? memmem(from, left, "\n=\n", 3) : NULL;
		put(i, from, end != NULL ? (size_t)(end - from) + 1 : left);
		from = end != NULL ? end + 3 : text + size;
	}
}

static char *
printed(const struct box *b, const struct bl_conf_sources *sources, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	CHECK(f != NULL);
	CHECK(bl_conf_print_for_people(&box_section, b, sources, true, f) == BL_OK);
	CHECK(fclose(f) == 0);
	return text;
}

static void
check_accepted(const struct box *b, const struct bl_conf_sources *sources)
{
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	size_t len = 0, told_len = 0, again_len = 0;
	char *text = printed(b, NULL, &len), *told = printed(b, sources, &told_len), *again_text;
	struct box again;

	CHECK(told_len > len);
	/* With comments it is the same. */
	CHECK(bl_conf_parse("t", told, told_len, &box_section, &again, &errors, &err) == BL_OK);
	again_text = printed(&again, NULL, &again_len);
	CHECK(len == again_len && memcmp(text, again_text, len) == 0);
	bl_conf_release(&box_section, &again);
	bl_conf_errors_free(&errors);
	free(again_text);
	free(told);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_conf_sources sources = { 0 };
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	char path[80];
	struct box b;

	folder_enter();
	path_of(0, path);
	put_all((const char *)data, size);
	if (bl_conf_load_from(path, &box_section, &b, &sources, &errors, &err) == BL_OK) {
		CHECK(errors.n == 0);
		check_accepted(&b, &sources);
	} else {
		CHECK(errors.n > 0 && err.msg[0] != '\0' && b.id == NULL);
		for (size_t i = 0; i < errors.n_kept; i++) {
			const char *colon = strchr(errors.line[i], ':');

			CHECK(colon != NULL && colon[1] >= '1' && colon[1] <= '9');
		}
	}
	bl_conf_release(&box_section, &b);
	bl_conf_errors_free(&errors);
	bl_conf_sources_free(&sources);
	return 0;
}
