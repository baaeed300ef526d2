/*
 * The inner half of the spool thread: works off what was posted, in order,
 * then what is due by time: commit, cut, trim, replace.
 *
 * Failures end here: they are logged (rate limited), shown in the status and
 * tried again; the thread itself ends only when it is told to.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spool_thread_internal.h"

#define TURN_MS          5000 /* at the latest, for the watchdog */
#define TRIM_MS          30000
#define TRIM_SLICES      8 /* in one turn; the queue comes first */
#define AFTER_ERR_MS     5000
#define REPLACE_AGAIN_MS 1000
#define SLICES_MS        50 /* of trimming and recovery in one turn: the queue comes first */

/* ---- failures ---- */

static void
trouble(struct spool_thread *t, const struct bl_err *err, const char *then)
{
	unsigned swallowed = 0;

	pthread_mutex_lock(&t->mtx);
	(void)snprintf(t->problem, sizeof(t->problem), "%s; %s", err->msg, then);
	pthread_mutex_unlock(&t->mtx);
	if (bl_log_allow(&t->problem_log, bl_mono_ms(t->clock), 60000, &swallowed))
		bl_error("spool", "%s (%u more like it)", t->problem, swallowed);
}

/* A damaged file is replaced; handles ask for their series again. */
static void
replace_if_damaged(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	struct result *r;

	if (!spool_damaged(t->spool) || bl_mono_ms(t->clock) < t->replace_mono_ms)
		return;
	if (spool_replace(t->spool, &err) < 0) {
		trouble(t, &err, "the spool is damaged and must be replaced, will try again");
		t->replace_mono_ms = bl_mono_ms(t->clock) + REPLACE_AGAIN_MS;
		return;
	}
	t->replaced++;
	t->trim_mono_ms = bl_mono_ms(t->clock);
	t->recovering = true;
	pthread_mutex_lock(&t->mtx);
	for (int32_t i = 0; i < t->n_handles; i++)
		t->handles[i]->id = 0;
	pthread_mutex_unlock(&t->mtx);
	if ((r = result_new(RESULT_REPLACED, sizeof(err.msg))) != NULL)
		(void)snprintf((char *)r->data, sizeof(err.msg), "%s", err.msg);
	result_post(t, r);
}

/* The recovery from a damaged spool is over. */
static void
tell_recovered(struct spool_thread *t)
{
	struct spool_recovery now;
	struct result *r;

	spool_recovery(t->spool, &now);
	if (!t->recovering || now.running)
		return;
	t->recovering = false;
	if ((r = result_new(RESULT_RECOVERED, sizeof(now))) != NULL)
		memcpy(r->data, &now, sizeof(now));
	result_post(t, r);
}

/* ---- commit ---- */

static void
commit_failed(struct spool_thread *t, int rc, const struct bl_err *err)
{
	if (t->committing) {
		t->committing = false;
		t->failing_since_unix_ms = bl_unix_ms(t->clock);
		t->failing_since_mono_ms = bl_mono_ms(t->clock);
	}
	t->trouble = spool_trouble_of(t->spool);
	if (rc != BL_ECORRUPT)
		trouble(t, err, "samples wait in memory, will try again");
	t->dirty = true;
	t->dirty_mono_ms = bl_mono_ms(t->clock) + AFTER_ERR_MS - t->commit_ms;
}

/* What the events that waited for a commit have become, all in one wake-up of the loop. */
static void
answer_all(struct spool_thread *t)
{
	struct result *last = t->answers;

	if (last == NULL)
		return;
	while (last->next != NULL)
		last = last->next;
	results_post(t, t->answers, last);
	t->answers = NULL;
	t->answers_tail = &t->answers;
	t->n_answers = 0;
}

static void
say_lost(struct spool_thread *t, uint64_t lost)
{
	unsigned swallowed;

	t->lost_unsaid += lost;
	if (t->lost_unsaid == 0 ||
	    !bl_log_allow(&t->lost_log, bl_mono_ms(t->clock), 60000, &swallowed))
		return;
	bl_warn("spool", "samples had no room in memory and are named in the ledger n=%llu",
	    (unsigned long long)t->lost_unsaid);
	t->lost_unsaid = 0;
}

