/* See spool_wreck.h.  Knows SQLite's file format (sqlite.org/fileformat2.html) as far as our files
 * use it. */
#include "spool_wreck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAF_TABLE   0x0d
#define PAYLOAD_MOST (BL_BATCH_WIRE_MAX + 8192)

/* A page whose newest committed version is in the log. */
struct logged {
	uint32_t page, frame;
};

struct wreck {
	int fd, log_fd;
	size_t size; /* of a page */
	uint32_t pages;
	struct logged *logged; /* by page */
	size_t n_logged;
	uint8_t *free; /* a bit a page; NULL: not known */
	uint8_t page[SPOOL_PAGE_BYTES_MOST], other[SPOOL_PAGE_BYTES_MOST];
	struct bl_buf payload;
};

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static unsigned
be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* ---- pages ---- */

static off_t
frame_at(const struct wreck *w, uint32_t frame)
{
	return 32 + (off_t)frame * (off_t)(w->size + 24);
}

/* All of a page. */
static bool
read_at(const struct wreck *w, int fd, off_t at, uint8_t *out)
{
	return pread(fd, out, w->size, at) == (ssize_t)w->size;
}

static int
by_page(const void *a, const void *b)
{
	const struct logged *x = a, *y = b;

	return x->page != y->page ? (x->page > y->page) - (x->page < y->page)
				  : (x->frame > y->frame) - (x->frame < y->frame);
}

static bool
page_read(const struct wreck *w, uint32_t page, uint8_t *out)
{
	size_t lo = 0, hi = w->n_logged;

	if (page == 0 || page > w->pages)
		return false;
	while (lo < hi) {
		const size_t mid = (lo + hi) / 2;

		if (w->logged[mid].page < page)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < w->n_logged && w->logged[lo].page == page)
		return read_at(w, w->log_fd, frame_at(w, w->logged[lo].frame) + 24, out);
	return read_at(w, w->fd, (off_t)(page - 1) * (off_t)w->size, out);
}

/* ---- the log ---- */

struct sum {
	uint32_t a, b;
	bool big;
};

static void
sum_add(struct sum *s, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		s->a += (s->big ? be32(p) : le32(p)) + s->b;
		s->b += (s->big ? be32(p + 4) : le32(p + 4)) + s->a;
	}
}

static bool
log_begins(const struct wreck *w, struct sum *s, uint8_t head[32])
{
	if (pread(w->log_fd, head, 32, 0) != 32 || (be32(head) & ~1u) != 0x377f0682u ||
	    be32(head + 8) != w->size)
		return false;
	s->big = (be32(head) & 1) != 0;
	s->a = s->b = 0;
	sum_add(s, head, 24);
	return s->a == be32(head + 24) && s->b == be32(head + 28);
}

/* The next frame, if it is whole: its page, and the size of the file when it ends a transaction. */
static bool
log_next(struct wreck *w, const uint8_t head[32], struct sum *s, uint32_t frame, uint32_t *page,
    uint32_t *commit)
{
	uint8_t f[24];

	if (pread(w->log_fd, f, 24, frame_at(w, frame)) != 24 ||
	    !read_at(w, w->log_fd, frame_at(w, frame) + 24, w->page) ||
	    memcmp(f + 8, head + 16, 8) != 0)
		return false;
	sum_add(s, f, 8);
	sum_add(s, w->page, w->size);
	*page = be32(f);
	*commit = be32(f + 4);
	return s->a == be32(f + 16) && s->b == be32(f + 20) && *page != 0;
}

/* Keeps the newest frame of each page. */
static void
log_sort(struct wreck *w)
{
	size_t n = 0;

	if (w->n_logged > 0)
		qsort(w->logged, w->n_logged, sizeof(w->logged[0]), by_page);
	for (size_t i = 0; i < w->n_logged; i++) {
		if (n > 0 && w->logged[n - 1].page == w->logged[i].page)
			n--;
		w->logged[n++] = w->logged[i];
	}
	w->n_logged = n;
}

static int
log_read(struct wreck *w, struct bl_err *err)
{
	uint32_t page, commit;
	size_t size = 0, committed = 0;
	uint8_t head[32];
	struct sum s;

	if (w->log_fd < 0 || !log_begins(w, &s, head))
		return BL_OK;
	for (uint32_t frame = 0; log_next(w, head, &s, frame, &page, &commit); frame++) {
		if (w->n_logged == size) {
			struct logged *more =
			    realloc(w->logged, (size = size * 2 + 64) * sizeof(*more));

			if (more == NULL)
				return bl_fail(err, BL_ENOMEM, "out of memory");
			w->logged = more;
		}
		w->logged[w->n_logged++] = (struct logged){ page, frame };
		if (commit == 0)
			continue;
		committed = w->n_logged;
		w->pages = commit;
	}
	w->n_logged = committed;
	log_sort(w);
	return BL_OK;
}

