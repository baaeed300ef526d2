/* See spool_kit.h. */
#include "folder.h"
#include "spool_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- clock ---- */

static int64_t
fake_boot_ms(void *ctx)
{
	return ((struct kit_clock *)ctx)->boot_ms;
}

static int64_t
fake_mono_ms(void *ctx)
{
	return ((struct kit_clock *)ctx)->mono_ms;
}

static int64_t
fake_unix_ms(void *ctx)
{
	return ((struct kit_clock *)ctx)->unix_ms;
}

static uint64_t
next_random(struct kit_clock *c)
{
	/* xorshift64*: any seed but 0 */
	c->rng ^= c->rng >> 12;
	c->rng ^= c->rng << 25;
	c->rng ^= c->rng >> 27;
	return c->rng * UINT64_C(2685821657736338717);
}

static void
fake_random(void *ctx, void *out, size_t len)
{
	uint8_t *p = out;

	while (len-- > 0)
		*p++ = (uint8_t)(next_random(ctx) >> 32);
}

static bool
fake_synced(void *ctx)
{
	(void)ctx;
	return true;
}

void
kit_clock_init(struct kit_clock *c, uint64_t seed)
{
	c->boot_ms = 100000;
	c->mono_ms = 100000;
	c->unix_ms = INT64_C(1790000000000);
	c->rng = seed != 0 ? seed : 1;
	c->clock = (struct bl_clock){ c, fake_boot_ms, fake_mono_ms, fake_unix_ms, fake_random,
		fake_synced };
}

void
kit_pass(struct kit_clock *c, int64_t ms)
{
	c->boot_ms += ms;
	c->mono_ms += ms;
	c->unix_ms += ms;
}

uint64_t
kit_random(struct kit_clock *c, uint64_t below)
{
	return (next_random(c) >> 16) % below;
}

/* ---- kit ---- */

int
kit_setup(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	kit_clock_init(&k->time, 20261122);
	folder_make(k->dir, "spool");
	(void)snprintf(k->path, sizeof(k->path), "%s/spool.db", k->dir);
	k->opts = (struct spool_opts){
		.path = k->path,
		.device = "till-1",
		.max_bytes = 16 * 1024 * 1024,
		.keep_receipted_ms = 72 * 3600 * INT64_C(1000),
		.clock = &k->time.clock,
		.software = "0.1.0",
	};
	k->opts.boot = bl_id_random(&k->time.clock);
	*state = k;
	return 0;
}

