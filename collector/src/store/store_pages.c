/*
 * SQLite's file format, as far as rows go: pages of B-trees, their cells, the
 * chains that long rows overflow into, and the frames of the write-ahead log.
 * (https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.1.)
 *
 * A page of the log stands beside the file's own: both are gone through, and a row
 * that is in both comes twice.  A chain is followed once through the newest pages
 * and, where the row's own sum does not agree, once through the file's own: so a
 * row comes twice here, too.  Whoever takes rows knows what he has already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_pages.h"

#define WAL_HEADER 32
#define WAL_FRAME  24
/* A row of ours holds a batch or a message set aside: 256 KiB and what stands around it. */
#define ROW_MAX (320u * 1024u)

struct pages {
	int fd, wal_fd; /* -1: there is none */
	uint64_t n_file, n_frames;
	uint32_t salt[2];
	/* Where the newest frame of a page is: frame + 1; 0: in the file. */
	uint32_t *newest;
	uint64_t n_newest;
	uint8_t page[PAGES_BYTES], over[PAGES_BYTES];
	struct bl_buf row;
};

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned
be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* ---- the two files ---- */

static int
open_file(const char *path, int *fd, uint64_t *bytes, struct bl_err *err)
{
	struct stat sb;

	*bytes = 0;
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return errno == ENOENT ? BL_OK
				       : bl_fail_errno(err, BL_EIO, "read damaged store %s", path);
	if (fstat(*fd, &sb) != 0)
		return bl_fail_errno(err, BL_EIO, "read damaged store %s", path);
	*bytes = (uint64_t)sb.st_size;
	return BL_OK;
}

/* What cannot be read counts as zeros: a bad sector takes one page. */
static void
read_at(int fd, uint8_t *buf, size_t n, uint64_t at)
{
	size_t have = 0;

	while (have < n) {
		const ssize_t r = pread(fd, buf + have, n - have, (off_t)(at + have));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		have += (size_t)r;
	}
	memset(buf + have, 0, n - have);
}

static uint64_t
frame_at(uint64_t frame)
{
	return WAL_HEADER + frame * (WAL_FRAME + PAGES_BYTES);
}

/* The frame belongs to the log's last round, as far as its header tells. */
static bool
frame_of_round(const struct pages *p, uint64_t frame, uint32_t *page_no)
{
	uint8_t h[WAL_FRAME];

	read_at(p->wal_fd, h, sizeof(h), frame_at(frame));
	*page_no = be32(h);
	return *page_no > 0 && be32(h + 8) == p->salt[0] && be32(h + 12) == p->salt[1];
}