static void
works_again(struct spool_thread *t)
{
	const int64_t ms = bl_mono_ms(t->clock) - t->failing_since_mono_ms;
	struct result *r = result_new(RESULT_WORKING, sizeof(ms));

	bl_info("spool", "commits work again after_ms=%lld", (long long)ms);
	t->trim_mono_ms = bl_mono_ms(t->clock); /* the reserve is made again */
	if (r == NULL)
		return;
	r->rc = (int)t->trouble;
	memcpy(r->data, &ms, sizeof(ms));
	result_post(t, r);
}

static void
commit(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	uint64_t lost = 0;
	int rc;

	rc = spool_commit(t->spool, &lost, &err);
	say_lost(t, lost);
	if (rc < 0) {
		commit_failed(t, rc, &err);
		return;
	}
	if (!t->committing)
		works_again(t);
	t->committing = true;
	t->trouble = SPOOL_FINE;
	t->failing_since_unix_ms = 0;
	pthread_mutex_lock(&t->mtx);
	t->problem[0] = '\0';
	pthread_mutex_unlock(&t->mtx);
	t->dirty = t->event_waits = false;
	answer_all(t);
	/* A flood is cut while it comes, not in one go at the end of the period. */
	if (cut_pressing(t->spool))
		t->cut_mono_ms = bl_mono_ms(t->clock);
}

static void
made_dirty(struct spool_thread *t)
{
	if (t->dirty)
		return;
	t->dirty = true;
	t->dirty_mono_ms = bl_mono_ms(t->clock);
}

/* ---- data ---- */

static uint32_t
series_of(struct spool_thread *t, int32_t number, struct bl_err *err)
{
	struct bl_series_def def;
	struct handle *h;
	uint32_t id = 0;

	pthread_mutex_lock(&t->mtx);
	h = t->handles[number]; /* was checked when it was posted */
	pthread_mutex_unlock(&t->mtx);
	if (h->id == 0 && def_decode(h->def, h->len, &def) == BL_OK &&
	    spool_series(t->spool, &def, &id, err) == BL_OK)
		h->id = id;
	return h->id;
}

static void
lost_tick(struct spool_thread *t, enum bl_gap_reason reason, enum bl_stream stream,
    int64_t first_ms, int64_t last_ms, uint64_t samples)
{
	const struct bl_gap gap = {
		.reason = reason,
		.stream = stream,
		.begin_boot = t->boot,
		.begin_boot_ms = first_ms,
		.end_boot = t->boot,
		.end_boot_ms = last_ms,
		.samples = samples,
	};
	struct bl_err err = { 0 };

	if (spool_gap(t->spool, &gap, &err) < 0)
		trouble(t, &err, "a loss is not named");
	made_dirty(t);
}

/* The samples whose series have an id; how many. */
static uint32_t
resolve(struct spool_thread *t, const struct post *p, struct spool_sample *out, struct bl_err *err)
{
	const struct spool_thread_sample *in = (const struct spool_thread_sample *)p->data;
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n; i++) {
		out[n].series_id = series_of(t, in[i].handle, err);
		out[n].unknown = in[i].unknown;
		out[n].value = in[i].value;
		n += out[n].series_id != 0;
	}
	return n;
}

static void
do_tick(struct spool_thread *t, const struct post *p)
{
	struct spool_sample *out = calloc(p->n, sizeof(*out));
	struct bl_err err = { 0 };
	uint32_t n = 0;
	int rc;

	if (out != NULL && (n = resolve(t, p, out, &err)) < p->n && spool_damaged(t->spool)) {
		replace_if_damaged(t); /* the tick goes into the new one */
		n = resolve(t, p, out, &err);
	}
	if (n < p->n) {
		if (out != NULL)
			trouble(t, &err, "samples without a series are named in the ledger");
		lost_tick(t, BL_GAP_OVERLOAD, p->stream, p->boot_ms, p->boot_ms, p->n - n);
	}
	if (n > 0 && (rc = spool_append(t->spool, p->stream, p->boot_ms, out, n, &err)) < 0 &&
	    rc != BL_EFULL) {
		trouble(t, &err, "the tick is named in the ledger");
		lost_tick(t, BL_GAP_OVERLOAD, p->stream, p->boot_ms, p->boot_ms, n);
	}
	free(out);
	made_dirty(t);
}