/* ---- free pages ---- */

static bool
is_free(const struct wreck *w, uint32_t page)
{
	return w->free != NULL && (w->free[page / 8] >> page % 8 & 1) != 0;
}

/* All of the list makes sense, or none of it is believed: it may be what is damaged. */
static bool
free_walk(struct wreck *w, uint32_t trunk, uint32_t count)
{
	uint32_t n = 0;

	while (trunk != 0) {
		uint32_t leaves;

		if (trunk < 2 || trunk > w->pages || is_free(w, trunk) ||
		    !page_read(w, trunk, w->page))
			return false;
		leaves = be32(w->page + 4);
		if (leaves > w->size / 4 - 2 || (n += leaves + 1) > count)
			return false;
		w->free[trunk / 8] |= (uint8_t)(1u << trunk % 8);
		for (uint32_t i = 0; i < leaves; i++) {
			const uint32_t leaf = be32(w->page + 8 + 4 * (size_t)i);

			if (leaf < 2 || leaf > w->pages || is_free(w, leaf))
				return false;
			w->free[leaf / 8] |= (uint8_t)(1u << leaf % 8);
		}
		trunk = be32(w->page);
	}
	return n == count;
}

static void
free_read(struct wreck *w)
{
	if (!page_read(w, 1, w->page) || memcmp(w->page, "SQLite format 3", 16) != 0)
		return;
	w->free = calloc(w->pages / 8 + 1, 1);
	if (w->free != NULL && !free_walk(w, be32(w->page + 32), be32(w->page + 36))) {
		free(w->free);
		w->free = NULL; /* free pages are zeroes anyway (secure_delete) */
	}
}

/* ---- how large a page is ---- */

static bool
is_size(size_t size)
{
	return size == SPOOL_PAGE_BYTES || size == SPOOL_PAGE_BYTES_MOST;
}

/* Bytes where a page of a tree would begin look like one. */
static bool
like_a_tree(const uint8_t *p)
{
	const unsigned head = p[0] == 5 || p[0] == 2 ? 12 : 8, cells = be16(p + 3);
	const unsigned content = be16(p + 5);

	return (p[0] == 13 || p[0] == 10 || p[0] == 5 || p[0] == 2) && cells > 0 && p[7] < 60 &&
	       content >= head + 2 * cells && content < SPOOL_PAGE_BYTES;
}

/* When neither header can be read: only small pages begin where large ones do not. */
static size_t
size_by_looks(int fd, off_t bytes)
{
	unsigned small = 0;
	uint8_t head[12];

	for (off_t at = SPOOL_PAGE_BYTES; at < bytes; at += SPOOL_PAGE_BYTES)
		if (at % SPOOL_PAGE_BYTES_MOST != 0 && pread(fd, head, 12, at) == 12 &&
		    like_a_tree(head))
			small++;
	/* Of 16 pages at least one is no overflow of another. */
	return small * 16 > bytes / SPOOL_PAGE_BYTES ? SPOOL_PAGE_BYTES : SPOOL_PAGE_BYTES_MOST;
}

static size_t
size_of_page(const struct wreck *w, off_t bytes)
{
	uint8_t head[32];

	if (pread(w->fd, head, 18, 0) == 18 && memcmp(head, "SQLite format 3", 16) == 0 &&
	    is_size(be16(head + 16)))
		return be16(head + 16);
	if (pread(w->log_fd, head, 32, 0) == 32 && (be32(head) & ~1u) == 0x377f0682u &&
	    is_size(be32(head + 8)))
		return be32(head + 8);
	return size_by_looks(w->fd, bytes);
}

/* ---- open, close ---- */