/* Of the last round only: an overwritten log keeps the frames of the one before. */
static int
index_log(struct pages *p, struct bl_err *err)
{
	uint8_t h[WAL_HEADER];
	uint32_t no;

	read_at(p->wal_fd, h, sizeof(h), 0);
	p->salt[0] = be32(h + 16);
	p->salt[1] = be32(h + 20);
	/* A file that shrinks or grows by its log: as far as its highest page in there, within
	 * reason. */
	p->n_newest = p->n_file;
	for (uint64_t f = 0; f < p->n_frames; f++)
		if (frame_of_round(p, f, &no) && no > p->n_newest && no <= p->n_file + p->n_frames)
			p->n_newest = no;
	if ((p->newest = calloc(p->n_newest + 1, sizeof(*p->newest))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read damaged store: out of memory");
	for (uint64_t f = 0; f < p->n_frames; f++)
		if (frame_of_round(p, f, &no) && no <= p->n_newest)
			p->newest[no] = (uint32_t)(f + 1);
	return BL_OK;
}

int
pages_open(struct pages **out, const char *path, struct bl_err *err)
{
	char wal[4200];
	struct pages *p;
	uint64_t bytes, wal_bytes;
	int rc;

	*out = NULL;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return bl_fail(err, BL_ENOMEM, "read damaged store: out of memory");
	p->fd = p->wal_fd = -1;
	bl_buf_init(&p->row, ROW_MAX);
	(void)snprintf(wal, sizeof(wal), "%s-wal", path);
	if ((rc = open_file(path, &p->fd, &bytes, err)) < 0 ||
	    (rc = open_file(wal, &p->wal_fd, &wal_bytes, err)) < 0)
		goto fail;
	if (p->fd < 0 && p->wal_fd < 0) {
		rc = bl_fail(err, BL_ENOTFOUND, "damaged store %s is not there any more", path);
		goto fail;
	}
	p->n_file = (bytes + PAGES_BYTES - 1) / PAGES_BYTES;
	if (wal_bytes > WAL_HEADER) {
		p->n_frames = (wal_bytes - WAL_HEADER + PAGES_BYTES) / (WAL_FRAME + PAGES_BYTES);
		if ((rc = index_log(p, err)) < 0)
			goto fail;
	}
	*out = p;
	return BL_OK;

fail:
	pages_close(p);
	return rc;
}

void
pages_close(struct pages *p)
{
	if (p == NULL)
		return;
	if (p->fd >= 0)
		(void)close(p->fd); /* only read */
	if (p->wal_fd >= 0)
		(void)close(p->wal_fd);
	bl_buf_free(&p->row);
	free(p->newest);
	free(p);
}

uint64_t
pages_count(const struct pages *p)
{
	return p->n_file + p->n_frames;
}

/* Page number no, from 1. */
static void
read_page(const struct pages *p, uint64_t no, bool newest, uint8_t *buf)
{
	if (newest && no <= p->n_newest && p->newest != NULL && p->newest[no] > 0)
		read_at(p->wal_fd, buf, PAGES_BYTES, frame_at(p->newest[no] - 1u) + WAL_FRAME);
	else if (p->fd >= 0)
		read_at(p->fd, buf, PAGES_BYTES, (no - 1) * PAGES_BYTES);
	else
		memset(buf, 0, PAGES_BYTES);
}

/* ---- cells ---- */

/* Bytes used; 0: it reaches beyond the end. */
static size_t
varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 9 && p + i < end; i++) {
		if (i == 8) {
			*out = v << 8 | p[8];
			return 9;
		}
		v = v << 7 | (p[i] & 0x7fu);
		if ((p[i] & 0x80u) == 0) {
			*out = v;
			return i + 1;
		}
	}
	return 0;
}

/* How much of a payload of n bytes stands in the cell itself. */
static size_t
local_bytes(bool table, uint64_t n)
{
	const uint64_t most = table ? PAGES_BYTES - 35 : (PAGES_BYTES - 12) * 64 / 255 - 23;
	const uint64_t least = (PAGES_BYTES - 12) * 32 / 255 - 23;
	uint64_t k;

	if (n <= most)
		return (size_t)n;
	k = least + (n - least) % (PAGES_BYTES - 4);
	return (size_t)(k <= most ? k : least);
}

/* The rest of a long row; false: the chain ends too early. */
static bool
follow(struct pages *p, uint32_t no, size_t left, bool newest)
{
	while (left > 0) {
		const size_t n = left < PAGES_BYTES - 4 ? left : PAGES_BYTES - 4;

		if (no == 0 || (no > p->n_file && no > p->n_newest))
			return false;
		read_page(p, no, newest, p->over);
		bl_buf_bytes(&p->row, p->over + 4, n);
		no = be32(p->over);
		left -= n;
	}
	return !p->row.failed;
}

