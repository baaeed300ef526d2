/* The web app's files from memory; see the header.  Loading on one thread, answering on any. */
#include "static_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#define PATH_SIZE 512

enum { PLAIN, GZIP, BROTLI, CODINGS };

static const char *const suffix[CODINGS] = { "", ".gz", ".br" };
static const char *const coding[CODINGS] = { NULL, "gzip", "br" };

struct bytes {
	unsigned char *data; /* owned; NULL: this form is not there */
	size_t len;
	char etag[36];
};

struct file {
	char path[PATH_SIZE]; /* as in a request: "/assets/app-1a2b3c4d.js" */
	struct bytes form[CODINGS];
};

struct static_files {
	struct file *file; /* sorted by path */
	size_t n, size;
	size_t total_bytes;
};

const char *
static_type(const char *path)
{
	static const struct {
		const char *end, *type;
	} types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".webp", "image/webp" },
		{ ".ico", "image/x-icon" },
		{ ".woff2", "font/woff2" },
		{ ".woff", "font/woff" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".wasm", "application/wasm" },
	};
	const size_t len = strlen(path);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const size_t n = strlen(types[i].end);
		if (len > n && strcmp(path + len - n, types[i].end) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

/* "/assets/name-HASH.ext", HASH of at least 8: the build gives changed files another name. */
bool
static_immutable(const char *path)
{
	const char *dash, *dot;

	if (strncmp(path, "/assets/", 8) != 0 || (dot = strrchr(path, '.')) == NULL)
		return false;
	/* A hash may hold dashes itself: the one that leaves at least 8 letters counts. */
	for (dash = strchr(path + 8, '-'); dash != NULL; dash = strchr(dash + 1, '-'))
		if (dot - dash - 1 >= 8)
			return strspn(dash + 1,
				   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-") >= (size_t)(dot - dash - 1);
	return false;
}

/* ---- loading ----------------------------------------------------------- */

static int
compare_files(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* The entry for a path, made when missing; NULL: a cap or no memory. */
static struct file *
entry(struct static_files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->file[i].path, path) == 0)
			return &f->file[i];
	if (f->n == STATIC_FILES_MAX)
		return NULL;
	if (f->n == f->size) {
		const size_t size = f->size != 0 ? f->size * 2 : 64;
		struct file *more = realloc(f->file, size * sizeof(*more));
		if (more == NULL)
			return NULL;
		f->file = more;
		f->size = size;
	}
	memset(&f->file[f->n], 0, sizeof(f->file[0]));
	(void)snprintf(f->file[f->n].path, PATH_SIZE, "%s", path);
	return &f->file[f->n++];
}

static int
make_etag(struct bytes *b, int form)
{
	unsigned char hash[32];
	size_t n = 0;

	if (mbedtls_sha256_ret(b->data, b->len, hash, 0) != 0)
		return -1;
	b->etag[n++] = '"';
	for (int i = 0; i < 12; i++)
		n += (size_t)snprintf(b->etag + n, sizeof(b->etag) - n, "%02x", hash[i]);
	(void)snprintf(b->etag + n, sizeof(b->etag) - n, "%s\"", suffix[form]);
	return 0;
}

/* Reads fd to its end. */
static int
read_all(int fd, size_t size, struct bytes *b)
{
	size_t have = 0;

	if ((b->data = malloc(size + 1)) == NULL)
		return -1;
	while (have < size) {
		const ssize_t n = read(fd, b->data + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	b->len = size;
	return 0;
}

static int
load_file(
    struct static_files *f, int fd, const struct stat *st, const char *path, struct bl_err *err)
{
	char plain[PATH_SIZE];
	const size_t len = strlen(path);
	struct file *file;
	int form = PLAIN;

	for (int i = GZIP; i < CODINGS; i++)
		if (len > 3 && strcmp(path + len - 3, suffix[i]) == 0)
			form = i;
	(void)snprintf(plain, sizeof(plain), "%.*s", (int)(form == PLAIN ? len : len - 3), path);
	f->total_bytes += (size_t)st->st_size;
	if (f->total_bytes > STATIC_BYTES_MAX || (file = entry(f, plain)) == NULL)
		return bl_fail(err, BL_EFULL, "web app: %s: more than %u files or %u MiB", path,
		    STATIC_FILES_MAX, STATIC_BYTES_MAX >> 20);
	if (read_all(fd, (size_t)st->st_size, &file->form[form]) != 0 ||
	    make_etag(&file->form[form], form) != 0)
		return bl_fail_errno(err, BL_EIO, "web app: read %s", path);
	return BL_OK;
}

static int load_folder(
    struct static_files *f, int fd, const char *prefix, int depth, struct bl_err *err);

/* One name in a folder.  Links are not followed (ELOOP): nothing outside can get in. */
static int
load_entry(struct static_files *f, int dir, const char *prefix, const char *name, int depth,
    struct bl_err *err)
{
	char path[PATH_SIZE];
	struct stat st;
	int fd, rc;

	if (name[0] == '.') /* also . and .. */
		return BL_OK;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", prefix, name) >= sizeof(path))
		return bl_fail(err, BL_EFULL, "web app: %s/%s: the path is too long", prefix, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return bl_fail_errno(err, BL_EIO, "web app: open %s", path);
	if (fstat(fd, &st) != 0)
		rc = bl_fail_errno(err, BL_EIO, "web app: stat %s", path);
	else if (S_ISDIR(st.st_mode))
		return load_folder(f, fd, path, depth + 1, err); /* closes fd */
	else
		rc = S_ISREG(st.st_mode) ? load_file(f, fd, &st, path, err) : BL_OK;
	(void)close(fd); /* read only */
	return rc;
}

static int
load_folder(struct static_files *f, int fd, const char *prefix, int depth, struct bl_err *err)
{
	const struct dirent *d;
	int rc = BL_OK;
	DIR *dir;

	if (depth > STATIC_DEPTH_MAX || (dir = fdopendir(fd)) == NULL) {
		(void)close(fd); /* read only */
		return bl_fail(
		    err, BL_EFULL, "web app: %s: folders too deep, or no memory", prefix);
	}
	while (rc == BL_OK && (d = readdir(dir)) != NULL)
		rc = load_entry(f, dirfd(dir), prefix, d->d_name, depth, err);
	(void)closedir(dir); /* read only */
	return rc;
}

int
static_load(struct static_files **out, const char *root, struct bl_err *err)
{
	struct static_files *f;
	int fd, rc;

	*out = NULL;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return bl_fail(err, BL_ENOMEM, "web app: out of memory");
	if ((fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		rc = bl_fail_errno(
		    err, errno == ENOENT ? BL_ENOTFOUND : BL_EIO, "web app: folder %s", root);
		goto fail;
	}
	if ((rc = load_folder(f, fd, "", 0, err)) < 0)
		goto fail;
	if (f->n > 0)
		qsort(f->file, f->n, sizeof(f->file[0]), compare_files);
	*out = f;
	return BL_OK;
fail:
	static_free(f);
	return rc;
}

void
static_free(struct static_files *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->n; i++)
		for (int form = 0; form < CODINGS; form++)
			free(f->file[i].form[form].data);
	free(f->file);
	free(f);
}

size_t
static_count(const struct static_files *f)
{
	return f != NULL ? f->n : 0;
}

/* ---- answering --------------------------------------------------------- */

static const struct file *
find(const struct static_files *f, const char *path)
{
	size_t low = 0, high = f->n;

	while (low < high) {
		const size_t mid = (low + high) / 2;
		const int c = strcmp(path, f->file[mid].path);
		if (c == 0)
			return f->file[mid].form[PLAIN].data != NULL ? &f->file[mid] : NULL;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* A person opens a page of the app: no file's name, and the browser wants HTML. */
static bool
navigation(const struct http_request *q)
{
	const char *accept = http_header(q, "Accept");
	const char *last = strrchr(q->path, '/');

	return accept != NULL && strstr(accept, "text/html") != NULL && last != NULL &&
	       strchr(last, '.') == NULL;
}

static int
choose_form(const struct file *file, const char *accept)
{
	/* Brotli first: it is the smaller one. */
	if (file->form[BROTLI].data != NULL && http_accepts_coding(accept, coding[BROTLI]))
		return BROTLI;
	if (file->form[GZIP].data != NULL && http_accepts_coding(accept, coding[GZIP]))
		return GZIP;
	return PLAIN;
}

bool
static_answer(const struct static_files *f, const struct http_request *q, struct http_answer *a)
{
	const struct file *file;
	const struct bytes *b;
	int form;

	if (f == NULL)
		return false;
	file = find(f, strcmp(q->path, "/") == 0 ? "/index.html" : q->path);
	if (file == NULL && navigation(q))
		file = find(f, "/index.html");
	if (file == NULL)
		return false;
	form = choose_form(file, http_header(q, "Accept-Encoding"));
	b = &file->form[form];
	http_answer_header(a, "ETag", b->etag);
	http_answer_header(a, "Vary", "Accept-Encoding");
	http_answer_header(a, "Cache-Control",
	    static_immutable(file->path) ? "public, max-age=31536000, immutable" : "no-cache");
	if (http_etag_listed(http_header(q, "If-None-Match"), b->etag)) {
		a->status = 304;
		return true;
	}
	a->status = 200;
	a->content_type = static_type(file->path);
	a->shared = b->data;
	a->len = b->len;
	if (coding[form] != NULL)
		http_answer_header(a, "Content-Encoding", coding[form]);
	return true;
}
