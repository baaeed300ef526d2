/*
 * Which mounts are worth a series: file systems on a local device, each once.
 *
 * Pure over the text of /proc/self/mountinfo, but for one lstat of a chosen
 * mount point.  The promise is that nobody ever calls statvfs on something that
 * can hang: a file system counts as local only when its type is known to be,
 * and a local one is still left out when its path leads through a mount that
 * is not known to be harmless (a disk mounted below a network share), or when
 * another mount lies over it.
 */
#include "sample_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES    1024 /* longer mount points are left out */
#define CHOSEN_MAX    512  /* devices; bounds the work on a hostile or huge table */
#define CHECKED_MAX   1024 /* mounts looked at closely in one scan */
#define ANCESTORS_MAX 32   /* deeper nesting counts as unsafe, and so does a circle */

/* On a disk of this machine.  Overlay counts at "/" alone: there it is a container's own disk. */
static const char *const local_types[] = {
	"ext2",
	"ext3",
	"ext4",
	"xfs",
	"btrfs",
	"f2fs",
	"vfat",
	"exfat",
	"ntfs3",
	"zfs",
	"jfs",
	"reiserfs",
	"nilfs2",
	"ubifs",
	"jffs2",
	"bcachefs",
	"minix",
	"ufs",
	"hfsplus",
	NULL,
};

/* Without a device, answered by the kernel itself: a path may lead through them. */
static const char *const harmless_types[] = {
	"proc",
	"sysfs",
	"tmpfs",
	"devtmpfs",
	"ramfs",
	"rootfs",
	"devpts",
	"cgroup",
	"cgroup2",
	"pstore",
	"efivarfs",
	"bpf",
	"debugfs",
	"tracefs",
	"securityfs",
	"configfs",
	"fusectl",
	"hugetlbfs",
	"mqueue",
	"selinuxfs",
	"binfmt_misc",
	"nsfs",
	"overlay",
	"aufs",
	"squashfs",
	"iso9660",
	"udf",
	"erofs",
	"cramfs",
	NULL,
};

struct mount {
	uint64_t id, parent;
	uint64_t major, minor;
	bool whole; /* the root of its file system, not a bind of a part */
	char path[PATH_BYTES];
	char type[32];
};

struct scan {
	const struct sample_mounts_want *want;
	const char *buf;
	const char *end;
	unsigned bad_lines;
	unsigned n_chosen;
	unsigned n_checked;
	uint64_t chosen[CHOSEN_MAX]; /* device numbers */
};

static bool
type_in(const char *const *types, const char *type)
{
	for (; *types != NULL; types++)
		if (strcmp(*types, type) == 0)
			return true;
	return false;
}

/* Copies a word, turning \040 and the like back into bytes.  False: too long. */
static bool
unescape(char *out, size_t size, const char *word, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned byte = (unsigned char)word[i];

		if (byte == '\\' && len - i > 3 && word[i + 1] >= '0' && word[i + 1] <= '3' &&
		    word[i + 2] >= '0' && word[i + 2] <= '7' && word[i + 3] >= '0' &&
		    word[i + 3] <= '7') {
			byte = (unsigned)(word[i + 1] - '0') << 6 |
			       (unsigned)(word[i + 2] - '0') << 3 | (unsigned)(word[i + 3] - '0');
			i += 3;
		}
		if (n + 1 >= size || byte == 0)
			return false;
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return n > 0;
}

static bool
device_parse(const char *word, size_t len, struct mount *m)
{
	const char *colon = memchr(word, ':', len);
	struct sample_scan major, minor;

	if (colon == NULL)
		return false;
	major = (struct sample_scan){ word, colon };
	minor = (struct sample_scan){ colon + 1, word + len };
	return sample_scan_u64(&major, &m->major) && sample_scan_u64(&minor, &m->minor);
}

/* "36 35 98:0 /root /mount/point opts [optional ...] - type source superopts" */
static bool
line_parse(struct sample_scan line, struct mount *m)
{
	const char *word;
	size_t len;

	if (!sample_scan_u64(&line, &m->id) || !sample_scan_u64(&line, &m->parent))
		return false;
	if (!sample_scan_word(&line, &word, &len) || !device_parse(word, len, m))
		return false;
	if (!sample_scan_word(&line, &word, &len))
		return false;
	m->whole = len == 1 && word[0] == '/';
	if (!sample_scan_word(&line, &word, &len) ||
	    !unescape(m->path, sizeof(m->path), word, len) || m->path[0] != '/')
		return false;
	do {
		if (!sample_scan_word(&line, &word, &len))
			return false;
	} while (len != 1 || word[0] != '-');
	return sample_scan_word(&line, &word, &len) &&
	       unescape(m->type, sizeof(m->type), word, len);
}