/* Somebody waits for it at the centre: cut soon. */
static void
cut_soon(struct spool_thread *t)
{
	const int64_t at = bl_mono_ms(t->clock) + SPOOL_CUT_EVENTS_MS;

	if (t->link_up && at < t->cut_mono_ms)
		t->cut_mono_ms = at;
}

static void
event_answer(struct spool_thread *t, struct post *p, int rc)
{
	struct result *r = p->answer;

	p->answer = NULL;
	r->rc = rc;
	if (rc < 0) {
		result_post(t, r);
		return;
	}
	*t->answers_tail = r;
	t->answers_tail = &r->next;
	t->n_answers++;
}

/* Into the spool: what spool_event or spool_report says. */
static int
take_report(struct spool_thread *t, const struct post *p, struct bl_err *err)
{
	const struct spool_thread_report *r = (const struct spool_thread_report *)p->data;
	struct spool_sample sample = { .unknown = BL_KNOWN };

	if (p->kind == POST_EVENT)
		return spool_event(t->spool, (const struct bl_event *)p->data, err);
	sample.value = r->value;
	if ((sample.series_id = series_of(t, r->handle, err)) == 0)
		return err->code < 0 ? err->code : BL_EIO;
	return spool_report(t->spool, p->stream, p->boot_ms, &sample, r->id, err);
}

static void
do_report(struct spool_thread *t, struct post *p)
{
	struct bl_err err = { 0 };
	int rc = BL_EFULL;

	if (p->token == 0 || t->n_answers < ANSWERS_MAX)
		rc = take_report(t, p, &err);
	if (rc == BL_ECORRUPT) {
		replace_if_damaged(t);
		rc = take_report(t, p, &err);
	}
	if (rc >= 0) {
		made_dirty(t);
		t->event_waits = true;
		if (p->kind == POST_EVENT)
			cut_soon(t);
	} else if (p->token == 0) {
		lost_tick(t, rc == BL_EFULL ? BL_GAP_DISK_FULL : BL_GAP_OVERLOAD, p->stream,
		    p->boot_ms, p->boot_ms, 1);
	}
	if (rc < 0)
		trouble(t, &err, "a report was not accepted");
	if (p->answer != NULL)
		event_answer(t, p, rc);
}

/* What the queue refused since the last turn. */
static void
name_refused(struct spool_thread *t)
{
	struct refused r[BL_STREAMS];

	pthread_mutex_lock(&t->mtx);
	memcpy(r, t->refused, sizeof(r));
	memset(t->refused, 0, sizeof(t->refused));
	pthread_mutex_unlock(&t->mtx);
	for (unsigned i = 0; i < BL_STREAMS; i++)
		if (r[i].samples > 0)
			lost_tick(t, BL_GAP_OVERLOAD, (enum bl_stream)(i + 1), r[i].first_ms,
			    r[i].last_ms, r[i].samples);
}

/* ---- cutting ---- */

static void
tell_cut(struct spool_thread *t, unsigned cut)
{
	struct result *r;

	if (cut == 0 || !t->link_up || (r = result_new(RESULT_CUT, 0)) == NULL)
		return;
	r->n = cut;
	result_post(t, r);
}

