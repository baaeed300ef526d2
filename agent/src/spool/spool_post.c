/*
 * The outer half of the spool thread: posting requests, starting and stopping it.
 * (Series handles: spool_handles.c; results: spool_dispatch.c.)
 *
 * Nothing here waits for the disk: the mutex is held for pointer work and
 * copies only.  What the queue refuses is counted, and samples among it are
 * named in the ledger by the thread.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spool_thread_internal.h"

#define STACK_BYTES (1024 * 1024)

/* ---- posting ---- */

static struct post *
post_new(enum post_kind kind, size_t data_bytes)
{
	struct post *p = malloc(sizeof(*p) + data_bytes);

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->kind = kind;
	return p;
}

/*
 * What would leave a loss without a name, a boot without its time or a batch
 * outstanding for ever has as much room again: commits and questions of status,
 * which pile up while a disk hangs, must not take it.
 */
static bool
must_get_through(enum post_kind kind)
{
	switch (kind) {
	case POST_GAP:
	case POST_CLOCK:
	case POST_LINK_UP:
	case POST_LINK_DOWN:
	case POST_CLEAR:
	case POST_CLEAR_ALL:
	case POST_USAGE:
	case POST_HOLD:
		return true;
	case POST_TICK:
	case POST_EVENT:
	case POST_REPORT:
	case POST_COMMIT:
	case POST_HELLO:
	case POST_ANSWER:
	case POST_RECEIPT:
	case POST_QUESTION:
	case POST_OFFER:
	case POST_STATUS:
		break;
	}
	return false;
}

static bool
has_room(const struct spool_thread *t, const struct post *p)
{
	if (p->bytes == 0)
		return t->requests < SPOOL_THREAD_REQUESTS * (must_get_through(p->kind) ? 2 : 1);
	return t->queue_bytes + p->bytes <= t->queue_max;
}

static void
enqueue_locked(struct spool_thread *t, struct post *p)
{
	*t->tail = p;
	t->tail = &p->next;
	t->queue_bytes += p->bytes;
	t->requests += p->bytes == 0;
}

static void
refuse_locked(struct spool_thread *t, const struct post *p)
{
	struct refused *r = &t->refused[stream_index(p->stream)];

	if (p->kind == POST_EVENT)
		t->refused_events++;
	else
		t->refused_samples += p->n;
	/* What has a token is not accepted, and its giver knows. */
	if (is_report(p->kind) && p->token != 0)
		return;
	if (r->samples == 0 || p->boot_ms < r->first_ms)
		r->first_ms = p->boot_ms;
	if (r->samples == 0 || p->boot_ms > r->last_ms)
		r->last_ms = p->boot_ms;
	r->samples += p->n;
}

void
post_free(struct post *p)
{
	if (p == NULL)
		return;
	free(p->answer);
	free(p);
}

/* Takes p, NULL included. */
static int
post(struct spool_thread *t, struct post *p)
{
	int rc = BL_OK;

	if (p == NULL)
		return BL_ENOMEM;
	pthread_mutex_lock(&t->mtx);
	if (has_room(t, p) && !t->stopping) {
		enqueue_locked(t, p);
		p = NULL;
	} else {
		rc = BL_EFULL;
		if (p->kind == POST_TICK || is_report(p->kind))
			refuse_locked(t, p);
		else
			t->refused_requests++;
	}
	pthread_mutex_unlock(&t->mtx);
	if (p ==
	    NULL) /* outside, so that the thread does not wake up to a held mutex; cannot fail */
		(void)pthread_cond_signal(&t->wake);
	post_free(p);
	return rc;
}

static int
post_plain(struct spool_thread *t, enum post_kind kind)
{
	return post(t, post_new(kind, 0));
}

static int
post_copy(struct spool_thread *t, enum post_kind kind, const void *data, size_t len)
{
	struct post *p = post_new(kind, len);

	if (p != NULL)
		memcpy(p->data, data, len);
	return post(t, p);
}

/* ---- data ---- */

