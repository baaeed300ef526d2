/*
 * The thread that sends: rows that are due, one after the other, each with its own deadline.
 *
 * A row is marked after the other side's answer.  A crash in between sends it once more, with the
 * same id.  A channel that failed rests, longer each time, so that a dead receiver does not hold
 * up the others (deliver_due.c).
 */
#include "deliver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <sqlite3.h>

#include "branchline/fault.h"
#include "branchline/log.h"
#include "control_sql.h"
#include "deliver_internal.h"
#include "outbox.h"

#define IDLE_MS       1000
#define RETRY_BASE_MS 5000
#define GIVE_UP_MS    (3 * 86400000LL)

struct deliver {
	struct deliver_opts opts;
	sqlite3 *reader;
	struct define_set *set;
	struct deliver_rests rests;
	pthread_t thread;
	bool started;
	struct bl_log_limit limit;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool stopping, woken;
	struct deliver_status status;
};

/* ---- what became of it ---- */

struct mark {
	const struct deliver_row *row;
	const struct deliver_try *try;
	const char *state;
	int64_t now_unix_ms, due_unix_ms, give_up_ms;
	unsigned more; /* given up with it */
};

/* Those of a channel that rests are not tried one by one: what is as old goes with this one. */
static int
give_up_others(sqlite3 *db, struct mark *m, struct bl_err *err)
{
	const int rc = control_sql_run(db, err,
	    "UPDATE outbox SET state = 'given_up', answer = ? WHERE state = 'waiting' AND channel = ?"
	    " AND created_unix_ms < ?",
	    "tti", m->try->answer, m->row->channel, m->now_unix_ms - m->give_up_ms);

	m->more = rc < 0 ? 0 : (unsigned)sqlite3_changes(db);
	return rc;
}

static int
write_mark(struct control_tx *tx, void *ctx, struct bl_err *err)
{
	struct mark *m = ctx;
	const bool sent = m->try->outcome == DELIVER_SENT;
	sqlite3 *db = control_tx_db(tx);
	int rc;

	control_tx_unaudited(tx);
	rc = control_sql_run(db, err,
	    "UPDATE outbox SET state = ?, due_unix_ms = ?, tries = tries + 1,"
	    " sent_unix_ms = nullif(?, 0), answer = ? WHERE id = ? AND state = 'waiting'",
	    "tiiti", m->state, m->due_unix_ms, sent ? m->now_unix_ms : (int64_t)0, m->try->answer,
	    m->row->id);
	if (rc < 0 || strcmp(m->state, "given_up") != 0)
		return rc;
	return give_up_others(db, m, err);
}

static void
count(struct deliver *d, const struct mark *m)
{
	pthread_mutex_lock(&d->lock);
	d->status.sent += strcmp(m->state, "sent") == 0;
	d->status.refused += strcmp(m->state, "refused") == 0;
	d->status.given_up += (strcmp(m->state, "given_up") == 0) + m->more;
	d->status.retried += strcmp(m->state, "waiting") == 0;
	if (m->try->outcome == DELIVER_SENT)
		d->status.problem[0] = '\0';
	else
		(void)snprintf(
		    d->status.problem, sizeof(d->status.problem), "%.190s", m->try->answer);
	pthread_mutex_unlock(&d->lock);
}

static void
log_mark(struct deliver *d, const struct mark *m)
{
	unsigned swallowed = 0;

	if (m->try->outcome == DELIVER_SENT) {
		bl_info("deliver", "sent kind=%s channel=%s key=%s", m->row->kind, m->row->channel,
		    m->row->key);
		return;
	}
	if (!bl_log_allow(&d->limit, bl_mono_ms(d->opts.clock), 60000, &swallowed))
		return;
	bl_warn("deliver", "message %lld to channel %s was not sent: %s; %s (%u more like it)",
	    (long long)m->row->id, m->row->channel, m->try->answer,
	    strcmp(m->state, "waiting") == 0 ? "will try again" : m->state, swallowed);
}

/* How long until the next try, after so many. */
static int64_t
backoff(struct deliver *d, const struct deliver_try *t, int64_t tries)
{
	const int64_t base = d->opts.retry_base_ms > 0 ? d->opts.retry_base_ms : RETRY_BASE_MS;
	const int64_t in =
	    deliver_backoff_ms(base, tries, (uint32_t)bl_random_below(d->opts.clock, 1000));

	return t->retry_after_ms > in ? t->retry_after_ms : in;
}