static void
cut_due(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	unsigned cut = 0;
	int64_t next_ms = 0;

	if (spool_cut_due(t->spool, t->link_up, &cut, &next_ms, &err) < 0) {
		trouble(t, &err, "will try again");
		next_ms = AFTER_ERR_MS;
	}
	t->cut_mono_ms = bl_mono_ms(t->clock) + (next_ms > 0 ? next_ms : 0);
	tell_cut(t, cut);
	/* Committed by what was cut: that is to be known, and takes no transaction. */
	if (t->dirty && pending_empty(t->spool))
		commit(t);
}

static void
trim(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	const int64_t began = bl_mono_ms(t->clock);
	bool more = true;

	for (unsigned i = 0; i < TRIM_SLICES && more; i++) {
		if (spool_trim(t->spool, &more, &err) < 0) {
			trouble(t, &err, "will try again");
			more = false;
		}
		if (bl_mono_ms(t->clock) - began > SLICES_MS)
			break;
	}
	tell_recovered(t);
	t->trim_mono_ms = bl_mono_ms(t->clock) + (more ? 0 : TRIM_MS);
}

/* ---- link ---- */

static void
do_link_up(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	unsigned cut = 0;

	spool_outstanding_clear_all(t->spool);
	spool_live_begins(t->spool);
	spool_connected(t->spool);
	made_dirty(t);
	t->link_up = true;
	if (spool_cut_all(t->spool, &cut, &err) < 0)
		trouble(t, &err, "the open span is cut later");
	cut_due(t); /* another period from here on */
	tell_cut(t, cut);
}

static void
do_hello(struct spool_thread *t)
{
	struct result *r = result_new(RESULT_HELLO, sizeof(struct bl_hello));
	struct spool_status st;
	struct bl_err err = { 0 };

	if (r == NULL)
		return;
	if (spool_hello(t->spool, (struct bl_hello *)r->data, &err) < 0) {
		/* The uplink asks again when it hears nothing. */
		trouble(t, &err, "no hello can be said");
		free(r);
		return;
	}
	r->token = spool_status(t->spool, &st, &err) == BL_OK ? st.connections : 0;
	result_post(t, r);
}

static void
do_answer(struct spool_thread *t, const struct post *p, enum result_kind kind)
{
	struct result *r = result_new(kind, sizeof(struct spool_outcome));
	struct spool_outcome *o;
	struct bl_err err = { 0 };

	if (r == NULL)
		return;
	o = (struct spool_outcome *)r->data;
	memcpy(&o->r, p->data, sizeof(o->r));
	if (kind == RESULT_ANSWER) {
		o->rc = spool_on_answer(t->spool, &o->r, &err);
		o->say_hello = o->rc == SPOOL_ANSWER_ROLLED_BACK;
	} else {
		o->rc = spool_on_receipt(t->spool, &o->r, &o->say_hello, &err);
	}
	o->more = o->rc == SPOOL_ANSWER_OK && !o->say_hello;
	if (o->rc < 0)
		trouble(t, &err, "the receipt was not taken, another follows");
	result_post(t, r);
}

static void
do_question(struct spool_thread *t, const struct post *p)
{
	struct result *r = result_new(RESULT_QUESTION, sizeof(struct question_result));
	struct question_result *q;
	struct bl_err err = { 0 };

	if (r == NULL)
		return;
	q = (struct question_result *)r->data;
	q->outcome.rc =
	    spool_on_question(t->spool, (const struct bl_question *)p->data, &q->gone, &err);
	q->outcome.more = q->outcome.rc == SPOOL_ANSWER_OK;
	if (q->outcome.rc < 0)
		trouble(t, &err, "the question stays unanswered, it will come again");
	result_post(t, r);
}

static void
do_offer(struct spool_thread *t, const struct post *p)
{
	struct result *r =
	    result_new(RESULT_FRAMES, SPOOL_THREAD_FRAMES_MAX * sizeof(struct spool_frame));
	struct spool_want want = p->u.want;
	struct bl_err err = { 0 };

	if (r == NULL)
		return;
	/* What it is about to send is placed by the newest map, not by what that corrects. */
	if (t->clock_waits)
		commit(t);
	t->clock_waits = false;
	if (want.max_frames > SPOOL_THREAD_FRAMES_MAX)
		want.max_frames = SPOOL_THREAD_FRAMES_MAX;
	if (spool_offer(t->spool, &want, (struct spool_frame *)r->data, &r->n, &err) < 0) {
		r->n = 0;
		trouble(t, &err, "nothing can be offered");
	}
	result_post(t, r);
}