static bool
handles_ok(struct spool_thread *t, enum bl_stream stream, const struct spool_thread_sample *samples,
    uint32_t n)
{
	bool ok = true;

	pthread_mutex_lock(&t->mtx);
	for (uint32_t i = 0; i < n && ok; i++)
		ok = samples[i].handle >= 0 && samples[i].handle < t->n_handles &&
		     t->handles[samples[i].handle]->stream == stream;
	pthread_mutex_unlock(&t->mtx);
	return ok;
}

int
spool_thread_append(struct spool_thread *t, enum bl_stream stream, int64_t boot_ms,
    const struct spool_thread_sample *samples, uint32_t n)
{
	struct post *p;

	if (n == 0)
		return BL_OK;
	if (!stream_valid(stream) || n > BL_BATCH_SAMPLES_MAX || !handles_ok(t, stream, samples, n))
		return BL_EINVAL;
	if ((p = post_new(POST_TICK, n * sizeof(*samples))) == NULL)
		return BL_ENOMEM;
	p->stream = stream;
	p->boot_ms = boot_ms;
	p->n = n;
	p->bytes = sizeof(*p) + n * sizeof(*samples);
	memcpy(p->data, samples, n * sizeof(*samples));
	return post(t, p);
}

static size_t
event_text_bytes(const struct bl_event *ev)
{
	size_t n = ev->type.len + ev->id.len;

	for (uint32_t i = 0; i < ev->n_attrs; i++)
		n += ev->attr[i].key.len +
		     (ev->attr[i].type == BL_ATTR_TEXT ? ev->attr[i].text.len : 0);
	return n;
}

static void
move_text(struct bl_str *s, char **at)
{
	if (s->len > 0)
		memcpy(*at, s->p, s->len);
	s->p = *at;
	*at += s->len;
}

int
spool_thread_event(struct spool_thread *t, const struct bl_event *ev, uint64_t token)
{
	struct bl_event *copy;
	struct post *p;
	size_t bytes;
	char *text;

	if (ev->n_attrs > BL_ATTRS_MAX || (bytes = event_text_bytes(ev)) > BL_BATCH_WIRE_MAX / 2)
		return BL_EINVAL;
	if ((p = post_new(POST_EVENT, sizeof(*copy) + bytes)) == NULL)
		return BL_ENOMEM;
	if (token != 0 && (p->answer = result_new(RESULT_EVENT, 0)) == NULL) {
		post_free(p);
		return BL_ENOMEM;
	}
	if (token != 0)
		p->answer->token = token;
	copy = (struct bl_event *)p->data;
	text = (char *)(copy + 1);
	*copy = *ev;
	move_text(&copy->type, &text);
	move_text(&copy->id, &text);
	for (uint32_t i = 0; i < copy->n_attrs; i++) {
		move_text(&copy->attr[i].key, &text);
		if (copy->attr[i].type == BL_ATTR_TEXT)
			move_text(&copy->attr[i].text, &text);
	}
	if (copy->boot_ms == 0)
		copy->boot_ms = bl_boot_ms(t->clock);
	p->stream = BL_STREAM_EVENTS;
	p->boot_ms = copy->boot_ms;
	p->token = token;
	p->n = 1;
	p->bytes = sizeof(*p) + sizeof(*copy) + bytes;
	return post(t, p);
}

int
spool_thread_report(struct spool_thread *t, const struct spool_thread_report *r, uint64_t token)
{
	struct bl_series_def def;
	struct spool_thread_report *copy;
	struct post *p;
	char *text;

	if (!spool_thread_series_def(t, r->handle, &def) || !isfinite(r->value) ||
	    r->id.len > BL_EVENT_ID_MAX)
		return BL_EINVAL;
	if ((p = post_new(POST_REPORT, sizeof(*copy) + r->id.len)) == NULL)
		return BL_ENOMEM;
	if (token != 0 && (p->answer = result_new(RESULT_EVENT, 0)) == NULL) {
		post_free(p);
		return BL_ENOMEM;
	}
	if (token != 0)
		p->answer->token = token;
	copy = (struct spool_thread_report *)p->data;
	text = (char *)(copy + 1);
	*copy = *r;
	move_text(&copy->id, &text);
	p->stream = def.stream;
	p->boot_ms = r->boot_ms != 0 ? r->boot_ms : bl_boot_ms(t->clock);
	p->token = token;
	p->n = 1;
	p->bytes = sizeof(*p) + sizeof(*copy) + r->id.len;
	return post(t, p);
}