/* What the channel's answer means for its other messages. */
static void
rest(struct deliver *d, const char *channel, const struct deliver_try *t, int64_t now_unix_ms)
{
	if (t->outcome != DELIVER_RETRY)
		deliver_worked(&d->rests, channel);
	else
		deliver_failed(&d->rests, channel,
		    now_unix_ms + backoff(d, t, deliver_failures(&d->rests, channel)));
}

static int
settle(struct deliver *d, const struct deliver_row *row, const struct deliver_try *t,
    struct bl_err *err)
{
	const struct control_actor actor = { "system", "" };
	const int64_t give_up = d->opts.give_up_ms > 0 ? d->opts.give_up_ms : GIVE_UP_MS;
	struct mark m = { .row = row,
		.try = t,
		.now_unix_ms = bl_unix_ms(d->opts.clock),
		.give_up_ms = give_up };
	int rc;

	m.due_unix_ms = t->outcome == DELIVER_RETRY
			  ? m.now_unix_ms + backoff(d, t, row->tries)
			  : m.now_unix_ms;
	m.state = t->outcome == DELIVER_SENT                            ? "sent"
		  : t->outcome == DELIVER_REFUSED                       ? "refused"
		  : m.now_unix_ms - row->created_unix_ms > give_up      ? "given_up"
									: "waiting";
	if ((rc = control_write(d->opts.control, &actor, write_mark, &m, err)) < 0)
		return rc;
	rest(d, row->channel, t, m.now_unix_ms);
	count(d, &m);
	log_mark(d, &m);
	return BL_OK;
}

/* ---- one message ---- */

static void
try_again(struct deliver_try *out, const char *why)
{
	memset(out, 0, sizeof(*out));
	out->outcome = DELIVER_RETRY;
	(void)snprintf(out->answer, sizeof(out->answer), "%s", why);
}

static void
send_webhook(struct deliver *d, const struct deliver_letter *l, struct deliver_try *out)
{
	char secret[DEFINE_SECRET_MAX + 1];
	struct bl_err err = { 0 };

	if (define_secret(d->reader, l->channel->head.id, secret, &err) < 0)
		try_again(out, "the channel has no secret to sign with");
	else
		deliver_webhook(&d->opts, l, secret, bl_unix_ms(d->opts.clock), out);
	explicit_bzero(secret, sizeof(secret));
}

static void
send_one(struct deliver *d, const struct deliver_row *row, struct deliver_try *out)
{
	const struct define_channel *channel = define_channel_newest(d->set, row->channel);
	struct deliver_letter l = { .key = row->key, .kind = row->kind, .facts = row->facts,
		.created_unix_ms = row->created_unix_ms, .channel = channel };
	struct deliver_text text;
	struct bl_err err = { 0 };

	if (channel == NULL || (!channel->head.enabled && strcmp(row->kind, "test") != 0)) {
		try_again(out, channel == NULL ? "there is no such channel" : "the channel is off");
		return;
	}
	if (deliver_render(
		&text, row->kind, row->facts, channel->language, d->opts.board_url, &err) < 0) {
		try_again(out, err.msg);
		if (err.code == BL_ECORRUPT)
			out->outcome = DELIVER_REFUSED;
		return;
	}
	l.text = &text;
	if (channel->kind == DEFINE_EMAIL)
		deliver_mail(&d->opts, &l, out);
	else
		send_webhook(d, &l, out);
	deliver_text_free(&text);
	(void)bl_fault_hit("deliver.sent"); /* the other side has it, we have not noted it */
}

/* ---- the thread ---- */

static int
refresh(struct deliver *d, struct bl_err *err)
{
	struct define_set *fresh;
	int64_t versions;
	int rc;

	if ((rc = define_versions(d->reader, &versions, err)) < 0)
		return rc;
	if (d->set != NULL && d->set->versions == versions)
		return BL_OK;
	if ((rc = define_set_load(&fresh, d->reader, err)) < 0)
		return rc;
	define_set_free(d->set);
	d->set = fresh;
	d->rests.n = 0; /* a channel may have been mended */
	return BL_OK;
}