/* ---- status ---- */

static void
do_status(struct spool_thread *t, uint64_t token)
{
	struct result *r = result_new(RESULT_STATUS, sizeof(struct spool_thread_status));
	struct spool_thread_status *st;
	struct bl_err err = { 0 };
	int n;

	if (r == NULL)
		return;
	st = (struct spool_thread_status *)r->data;
	r->token = token;
	st->spool_valid = spool_status(t->spool, &st->spool, &err) == BL_OK;
	n = spool_recent_gaps(t->spool, st->gap, SPOOL_THREAD_GAPS, &err);
	st->n_gaps = n > 0 ? (unsigned)n : 0;
	st->committing = t->committing;
	st->failing_since_unix_ms = t->failing_since_unix_ms;
	st->trouble = t->trouble;
	st->memory_bytes = spool_memory_bytes(t->spool);
	st->memory_max = spool_memory_max(t->spool);
	spool_recovery(t->spool, &st->recovery);
	(void)snprintf(st->aside, sizeof(st->aside), "%s", spool_aside(t->spool));
	st->replaced = t->replaced;
	(void)snprintf(
	    st->problem, sizeof(st->problem), "%s", t->problem[0] != '\0' ? t->problem : err.msg);
	pthread_mutex_lock(&t->mtx);
	st->refused_samples = t->refused_samples;
	st->refused_events = t->refused_events;
	st->refused_requests = t->refused_requests;
	pthread_mutex_unlock(&t->mtx);
	result_post(t, r);
}

/* ---- the turn ---- */

static void
work(struct spool_thread *t, struct post *p)
{
	struct bl_err err = { 0 };

	switch (p->kind) {
	case POST_TICK:
		do_tick(t, p);
		break;
	case POST_EVENT:
	case POST_REPORT:
		do_report(t, p);
		break;
	case POST_GAP:
		if (spool_gap(t->spool, &p->u.gap, &err) < 0)
			trouble(t, &err, "a gap is not in the ledger");
		made_dirty(t);
		break;
	case POST_CLOCK:
		if (spool_clock(t->spool, &p->u.clock, &err) < 0)
			trouble(t, &err, "a clock segment is not stored");
		t->clock_waits = true;
		made_dirty(t);
		break;
	case POST_COMMIT:
		spool_covered(t->spool, p->boot_ms);
		spool_open_from(t->spool, BL_STREAM_PROBES, p->u.probes_from_ms);
		if (!t->committing || !spool_group_waits(t->spool))
			commit(t);
		break;
	case POST_LINK_UP:
		do_link_up(t);
		break;
	case POST_LINK_DOWN:
		t->link_up = false;
		spool_outstanding_clear_all(t->spool);
		break;
	case POST_HELLO:
		do_hello(t);
		break;
	case POST_ANSWER:
		do_answer(t, p, RESULT_ANSWER);
		break;
	case POST_RECEIPT:
		do_answer(t, p, RESULT_RECEIPT);
		break;
	case POST_QUESTION:
		do_question(t, p);
		break;
	case POST_OFFER:
		do_offer(t, p);
		break;
	case POST_CLEAR:
		spool_outstanding_clear(t->spool, p->stream, p->token);
		break;
	case POST_CLEAR_ALL:
		spool_outstanding_clear_all(t->spool);
		break;
	case POST_STATUS:
		do_status(t, p->token);
		break;
	case POST_HOLD:
		spool_hold(t->spool, (uint8_t)p->n);
		t->cut_mono_ms = bl_mono_ms(t->clock); /* what may go again is cut now */
		break;
	case POST_USAGE:
		spool_usage_add(t->spool, &p->u.usage);
		break;
	}
	replace_if_damaged(t);
}