int
spool_thread_gap(struct spool_thread *t, const struct bl_gap *gap)
{
	struct post *p = post_new(POST_GAP, 0);

	if (p != NULL)
		p->u.gap = *gap;
	return post(t, p);
}

int
spool_thread_clock(struct spool_thread *t, const struct bl_clock_segment *seg)
{
	struct post *p = post_new(POST_CLOCK, 0);

	if (p != NULL)
		p->u.clock = *seg;
	return post(t, p);
}

bool
spool_thread_clock_told(const struct spool_thread *t, struct bl_clock_segment *out)
{
	*out = t->told;
	return t->has_told;
}

int
spool_thread_commit_probes(struct spool_thread *t, int64_t boot_ms, int64_t probes_from_ms)
{
	struct post *p = post_new(POST_COMMIT, 0);

	if (p != NULL) {
		p->boot_ms = boot_ms;
		p->u.probes_from_ms = probes_from_ms;
	}
	return post(t, p);
}

int
spool_thread_commit(struct spool_thread *t, int64_t boot_ms)
{
	return spool_thread_commit_probes(t, boot_ms, INT64_MAX);
}

/* ---- link ---- */

int
spool_thread_link_up(struct spool_thread *t)
{
	return post_plain(t, POST_LINK_UP);
}

int
spool_thread_link_down(struct spool_thread *t)
{
	return post_plain(t, POST_LINK_DOWN);
}

int
spool_thread_hello(struct spool_thread *t)
{
	return post_plain(t, POST_HELLO);
}

int
spool_thread_answer(struct spool_thread *t, const struct bl_receipt *r)
{
	return post_copy(t, POST_ANSWER, r, sizeof(*r));
}

int
spool_thread_receipt(struct spool_thread *t, const struct bl_receipt *r)
{
	return post_copy(t, POST_RECEIPT, r, sizeof(*r));
}

int
spool_thread_question(struct spool_thread *t, const struct bl_question *q)
{
	return post_copy(t, POST_QUESTION, q, sizeof(*q));
}

int
spool_thread_offer(struct spool_thread *t, const struct spool_want *want)
{
	struct post *p = post_new(POST_OFFER, 0);

	if (p != NULL)
		p->u.want = *want;
	return post(t, p);
}

int
spool_thread_clear(struct spool_thread *t, enum bl_stream stream, uint64_t seq)
{
	struct post *p = post_new(POST_CLEAR, 0);

	if (p != NULL) {
		p->stream = stream;
		p->token = seq;
	}
	return post(t, p);
}

int
spool_thread_clear_all(struct spool_thread *t)
{
	return post_plain(t, POST_CLEAR_ALL);
}

int
spool_thread_usage(struct spool_thread *t, const struct spool_usage_add *add)
{
	struct post *p = post_new(POST_USAGE, 0);

	if (p != NULL)
		p->u.usage = *add;
	return post(t, p);
}

void
spool_thread_shrink(struct spool_thread *t)
{
	atomic_store(&t->shrink, true);
}

int
spool_thread_hold(struct spool_thread *t, uint8_t streams)
{
	struct post *p = post_new(POST_HOLD, 0);

	if (p != NULL)
		p->n = streams;
	return post(t, p);
}

int
spool_thread_status(struct spool_thread *t, uint64_t token)
{
	struct post *p = post_new(POST_STATUS, 0);

	if (p != NULL)
		p->token = token;
	return post(t, p);
}

/* ---- life ---- */