static bool
is_local(const struct scan *s, const struct mount *m)
{
	const struct sample_disk_conf *conf = s->want->conf;

	if (type_in(local_types, m->type) ||
	    (strcmp(m->type, "overlay") == 0 && strcmp(m->path, "/") == 0))
		return true;
	for (size_t i = 0; i < conf->types.n; i++)
		if (strcmp(conf->types.item[i], m->type) == 0)
			return true;
	return false;
}

static bool
is_harmless(const struct scan *s, const struct mount *m)
{
	return is_local(s, m) || type_in(harmless_types, m->type);
}

/* Does path lie at or below above? */
static bool
below(const char *path, const char *above)
{
	const size_t n = strlen(above);

	if (strcmp(above, "/") == 0)
		return true;
	return strncmp(path, above, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* The id of the parent of the mount with this id; 0: not in the table. */
static uint64_t
parent_of(const struct scan *s, uint64_t id)
{
	struct sample_scan text = { s->buf, s->end };
	struct sample_scan line;
	uint64_t other;
	uint64_t parent;

	while (sample_scan_line(&text, &line))
		if (sample_scan_u64(&line, &other) && other == id &&
		    sample_scan_u64(&line, &parent))
			return parent;
	return 0;
}

/*
 * Can the way to m hang or lead elsewhere?  What lies at its path or above is
 * either an ancestor of m, on the way to it, and must be harmless, or it is
 * none, and hides m.  (Ids are reused, so the order of lines tells nothing.)
 */
static bool
is_unsafe(const struct scan *s, const struct mount *m)
{
	struct sample_scan text = { s->buf, s->end };
	struct sample_scan line;
	struct mount other;
	uint64_t ancestor[ANCESTORS_MAX];
	unsigned n = 0;

	for (uint64_t id = m->parent; id != 0 && id != m->id; id = parent_of(s, id)) {
		if (n == ANCESTORS_MAX)
			return true;
		ancestor[n++] = id;
	}
	while (sample_scan_line(&text, &line)) {
		unsigned i = 0;

		if (!line_parse(line, &other) || other.id == m->id || !below(m->path, other.path))
			continue;
		while (i < n && ancestor[i] != other.id)
			i++;
		if (i == n || !is_harmless(s, &other))
			return true;
	}
	return false;
}

static bool
is_folder(const struct scan *s, const char *path)
{
	char full[PATH_BYTES + 256];
	struct stat st;
	const int n = snprintf(full, sizeof(full), "%s%s", s->want->root, path);

	return n > 0 && (size_t)n < sizeof(full) && lstat(full, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_wanted(const struct sample_disk_conf *conf, const char *path)
{
	if (sample_glob_any(&conf->exclude, path))
		return false;
	return conf->include.n == 0 || sample_glob_any(&conf->include, path);
}

static bool
is_chosen(const struct scan *s, uint64_t device)
{
	for (unsigned i = 0; i < s->n_chosen; i++)
		if (s->chosen[i] == device)
			return true;
	return false;
}

static void
consider(struct scan *s, const struct mount *m)
{
	const uint64_t device = m->major << 32 | (m->minor & 0xffffffff);

	if (!is_local(s, m) || !is_wanted(s->want->conf, m->path) || is_chosen(s, device))
		return;
	if (s->n_chosen == CHOSEN_MAX || s->n_checked++ >= CHECKED_MAX)
		return;
	if (is_unsafe(s, m) || !is_folder(s, m->path))
		return;
	s->chosen[s->n_chosen++] = device;
	s->want->each(s->want->ctx, m->path);
}

/* One pass over all lines, for whole file systems or for binds of parts. */
static void
pass(struct scan *s, bool whole)
{
	struct sample_scan text = { s->buf, s->end };
	struct sample_scan line;
	struct mount m;

	while (sample_scan_line(&text, &line)) {
		if (!line_parse(line, &m)) {
			s->bad_lines += whole ? 1 : 0; /* each line is seen twice */
			continue;
		}
		if (m.whole == whole)
			consider(s, &m);
	}
}

unsigned
sample_mounts_scan(const char *buf, size_t len, const struct sample_mounts_want *want)
{
	struct scan s = { .want = want, .buf = buf, .end = buf + len };

	pass(&s, true);
	pass(&s, false);
	return s.bad_lines;
}

bool
sample_mounts_harmless(
    const char *buf, size_t len, const struct bl_conf_strlist *types, const char *path)
{
	const struct sample_disk_conf conf = { .types = *types };
	const struct sample_mounts_want want = { .conf = &conf };
	const struct scan s = { .want = &want };
	struct sample_scan text = { buf, buf + len };
	struct sample_scan line;
	struct mount m;
	bool covered = false;

	while (sample_scan_line(&text, &line)) {
		if (!line_parse(line, &m) || !below(path, m.path))
			continue;
		if (!is_harmless(&s, &m))
			return false;
		covered = true;
	}
	return covered;
}