static int
count_waiting(struct deliver *d, struct bl_err *err)
{
	int64_t waiting, oldest;
	int rc;

	if ((rc = control_sql_int(d->reader, err, 0, &waiting,
		 "SELECT count(*) FROM outbox WHERE state = 'waiting'", "")) < 0 ||
	    (rc = control_sql_int(d->reader, err, 0, &oldest,
		 "SELECT min(created_unix_ms) FROM outbox WHERE state = 'waiting'", "")) < 0)
		return rc;
	pthread_mutex_lock(&d->lock);
	d->status.waiting = waiting;
	d->status.oldest_waiting_unix_ms = oldest;
	pthread_mutex_unlock(&d->lock);
	return BL_OK;
}

static bool
is_stopping(struct deliver *d)
{
	bool stop;

	pthread_mutex_lock(&d->lock);
	stop = d->stopping;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

static bool
failed_before(const struct deliver_row *rows, const bool *failed, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (failed[k] && strcmp(rows[k].channel, rows[i].channel) == 0)
			return true;
	return false;
}

static int
send_rows(struct deliver *d, const struct deliver_row *rows, size_t n, struct bl_err *err)
{
	bool failed[DELIVER_BATCH] = { false };
	int rc = BL_OK;

	for (size_t i = 0; i < n && rc >= 0 && !is_stopping(d); i++) {
		struct deliver_try t;

		if (failed_before(rows, failed, i))
			continue;
		send_one(d, &rows[i], &t);
		failed[i] = t.outcome == DELIVER_RETRY;
		rc = settle(d, &rows[i], &t, err);
	}
	return rc;
}

/* How many were due. */
static int
round_once(struct deliver *d, struct bl_err *err)
{
	struct deliver_row rows[DELIVER_BATCH];
	size_t n = 0;
	int rc;

	if ((rc = refresh(d, err)) < 0)
		return rc;
	rc = deliver_due(rows, &n, d->reader, &d->rests, bl_unix_ms(d->opts.clock), err);
	if (rc >= 0)
		rc = send_rows(d, rows, n, err);
	deliver_rows_free(rows, n);
	if (rc >= 0)
		rc = count_waiting(d, err);
	return rc < 0 ? rc : (int)n;
}

static void
wait_for(struct deliver *d)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* exists on every kernel we run on */
	until.tv_sec += IDLE_MS / 1000;
	pthread_mutex_lock(&d->lock);
	while (!d->woken && !d->stopping)
		if (pthread_cond_timedwait(&d->wake, &d->lock, &until) != 0)
			break; /* something may be due by now */
	d->woken = false;
	pthread_mutex_unlock(&d->lock);
}

static void *
deliver_main(void *arg)
{
	struct deliver *d = arg;

	while (!is_stopping(d)) {
		struct bl_err err = { 0 };
		unsigned swallowed = 0;
		const int rc = round_once(d, &err);

		if (rc < 0 && bl_log_allow(&d->limit, bl_mono_ms(d->opts.clock), 60000, &swallowed))
			bl_error("deliver", "%s; messages wait, will try again in 1 s (%u more like it)",
			    err.msg, swallowed);
		if (rc < (int)DELIVER_BATCH)
			wait_for(d);
	}
	return NULL;
}

int
deliver_start(struct deliver **out, const struct deliver_opts *opts, struct bl_err *err)
{
	pthread_condattr_t attr;
	struct deliver *d;
	int rc;

	*out = NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || (d = calloc(1, sizeof(*d))) == NULL)
		return bl_fail(err, BL_ENOMEM, "start delivery: out of memory");
	d->opts = *opts;
	(void)pthread_mutex_init(&d->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&d->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	if ((rc = control_reader_open(opts->control, &d->reader, err)) < 0) {
		deliver_stop(d);
		return rc;
	}
	if ((rc = pthread_create(&d->thread, NULL, deliver_main, d)) != 0) {
		rc = bl_fail(err, BL_ENOMEM, "start delivery's thread: %s", strerror(rc));
		deliver_stop(d);
		return rc;
	}
	d->started = true;
	*out = d;
	return BL_OK;
}

void
deliver_stop(struct deliver *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	(void)pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	if (d->started)
		(void)pthread_join(d->thread, NULL);
	define_set_free(d->set);
	control_reader_close(d->reader);
	(void)pthread_cond_destroy(&d->wake);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	curl_global_cleanup();
}

void
deliver_wake(struct deliver *d)
{
	pthread_mutex_lock(&d->lock);
	d->woken = true;
	(void)pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

void
deliver_status(struct deliver *d, struct deliver_status *out)
{
	pthread_mutex_lock(&d->lock);
	*out = d->status;
	pthread_mutex_unlock(&d->lock);
}