int
kit_teardown(void **state)
{
	struct kit *k = *state;

	spool_close(k->s);
	folder_remove(k->dir);
	free(k);
	return 0;
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

void
kit_declare(struct kit *k)
{
	static const char *const names[] = { "event_rate", "probe_up", "cpu_used_pct" };
	struct bl_err err = { 0 };

	for (unsigned i = 0; i < BL_STREAMS; i++)
		for (unsigned j = 0; j < KIT_SERIES; j++) {
			char label[8];
			struct bl_series_def def = {
				.stream = (enum bl_stream)(i + 1),
				.kind = BL_GAUGE,
				.interval_ms = 1000,
				.name = str(names[i]),
				.unit = str("1"),
				.n_labels = 1,
			};

			(void)snprintf(label, sizeof(label), "%u", j);
			def.label[0].key = str("k");
			def.label[0].value = str(label);
			assert_int_equal(spool_series(k->s, &def, &k->series[i][j], &err), BL_OK);
		}
}

void
kit_open(struct kit *k, int outcome)
{
	struct bl_err err = { 0 };
	const int rc = spool_open(&k->s, &k->opts, &err);

	if (rc != outcome)
		fail_msg("spool_open: %d (%s), expected %d", rc, err.msg, outcome);
	kit_declare(k);
}

void
kit_close(struct kit *k)
{
	spool_close(k->s);
	k->s = NULL;
}

/*
 * A child copies the files while they are as the parent has them on the disk;
 * the parent then closes (which changes its own files) and puts the copy back.
 */
void
kit_crash(struct kit *k)
{
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s/crash", k->dir);
	kit_copy_spool(k, copy);
	kit_close(k);
	kit_restore_spool(k, copy);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		k->appended[i] = k->accepted[i];
}

void
kit_reboot(struct kit *k)
{
	k->opts.boot = bl_id_random(&k->time.clock);
	k->time.boot_ms = 5000;
}

double
kit_value(unsigned series, int64_t n)
{
	return (double)series * 1000000.0 + (double)n;
}

void
kit_tick(struct kit *k, enum bl_stream stream)
{
	const unsigned i = (unsigned)stream - 1;
	struct spool_sample sm[KIT_SERIES];
	struct bl_err err = { 0 };
	const int64_t n = ++k->appended[i];

	kit_pass(&k->time, 1000);
	assert_true(n < KIT_SAMPLES);
	for (unsigned j = 0; j < KIT_SERIES; j++)
		sm[j] = (struct spool_sample){ k->series[i][j], BL_KNOWN, kit_value(j, n) };
	if (spool_append(k->s, stream, k->time.boot_ms, sm, KIT_SERIES, &err) != BL_OK)
		fail_msg("append: %s", err.msg);
}

void
kit_commit(struct kit *k)
{
	struct bl_err err = { 0 };
	uint64_t lost = 0;

	while (spool_commit(k->s, &lost, &err) != BL_OK)
		kit_replace(k, "commit", &err);
	assert_int_equal(lost, 0);
	memcpy(k->accepted, k->appended, sizeof(k->accepted));
}

void
kit_cut_all(struct kit *k)
{
	struct bl_err err = { 0 };
	unsigned cut = 0;

	while (spool_cut_all(k->s, &cut, &err) != BL_OK)
		kit_replace(k, "cut", &err);
	memcpy(k->accepted, k->appended, sizeof(k->accepted));
}

void
kit_replace(struct kit *k, const char *what, const struct bl_err *why)
{
	struct bl_err err = { 0 };

	if (!k->may_be_damaged || !spool_damaged(k->s) || k->replaced == 3)
		fail_msg("%s: %s", what, why->msg);
	k->replaced++;
	assert_int_equal(spool_replace(k->s, &err), SPOOL_REPLACED);
	kit_declare(k);
}

void
kit_salvage(struct kit *k)
{
	struct spool_recovery r;
	struct bl_err err = { 0 };
	bool more;

	spool_recovery(k->s, &r);
	for (unsigned i = 0; r.running; i++) {
		if (spool_trim(k->s, &more, &err) < 0 || i > 100000)
			kit_replace(k, "salvage", &err);
		spool_recovery(k->s, &r);
	}
}

void
kit_copy_file(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	int in, out;

	(void)unlink(to);
	if ((in = open(from, O_RDONLY)) < 0)
		return;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	assert_int_equal(n, 0);
	(void)close(in);
	assert_int_equal(close(out), 0);
}

static void
copy_with_log(const char *from, const char *to)
{
	char a[256], b[256];

	kit_copy_file(from, to);
	(void)snprintf(a, sizeof(a), "%s-wal", from);
	(void)snprintf(b, sizeof(b), "%s-wal", to);
	kit_copy_file(a, b);
}

/*
 * In a child: closing a descriptor of the file in this process would let go of
 * SQLite's locks on it.
 */
void
kit_copy_spool(struct kit *k, const char *to)
{
	const pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		copy_with_log(k->path, to);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void
kit_restore_spool(struct kit *k, const char *from)
{
	char shm[128];

	assert_null(k->s);
	(void)snprintf(shm, sizeof(shm), "%s-shm", k->path);
	(void)unlink(shm);
	copy_with_log(from, k->path);
}

int64_t
kit_file_bytes(const struct kit *k)
{
	char wal[128];
	struct stat a = { 0 }, b = { 0 };

	(void)snprintf(wal, sizeof(wal), "%s-wal", k->path);
	(void)stat(k->path, &a);
	(void)stat(wal, &b);
	return (int64_t)a.st_size + (int64_t)b.st_size;
}

/* ---- centre ---- */

struct centre *
centre_new(struct kit *k)
{
	struct centre *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->epoch = bl_id_random(&k->time.clock);
	return c;
}

static struct centre_spool *
spool_at(struct centre *c, const struct bl_id *id)
{
	for (unsigned i = 0; i < c->n_spools; i++)
		if (bl_id_equal(&c->spool[i].id, id))
			return &c->spool[i];
	assert_true(c->n_spools < CENTRE_SPOOLS);
	c->spool[c->n_spools].id = *id;
	return &c->spool[c->n_spools++];
}

static void
take_dict(struct centre *c, const struct spool_frame *f)
{
	struct bl_dict_reader r;
	struct bl_series_def def;
	struct centre_spool *sp;
	struct bl_err err = { 0 };
	struct bl_buf raw;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(bl_dict_decode(f->msg.data, f->msg.len, &r, &raw, &err), BL_OK);
	sp = spool_at(c, &r.spool);
	assert_true(r.first <= sp->dict_known + 1);
	while ((rc = bl_dict_next(&r, &def, &err)) == 1) {
		assert_true(def.id < 64);
		sp->number[def.id] = (int16_t)(((unsigned)def.stream - 1) * KIT_SERIES +
					       (unsigned)(def.label[0].value.p[0] - '0'));
		if (def.id > sp->dict_known)
			sp->dict_known = def.id;
	}
	assert_int_equal(rc, 0);
	bl_buf_free(&raw);
}

static void
take_clock(struct centre *c, const struct spool_frame *f)
{
	struct bl_clockmap_reader r;
	struct bl_err err = { 0 };
	struct centre_spool *sp;

	assert_int_equal(bl_clockmap_decode(f->msg.data, f->msg.len, &r, &err), BL_OK);
	sp = spool_at(c, &r.spool);
	assert_true(r.first <= sp->clock_known + 1);
	if (r.first + r.n - 1 > sp->clock_known)
		sp->clock_known = r.first + r.n - 1;
}

/* Values rise by one: a mean of neighbours says exactly whom it stands for. */
static unsigned
take_mean(struct centre *c, int number, double v, const struct bl_thin *t, bool count)
{
	const unsigned k = (unsigned)number % KIT_SERIES;
	const int64_t first = (int64_t)(t->min - kit_value(k, 0));
	const int64_t last = (int64_t)(t->max - kit_value(k, 0));
	unsigned fresh = 0;

	assert_true(first > 0 && last < KIT_SAMPLES && first + t->count - 1 == last);
	assert_true(v == (t->min + t->max) / 2);
	for (int64_t n = first; n <= last; n++) {
		uint8_t *times = &c->thinned[number / KIT_SERIES][k][n];

		fresh += *times == 0;
		*times = (uint8_t)(*times + count);
	}
	return fresh;
}

/* count false: only looks.  Returns how many of its samples had not come before. */
static unsigned
take_column(struct centre *c, struct centre_spool *sp, struct bl_batch_reader *r,
    const struct bl_column *col, bool count)
{
	struct bl_thin *thin = calloc(col->n, sizeof(*thin));
	int64_t *ms = calloc(col->n, sizeof(*ms));
	double *v = calloc(col->n, sizeof(*v));
	uint8_t *u = calloc(col->n, 1);
	struct bl_err err = { 0 };
	unsigned fresh = 0;
	int number;

	assert_true(ms != NULL && v != NULL && u != NULL && thin != NULL);
	assert_true(col->series_id < 64 && col->series_id <= sp->dict_known);
	number = sp->number[col->series_id];
	assert_int_equal(number / KIT_SERIES + 1, r->h->stream);
	assert_int_equal(bl_column_decode(r, col, ms, v, u, &err), BL_OK);
	assert_int_equal(bl_column_thin(r, col, v, u, thin, &err), BL_OK);
	for (uint32_t i = 0; i < col->n; i++) {
		if (thin[i].count > 1) {
			fresh += take_mean(c, number, v[i], &thin[i], count);
			continue;
		}
		const unsigned k = (unsigned)number % KIT_SERIES;
		const int64_t n = (int64_t)(v[i] - kit_value(k, 0));

		assert_int_equal(u[i], BL_KNOWN);
		assert_true(n > 0 && n < KIT_SAMPLES && v[i] == kit_value(k, n));
		fresh += c->seen[number / KIT_SERIES][k][n] == 0;
		c->seen[number / KIT_SERIES][k][n] += count;
	}
	free(thin);
	free(ms);
	free(v);
	free(u);
	return fresh;
}

/* As the store: what a device sent under another spool id is not stored again. */
static bool
came_before(struct centre *c, const struct bl_batch_header *h, const struct bl_buf *raw)
{
	struct centre_spool *sp = spool_at(c, &h->spool);
	struct bl_batch_reader r;
	struct bl_column col;
	struct bl_err err = { 0 };
	unsigned fresh = 0;

	if (sp == &c->spool[0] || h->n_samples == 0)
		return false;
	assert_int_equal(bl_batch_reader_init(&r, h, raw->data, raw->len, &err), BL_OK);
	while (bl_batch_next_column(&r, &col, &err) == 1)
		fresh += take_column(c, sp, &r, &col, false);
	return fresh == 0;
}

static void
take_content(struct centre *c, const struct bl_batch_header *h, const struct bl_buf *raw)
{
	struct centre_spool *sp = spool_at(c, &h->spool);
	struct bl_batch_reader r;
	struct bl_column col;
	struct bl_event ev;
	struct bl_gap gap;
	struct bl_err err = { 0 };

	assert_true(h->dict_version <= sp->dict_known);
	assert_int_equal(bl_batch_reader_init(&r, h, raw->data, raw->len, &err), BL_OK);
	while (bl_batch_next_column(&r, &col, &err) == 1)
		(void)take_column(c, sp, &r, &col, true);
	while (bl_batch_next_event(&r, &ev, &err) == 1)
		c->events++;
	while (bl_batch_next_gap(&r, &gap, &err) == 1) {
		if (bl_id_is_zero(&gap.spool))
			gap.spool = h->spool;
		assert_true(c->n_gaps < 1024);
		c->gap[c->n_gaps++] = gap;
	}
	assert_int_equal(err.code, 0);
}

static bool
supersedes(
    const struct centre_batch *b, const struct bl_id *spool, enum bl_stream stream, uint64_t seq)
{
	return b->h.kind == BL_BATCH_SUPERSEDES && b->stream == stream &&
	       bl_id_equal(&b->spool, spool) && b->h.supersedes_first <= seq &&
	       seq <= b->h.supersedes_last;
}

/* As the store: a batch that stands for others is for nothing when one of them is there. */
static bool
is_to_be_stored(const struct centre *c, const struct bl_batch_header *h)
{
	for (unsigned i = 0; i < c->n; i++) {
		const struct centre_batch *b = &c->batch[i];

		if (!b->stored || b->stream != h->stream || !bl_id_equal(&b->spool, &h->spool))
			continue;
		if (supersedes(b, &h->spool, h->stream, h->seq))
			return false;
		if (h->kind == BL_BATCH_SUPERSEDES && h->supersedes_first <= b->seq &&
		    b->seq <= h->supersedes_last)
			return false;
	}
	return true;
}

void
centre_take(struct centre *c, const struct spool_frame *f)
{
	bool store;
	struct bl_batch_header h;
	const uint8_t *body;
	size_t body_len;
	struct bl_err err = { 0 };
	struct bl_buf raw;

	if (f->type == BL_MSG_DICT) {
		take_dict(c, f);
		return;
	}
	if (f->type == BL_MSG_CLOCK) {
		take_clock(c, f);
		return;
	}
	assert_int_equal(
	    bl_batch_header_decode(f->msg.data, f->msg.len, &h, &body, &body_len, &err), BL_OK);
	assert_int_equal(h.stream, f->stream);
	assert_int_equal(h.seq, f->seq);
	assert_true(h.seq < h.next_seq && h.lowest_held <= h.seq);
	for (unsigned i = 0; i < c->n; i++)
		if (c->batch[i].stream == h.stream && c->batch[i].seq == h.seq &&
		    bl_id_equal(&c->batch[i].spool, &h.spool)) {
			c->duplicates++;
			c->conflicts += c->batch[i].crc32 != h.crc32;
			return;
		}
	store = is_to_be_stored(c, &h);
	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	assert_int_equal(bl_batch_inflate(&h, body, body_len, &raw, &err), BL_OK);
	if (store && !came_before(c, &h, &raw))
		take_content(c, &h, &raw);
	bl_buf_free(&raw);
	assert_true(c->n < CENTRE_BATCHES);
	c->batch[c->n++] = (struct centre_batch){ h.spool, h.stream, h.seq, h.crc32, h, store };
}

static bool
has_batch(const struct centre *c, const struct bl_id *spool, enum bl_stream stream, uint64_t seq)
{
	for (unsigned i = 0; i < c->n; i++)
		if ((c->batch[i].stream == stream && c->batch[i].seq == seq &&
			bl_id_equal(&c->batch[i].spool, spool)) ||
		    supersedes(&c->batch[i], spool, stream, seq))
			return true;
	return false;
}

/* True: the ledger says that it will never come. */
static bool
is_gone(const struct centre *c, const struct bl_id *spool, enum bl_stream stream, uint64_t seq)
{
	for (unsigned i = 0; i < c->n_gaps; i++)
		if (c->gap[i].stream == stream && c->gap[i].seq_first <= seq &&
		    seq <= c->gap[i].seq_last && bl_id_equal(&c->gap[i].spool, spool))
			return true;
	return false;
}

void
centre_receipt(
    const struct centre *c, const struct bl_id *spool, bool answer, struct bl_receipt *out)
{
	memset(out, 0, sizeof(*out));
	out->is_answer = answer;
	out->spool = *spool;
	out->epoch = c->epoch;
	out->credit_bytes_per_s = 100000;
	for (unsigned i = 0; i < c->n_spools; i++)
		if (bl_id_equal(&c->spool[i].id, spool)) {
			out->dict_version = c->spool[i].dict_known;
			out->clock_version = c->spool[i].clock_known;
		}
	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const enum bl_stream stream = (enum bl_stream)(i + 1);
		uint64_t seq = 1, top = 0;

		for (unsigned b = 0; b < c->n; b++)
			if (c->batch[b].stream == stream && c->batch[b].seq > top &&
			    bl_id_equal(&c->batch[b].spool, spool))
				top = c->batch[b].seq;
		while (has_batch(c, spool, stream, seq) || is_gone(c, spool, stream, seq))
			seq++;
		out->stream[i].contiguous = seq - 1;
		for (; seq <= top; seq++)
			if (has_batch(c, spool, stream, seq))
				(void)bl_ranges_add(&out->stream[i].beyond, seq, seq);
	}
}

void
centre_handshake(struct centre *c, struct kit *k)
{
	struct bl_err err = { 0 };
	struct bl_receipt r;
	struct bl_hello h;
	int rc = SPOOL_ANSWER_ROLLED_BACK;

	for (int turn = 0; rc == SPOOL_ANSWER_ROLLED_BACK && turn < 6; turn++) {
		if ((rc = spool_hello(k->s, &h, &err)) == BL_OK) {
			centre_receipt(c, &h.spool, true, &r);
			rc = spool_on_answer(k->s, &r, &err);
		}
		if (rc >= 0)
			continue;
		kit_replace(k, "handshake", &err);
		kit_salvage(k);
		rc = SPOOL_ANSWER_ROLLED_BACK;
	}
	assert_int_equal(rc, SPOOL_ANSWER_OK);
}

void
centre_drain(struct centre *c, struct kit *k)
{
	struct spool_frame frames[8];
	struct bl_err err = { 0 };
	struct spool_status st;
	struct bl_receipt r;
	unsigned n = 1;
	bool hello;

	kit_salvage(k);
	centre_handshake(c, k);
	while (n > 0) {
		struct spool_want want = { .live = true, .past_bytes = 65536, .max_frames = 8 };

		assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
		centre_receipt(c, &st.spool, false, &r);
		want.dict_known = r.dict_version;
		want.clock_known = r.clock_version;
		if (spool_offer(k->s, &want, frames, &n, &err) != BL_OK) {
			kit_replace(k, "offer", &err);
			centre_drain(c, k);
			return;
		}
		for (unsigned i = 0; i < n; i++) {
			centre_take(c, &frames[i]);
			bl_buf_free(&frames[i].msg);
		}
		centre_receipt(c, &st.spool, false, &r);
		if (spool_on_receipt(k->s, &r, &hello, &err) < 0) {
			kit_replace(k, "receipt", &err);
			centre_drain(c, k);
			return;
		}
		assert_false(hello);
	}
}

uint64_t
centre_lost(const struct centre *c, enum bl_stream stream, int reason)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < c->n_gaps; i++)
		if (c->gap[i].stream == stream && (reason == 0 || (int)c->gap[i].reason == reason))
			n += c->gap[i].samples;
	return n;
}

void
centre_assert_exact(const struct centre *c, enum bl_stream stream, int64_t upto)
{
	for (unsigned k = 0; k < KIT_SERIES; k++)
		for (int64_t n = 1; n < KIT_SAMPLES; n++)
			if (c->seen[(unsigned)stream - 1][k][n] != (n <= upto))
				fail_msg("stream %d series %u sample %lld of %lld came %u times",
				    (int)stream, k, (long long)n, (long long)upto,
				    c->seen[(unsigned)stream - 1][k][n]);
}

unsigned
centre_assert_touching(const struct centre *c, const struct bl_id *spool, enum bl_stream stream)
{
	const struct bl_batch_header *last = NULL;
	unsigned count = 0;

	for (uint64_t seq = 1;; seq++) {
		const struct bl_batch_header *h = NULL;

		for (unsigned i = 0; i < c->n; i++)
			if (c->batch[i].stream == stream && c->batch[i].seq == seq &&
			    bl_id_equal(&c->batch[i].spool, spool))
				h = &c->batch[i].h;
		if (h == NULL)
			return count;
		if (last != NULL && bl_id_equal(&last->boot, &h->boot))
			assert_int_equal(last->collect_end_ms, h->collect_begin_ms);
		last = h;
		count++;
	}
}