static void
thread_free(struct spool_thread *t)
{
	struct post *p, *next;

	for (p = t->head; p != NULL; p = next) {
		next = p->next;
		post_free(p);
	}
	for (int32_t i = 0; i < t->n_handles; i++)
		free(t->handles[i]);
	free(t->handles);
	spool_close(t->spool);
	if (t->event_fd >= 0)
		(void)close(t->event_fd); /* a counter: nothing to lose */
	(void)pthread_cond_destroy(&t->wake);
	(void)pthread_mutex_destroy(&t->mtx);
	free(t);
}

static int
thread_alloc(struct spool_thread **out, const struct spool_thread_opts *opts,
    const struct spool_calls *calls, struct bl_err *err)
{
	struct spool_thread *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "spool thread: out of memory");
	/* None of these can fail with these arguments on Linux. */
	(void)pthread_mutex_init(&t->mtx, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	t->tail = &t->head;
	t->results_tail = &t->results;
	t->answers_tail = &t->answers;
	t->clock = opts->spool.clock;
	t->boot = opts->spool.boot;
	t->commit_ms = opts->spool.group_ms > SPOOL_THREAD_COMMIT_MS ? opts->spool.group_ms
								     : SPOOL_THREAD_COMMIT_MS;
	t->calls = *calls;
	t->queue_max = opts->queue_bytes != 0 ? opts->queue_bytes : SPOOL_THREAD_QUEUE_BYTES;
	t->committing = true;
	t->cut_mono_ms = t->trim_mono_ms = bl_mono_ms(t->clock);
	atomic_store(&t->turned_mono_ms, bl_mono_ms(t->clock));
	t->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->event_fd < 0) {
		const int rc = bl_fail_errno(err, BL_EIO, "spool thread: eventfd");

		thread_free(t);
		return rc;
	}
	*out = t;
	return BL_OK;
}

/* Signals are for the loop's thread. */
static int
thread_create(struct spool_thread *t)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	if ((rc = pthread_attr_init(&attr)) != 0)
		return rc;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* else the default: only bigger */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t->thread, &attr, spool_thread_run, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	if (rc == 0)
		(void)pthread_setname_np(t->thread, "spool"); /* a help in top */
	return rc;
}

int
spool_thread_open(struct spool_thread **out, const struct spool_thread_opts *opts,
    const struct spool_calls *calls, int *opened, struct bl_err *err)
{
	struct spool_recovery recovery;
	struct spool_thread *t = NULL;
	int rc;

	*out = NULL;
	*opened = 0;
	if ((rc = thread_alloc(&t, opts, calls, err)) < 0)
		return rc;
	if ((rc = spool_open(&t->spool, &opts->spool, err)) < 0) {
		thread_free(t);
		return rc;
	}
	*opened = rc;
	/* It is not known: the map begins anew, which says nothing wrong. */
	t->has_told = spool_clock_newest(t->spool, &opts->spool.boot, &t->told, NULL) == 1;
	spool_recovery(t->spool, &recovery);
	t->recovering = recovery.running;
	spool_covered(t->spool, 0); /* the loop says it; a commit's own time is no answer */
	*out = t;
	return BL_OK;
}

int
spool_thread_start(struct spool_thread **out, const struct spool_thread_opts *opts,
    const struct spool_calls *calls, int *opened, struct bl_err *err)
{
	struct spool_thread *t;
	int rc;

	if ((rc = spool_thread_open(out, opts, calls, opened, err)) < 0)
		return rc;
	t = *out;
	t->threaded = true;
	if ((rc = thread_create(t)) != 0) {
		errno = rc;
		rc = bl_fail_errno(err, BL_ENOMEM, "start the spool thread");
		thread_free(t);
		*out = NULL;
		return rc;
	}
	return BL_OK;
}

void
spool_thread_stop(struct spool_thread *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->mtx);
	t->stopping = true;
	(void)pthread_cond_signal(&t->wake); /* cannot fail on a good condition */
	pthread_mutex_unlock(&t->mtx);
	if (t->threaded) {
		(void)pthread_join(t->thread, NULL); /* it was created and is joined once */
	} else {
		(void)spool_thread_turn(t);
		spool_thread_finish(t);
	}
	spool_thread_dispatch(t);
	thread_free(t);
}