static int64_t
signed_be(const uint8_t *p, size_t n)
{
	uint64_t v = (p[0] & 0x80u) != 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

/* One value of a serial type; false: it reaches beyond the end. */
static bool
value_of(uint64_t type, const uint8_t **at, const uint8_t *end, struct pages_value *v)
{
	static const uint8_t width[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };
	uint64_t n;

	memset(v, 0, sizeof(*v));
	if (type == 10 || type == 11)
		return false;
	n = type >= 12 ? (type - 12) / 2 : width[type];
	if (n > (uint64_t)(end - *at))
		return false;
	if (type >= 12) {
		v->type = PAGES_BYTE_STRING;
		v->p = *at;
		v->n = (size_t)n;
	} else if (type == 0) {
		v->type = PAGES_NULL;
	} else if (type == 7) {
		v->type = PAGES_OTHER;
	} else {
		v->type = PAGES_INT;
		v->i = type >= 8 ? (int64_t)type - 8 : signed_be(*at, (size_t)n);
	}
	*at += n;
	return true;
}

static bool
row_of(const uint8_t *p, size_t n, struct pages_row *row)
{
	const uint8_t *const end = p + n;
	const uint8_t *types_end, *body;
	uint64_t header, type;
	size_t used = varint(p, end, &header);

	if (used == 0 || header < used || header > n)
		return false;
	types_end = body = p + header;
	for (p += used; p < types_end; p += used) {
		if (row->n == PAGES_COLUMNS || (used = varint(p, types_end, &type)) == 0 ||
		    !value_of(type, &body, end, &row->v[row->n++]))
			return false;
	}
	return row->n > 0;
}

struct cell {
	struct pages_row row;
	const uint8_t *local;
	size_t n_local;
	uint64_t payload;
	uint32_t chain; /* 0: the row is whole */
};

/* The cell at p; false: it does not lie within its page. */
static bool
cell_of(const uint8_t *p, const uint8_t *end, unsigned type, struct cell *c)
{
	const bool table = type == 0x0d;
	uint64_t rowid = 0;
	size_t used;

	memset(&c->row, 0, sizeof(c->row));
	c->chain = 0;
	if (type == 0x02) { /* an inner page of an index: its left child first */
		if (end - p < 4)
			return false;
		p += 4;
	}
	if ((used = varint(p, end, &c->payload)) == 0 || c->payload > ROW_MAX)
		return false;
	p += used;
	if (table) {
		if ((used = varint(p, end, &rowid)) == 0)
			return false;
		p += used;
		c->row.has_rowid = true;
		c->row.rowid = (int64_t)rowid;
	}
	c->n_local = local_bytes(table, c->payload);
	c->local = p;
	if ((size_t)(end - p) < c->n_local + (c->n_local < c->payload ? 4 : 0))
		return false;
	if (c->n_local < c->payload)
		c->chain = be32(p + c->n_local);
	return true;
}

static bool
long_row(struct pages *p, struct cell *c, bool newest, pages_row_fn fn, void *ctx)
{
	struct pages_row *const row = &c->row;

	bl_buf_reset(&p->row);
	bl_buf_bytes(&p->row, c->local, c->n_local);
	if (!follow(p, c->chain, (size_t)c->payload - c->n_local, newest))
		return true;
	row->n = 0;
	return !row_of(p->row.data, p->row.len, row) || fn(ctx, row);
}

bool
pages_rows(struct pages *p, uint64_t i, pages_row_fn fn, void *ctx)
{
	const uint8_t *const end = p->page + PAGES_BYTES;
	unsigned at, n, type;

	if (i < p->n_file)
		read_page(p, i + 1, false, p->page);
	else
		read_at(p->wal_fd, p->page, PAGES_BYTES, frame_at(i - p->n_file) + WAL_FRAME);
	/* The first page begins with the file's header, in the log as well. */
	at = memcmp(p->page, "SQLite format 3", 16) == 0 ? 100 : 0;
	type = p->page[at];
	if (type != 0x0d && type != 0x0a && type != 0x02)
		return true;
	n = be16(p->page + at + 3);
	at += type == 0x02 ? 12 : 8;
	for (unsigned k = 0; k < n && at + 2 * k + 2 <= PAGES_BYTES; k++) {
		const unsigned off = be16(p->page + at + 2 * k);
		struct cell c;

		if (off >= PAGES_BYTES || !cell_of(p->page + off, end, type, &c))
			continue;
		if (c.chain != 0) {
			if (!long_row(p, &c, true, fn, ctx) ||
			    (p->newest != NULL && !long_row(p, &c, false, fn, ctx)))
				return false;
		} else if (row_of(c.local, c.n_local, &c.row) && !fn(ctx, &c.row)) {
			return false;
		}
	}
	return true;
}