int
wreck_open(struct wreck **out, const char *path, struct bl_err *err)
{
	struct wreck *w = calloc(1, sizeof(*w));
	char log[4096 + 8];
	struct stat st;
	int rc;

	*out = NULL;
	if (w == NULL)
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	bl_buf_init(&w->payload, PAYLOAD_MOST);
	w->log_fd = -1;
	(void)snprintf(log, sizeof(log), "%s-wal", path);
	w->log_fd = open(log, O_RDONLY | O_CLOEXEC); /* most have none */
	memset(&st, 0, sizeof(st));
	w->fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Only the file was deleted: its log is what there is. */
	if (!(w->fd < 0 && errno == ENOENT && w->log_fd >= 0) &&
	    (w->fd < 0 || fstat(w->fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		rc = bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_ENOTFOUND, "read %s", path);
		wreck_close(w);
		return rc;
	}
	w->size = size_of_page(w, st.st_size);
	w->pages = (uint32_t)((size_t)st.st_size / w->size);
	if ((rc = log_read(w, err)) < 0) {
		wreck_close(w);
		return rc;
	}
	free_read(w);
	*out = w;
	return BL_OK;
}

void
wreck_close(struct wreck *w)
{
	if (w == NULL)
		return;
	if (w->fd >= 0)
		(void)close(w->fd); /* only read */
	if (w->log_fd >= 0)
		(void)close(w->log_fd);
	bl_buf_free(&w->payload);
	free(w->logged);
	free(w->free);
	free(w);
}

uint32_t
wreck_pages(const struct wreck *w)
{
	return w->pages;
}

/* ---- rows ---- */

/* SQLite's varint: up to nine bytes, the highest first.  Returns its length; 0: it is cut off. */
static size_t
varint(const uint8_t *p, size_t len, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < 9 && i < len; i++) {
		if (i == 8) {
			*v = *v << 8 | p[i];
			return 9;
		}
		*v = *v << 7 | (p[i] & 0x7f);
		if ((p[i] & 0x80) == 0)
			return i + 1;
	}
	return 0;
}

/* The payload of a cell into w->payload; false: some of it cannot be read. */
static bool
payload_read(struct wreck *w, const uint8_t *cell, size_t room, uint64_t len)
{
	const size_t most = w->size - 35, least = (w->size - 12) * 32 / 255 - 23;
	size_t local = (size_t)len;
	uint32_t next;

	if (len > PAYLOAD_MOST)
		return false;
	if (len > most) {
		local = least + (size_t)(len - least) % (w->size - 4);
		if (local > most)
			local = least;
	}
	if (room < local + (len > local ? 4 : 0))
		return false;
	bl_buf_reset(&w->payload);
	bl_buf_bytes(&w->payload, cell, local);
	next = local < len ? be32(cell + local) : 0;
	while (w->payload.len < len) {
		const size_t left = (size_t)len - w->payload.len;

		if (!page_read(w, next, w->other))
			return false;
		bl_buf_bytes(&w->payload, w->other + 4, left < w->size - 4 ? left : w->size - 4);
		next = be32(w->other);
		if (w->payload.failed)
			return false;
	}
	return !w->payload.failed;
}

static int64_t
be_int(const uint8_t *p, size_t len)
{
	int64_t v = (int8_t)p[0];

	for (size_t i = 1; i < len; i++)
		v = (int64_t)((uint64_t)v << 8 | p[i]);
	return v;
}

/* Fills a column by its serial type; how many bytes it takes. */
static size_t
column(uint64_t serial, const uint8_t *p, size_t room, struct wreck_column *c)
{
	static const uint8_t width[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };
	size_t len;

	memset(c, 0, sizeof(*c));
	if (serial >= 12) {
		c->type = serial % 2 == 0 ? WRECK_BLOB : WRECK_TEXT;
		c->len = len = (size_t)((serial - 12) / 2);
		c->p = len <= room && len > 0 ? p : NULL;
		return len;
	}
	len = serial < 10 ? width[serial] : 0;
	if (serial == 0 || serial >= 10 || len > room)
		return len;
	c->type = serial == 7 ? WRECK_FLOAT : WRECK_INT;
	c->i = len > 0 ? be_int(p, len) : serial == 9;
	return len;
}

static bool
record(const struct bl_buf *b, struct wreck_row *r)
{
	uint64_t head, serial, at;
	size_t used = varint(b->data, b->len, &head), n;

	if (used == 0 || head > b->len || head > 200)
		return false;
	at = head;
	for (r->n = 0; used < head; used += n) {
		if ((n = varint(b->data + used, (size_t)head - used, &serial)) == 0 ||
		    r->n == WRECK_COLUMNS || at > b->len)
			return false;
		at += column(serial, b->data + at, b->len - (size_t)at, &r->col[r->n++]);
	}
	return at == b->len && used == head;
}