/* In how long something is due; at most this long. */
static int64_t
due_ms(const struct spool_thread *t, int64_t in)
{
	const int64_t now = bl_mono_ms(t->clock);

	if (t->dirty && t->dirty_mono_ms + t->commit_ms - now < in)
		in = t->dirty_mono_ms + t->commit_ms - now;
	if (t->cut_mono_ms - now < in)
		in = t->cut_mono_ms - now;
	if (t->trim_mono_ms - now < in)
		in = t->trim_mono_ms - now;
	return in > 0 ? in : 0;
}

static void
upkeep(struct spool_thread *t)
{
	const int64_t now = bl_mono_ms(t->clock);

	name_refused(t);
	if (t->dirty && now - t->dirty_mono_ms >= t->commit_ms)
		commit(t);
	if (now >= t->cut_mono_ms)
		cut_due(t);
	if (now >= t->trim_mono_ms)
		trim(t);
	db_tidy(t->spool, t->spool->wal_tidy_bytes);
	replace_if_damaged(t);
}

/* Waits for posts or the time. */
static void
wait(struct spool_thread *t, int64_t wait_ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* exists on every kernel we run on */
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&t->mtx);
	while (t->head == NULL && !t->stopping)
		if (pthread_cond_timedwait(&t->wake, &t->mtx, &until) != 0)
			break; /* the time has come */
	pthread_mutex_unlock(&t->mtx);
}

/* Everything posted so far. */
static struct post *
take(struct spool_thread *t, bool *stopping)
{
	struct post *list;

	pthread_mutex_lock(&t->mtx);
	list = t->head;
	t->head = NULL;
	t->tail = &t->head;
	t->queue_bytes = 0;
	t->requests = 0;
	*stopping = t->stopping && list == NULL;
	pthread_mutex_unlock(&t->mtx);
	return list;
}

/* True: it was the last one. */
static bool
turn(struct spool_thread *t)
{
	struct post *p, *next;
	bool stopping;

	p = take(t, &stopping);
	name_refused(t); /* before what was posted after it is worked off */
	if (atomic_exchange(&t->shrink, false))
		spool_shrink(t->spool);
	for (; p != NULL; p = next) {
		next = p->next;
		work(t, p);
		post_free(p);
	}
	/*
	 * Group commit: whoever waits for an "ok" waits for the disk alone, and
	 * what comes meanwhile is the next group.  A disk that fails is tried
	 * again in its own time.  Where ticks wait for each other events do not.
	 */
	if ((t->answers != NULL || (t->event_waits && t->commit_ms > SPOOL_THREAD_COMMIT_MS)) &&
	    t->committing)
		commit(t);
	upkeep(t);
	atomic_store(&t->turned_mono_ms, bl_mono_ms(t->clock));
	return stopping;
}

void
spool_thread_finish(struct spool_thread *t)
{
	struct bl_err err = { 0 };
	unsigned cut = 0;

	name_refused(t);
	commit(t);
	if (spool_cut_all(t->spool, &cut, &err) < 0)
		bl_warn("spool", "the open span stays open: %s", err.msg);
	/* Events that could not be committed were never accepted. */
	for (struct result *r = t->answers; r != NULL; r = r->next)
		r->rc = BL_EIO;
	answer_all(t);
	spool_close(t->spool);
	t->spool = NULL;
}

int64_t
spool_thread_turn(struct spool_thread *t)
{
	(void)turn(t); /* its end is spool_thread_stop */
	return due_ms(t, INT64_MAX);
}

bool
spool_thread_idle(struct spool_thread *t)
{
	return t->head == NULL && t->results == NULL;
}

size_t
spool_thread_unsafe(struct spool_thread *t)
{
	return t->queue_bytes + spool_memory_bytes(t->spool);
}

void *
spool_thread_run(void *arg)
{
	struct spool_thread *t = arg;

	do
		wait(t, due_ms(t, TURN_MS));
	while (!turn(t));
	spool_thread_finish(t);
	return NULL;
}