/* i integer, n none, b blob, t text, x blob or none, y integer or none, . any */
static bool
looks_like(const struct wreck_row *r, const char *kinds)
{
	if (strlen(kinds) != r->n)
		return false;
	for (unsigned k = 0; k < r->n; k++) {
		const enum wreck_type t = r->col[k].type;

		if ((kinds[k] == 'i' && t != WRECK_INT) || (kinds[k] == 'n' && t != WRECK_NULL) ||
		    (kinds[k] == 'b' && t != WRECK_BLOB) || (kinds[k] == 't' && t != WRECK_TEXT) ||
		    (kinds[k] == 'x' && t != WRECK_BLOB && t != WRECK_NULL) ||
		    (kinds[k] == 'y' && t != WRECK_INT && t != WRECK_NULL))
			return false;
	}
	return true;
}

static enum wreck_kind
kind_of(const struct wreck_row *r)
{
	static const struct {
		enum wreck_kind kind;
		const char *columns;
	} shape[] = {
		{ WRECK_BODY, "nb" },
		{ WRECK_TRIMMED, "ni" },
		{ WRECK_BATCH, "nbiiiiiiiiy" },
		{ WRECK_OPEN, "niiiiib" },
		{ WRECK_DICT, "nib" },
		{ WRECK_STREAM, "niiiiiiiiiiiii" },
		{ WRECK_LEDGER, "nbiiiixixiiy" },
		{ WRECK_CLOCK, "nbiiii" },
		{ WRECK_GEN, "nbiiii.ixi" },
		{ WRECK_STATE, "ntbxxxiiiiiiiiiiiiyy" },
		{ WRECK_STATE, "ntbxxxiiiiiiiiiiii" },
	};

	for (size_t i = 0; i < sizeof(shape) / sizeof(shape[0]); i++)
		if (looks_like(r, shape[i].columns))
			return shape[i].kind;
	return WRECK_OTHER;
}

void
wreck_page(
    struct wreck *w, uint32_t page, bool (*row)(void *ctx, const struct wreck_row *r), void *ctx)
{
	const size_t head = page == 1 ? 100 : 0;
	struct wreck_row r;
	unsigned cells;

	if (is_free(w, page) || !page_read(w, page, w->page) || w->page[head] != LEAF_TABLE)
		return;
	cells = be16(w->page + head + 3);
	for (unsigned i = 0; i < cells && head + 8 + 2 * i + 2 <= w->size; i++) {
		const size_t at = be16(w->page + head + 8 + 2 * (size_t)i);
		uint64_t len, rowid;
		size_t n, m;

		if (at >= w->size || (n = varint(w->page + at, w->size - at, &len)) == 0 ||
		    (m = varint(w->page + at + n, w->size - at - n, &rowid)) == 0 ||
		    !payload_read(w, w->page + at + n + m, w->size - at - n - m, len) ||
		    !record(&w->payload, &r))
			continue;
		r.rowid = (int64_t)rowid;
		r.kind = kind_of(&r);
		if (!row(ctx, &r))
			return;
	}
}

/* ---- values ---- */

struct bl_id
wreck_id(const struct wreck_column *c)
{
	struct bl_id id = { { 0 } };

	if (c->type == WRECK_BLOB && c->p != NULL && c->len == BL_ID_BYTES)
		memcpy(id.b, c->p, BL_ID_BYTES);
	return id;
}

bool
wreck_state(
    const struct wreck_row *r, struct spool_durable *d, char *device, size_t size, int64_t *seal)
{
	int64_t *const field[] = { &d->gen, &d->commit_no, &d->covered_ms, &d->commit_unix_ms,
		&d->receipt_unix_ms, &d->samples, &d->events, &d->gaps, &d->forgotten,
		&d->connections, &d->dict, &d->clock };

	if (r->col[1].p == NULL || r->col[1].len >= size)
		return false;
	memcpy(device, r->col[1].p, r->col[1].len);
	device[r->col[1].len] = '\0';
	d->spool = wreck_id(&r->col[2]);
	d->predecessor = wreck_id(&r->col[3]);
	d->epoch = wreck_id(&r->col[4]);
	d->boot = wreck_id(&r->col[5]);
	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		*field[i] = r->col[6 + i].i;
	*seal = r->n > 18 && r->col[18].type == WRECK_INT ? r->col[18].i : -1;
	return !bl_id_is_zero(&d->spool);
}

void
wreck_stream(const struct wreck_row *r, struct spool_stream *m)
{
	int64_t *const field[] = { &m->next_seq, &m->contiguous, &m->begin_ms, &m->held,
		&m->held_bytes, &m->waiting, &m->waiting_bytes, &m->open_rows, &m->open_samples,
		&m->open_bytes, &m->dropped_batches, &m->dropped_samples, &m->fork_seq };

	for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++)
		*field[i] = r->col[1 + i].i;
}
