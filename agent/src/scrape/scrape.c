/*
 * The inlet `scrape`: its exporters, and the turns of the loop among them.
 *
 * One epoll set holds the sockets of all requests under way.  A turn reads TURN_BYTES
 * at most, and ends after TURN_MS, beginning with another exporter each time.
 */
#include "scrape_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MORE_SIZE  32u /* of the words for those that have no room */
#define READ_BYTES 8192u
#define TURN_BYTES (16u * READ_BYTES)
#define JOB_BYTES  (4u * READ_BYTES) /* of one exporter in a turn */
/*
 * And no longer than this: of 128 KiB of short lines that are all new each costs two thirds of a
 * microsecond or more, 17 ms together.  Looked at after each piece, which is a millisecond of them.
 */
#define TURN_MS 8

struct scrape {
	const struct inlet_host *host;
	int epoll_fd;
	unsigned n, turn;
	struct scrape_job *job;
	char buf[READ_BYTES];
};

static void
scrape_close(void *in)
{
	struct scrape *s = in;

	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n; i++)
		scrape_job_close(&s->job[i]);
	free(s->job);
	if (s->epoll_fd >= 0)
		(void)close(s->epoll_fd);
	free(s);
}

static int
jobs_open(struct scrape *s, const struct scrape_conf *conf, struct bl_err *err)
{
	const struct scrape_exporter_conf *e = conf->exporters.item;
	int rc;

	if ((s->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "scrape: watch sockets");
	if ((s->job = calloc(conf->exporters.n, sizeof(*s->job))) == NULL)
		return bl_fail(err, BL_ENOMEM, "scrape: out of memory");
	for (size_t i = 0; i < conf->exporters.n; i++) {
		s->n++;
		if ((rc = scrape_job_open(
			 &s->job[i], &e[i], s->host, s->epoll_fd, (unsigned)i, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
scrape_open(void **out, const void *conf, const struct inlet_host *host, struct bl_err *err)
{
	const struct scrape_conf *c = conf;
	struct scrape *s;
	int rc;

	*out = NULL;
	if (c->exporters.n == 0)
		return BL_OK;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "scrape: out of memory");
	s->host = host;
	s->epoll_fd = -1;
	if ((rc = jobs_open(s, c, err)) < 0) {
		scrape_close(s);
		return rc;
	}
	*out = s;
	return BL_OK;
}

static int
scrape_fd(const void *in)
{
	return ((const struct scrape *)in)->epoll_fd;
}

static int64_t
scrape_deadline(const void *in)
{
	const struct scrape *s = in;
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < s->n; i++) {
		const int64_t d = scrape_job_deadline(&s->job[i]);

		at = d < at ? d : at;
	}
	return at;
}

static void
scrape_serve(void *in)
{
	struct scrape *s = in;
	struct epoll_event ev[SCRAPE_EXPORTERS_MAX];
	const int n = epoll_wait(s->epoll_fd, ev, SCRAPE_EXPORTERS_MAX, 0);
	const int64_t until = bl_mono_ms(s->host->clock) + TURN_MS;
	size_t left = TURN_BYTES;

	for (int i = 0; i < n && left > 0 && (i == 0 || bl_mono_ms(s->host->clock) < until); i++) {
		struct scrape_job *j = ev[(s->turn + (unsigned)i) % (unsigned)n].data.ptr;
		size_t budget = left < JOB_BYTES ? left : JOB_BYTES;
		const size_t before = budget;

		scrape_job_step(j, s->buf, sizeof(s->buf), &budget, until);
		left -= before - budget;
	}
	s->turn++;
	/* After what is here: an answer that came while the loop was held up is none too late. */
	for (unsigned i = 0; i < s->n; i++)
		scrape_job_due(&s->job[i], bl_mono_ms(s->host->clock));
}

static unsigned
scrape_count(const void *in, struct inlet_count *out)
{
	const struct scrape *s = in;
	uint64_t refused[INTAKE_REASONS] = { 0 };
	struct scrape_counts c = { 0 };
	uint64_t pages = 0, failed = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		const struct scrape_job *j = &s->job[i];
		uint64_t one[INTAKE_REASONS];

		(void)intake_count(j->intake, one);
		for (unsigned r = 0; r < INTAKE_REASONS; r++)
			refused[r] += one[r];
		c.samples += j->counts.samples;
		c.bad_lines += j->counts.bad_lines;
		c.duplicates += j->counts.duplicates;
		c.late += j->counts.late;
		pages += j->scrapes;
		failed += j->failed;
	}
	out[n++] = (struct inlet_count){ "accepted", c.samples, false };
	out[n++] = (struct inlet_count){ "pages", pages, false };
	out[n++] = (struct inlet_count){ "failed_pages", failed, true };
	out[n++] = (struct inlet_count){ "bad_lines", c.bad_lines, true };
	out[n++] = (struct inlet_count){ "duplicates", c.duplicates, true };
	out[n++] = (struct inlet_count){ "late", c.late, true };
	for (unsigned r = 0; r < INTAKE_REASONS; r++)
		out[n++] = (struct inlet_count){ intake_reason_names[r], refused[r], true };
	return n;
}

/* Each that cannot be read, with why and since when, as far as there is room. */
static void
scrape_problem(const void *in, char *out, size_t size)
{
	const struct scrape *s = in;
	unsigned left = 0;
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < s->n; i++) {
		const struct scrape_job *j = &s->job[i];
		char since[BL_TIME_SIZE], one[sizeof(j->reason) + 160];
		int n;

		if (j->failing_unix_ms == 0)
			continue;
		bl_time_utc(j->failing_unix_ms, since);
		n = snprintf(one, sizeof(one), "%sexporter %s since %s: %s", len > 0 ? "; " : "",
		    j->conf->name, since, j->reason);
		if (n < 0 || (size_t)n >= sizeof(one) || len + (size_t)n + MORE_SIZE > size) {
			left++;
			continue;
		}
		memcpy(out + len, one, (size_t)n + 1);
		len += (size_t)n;
	}
	if (left > 0 && len + MORE_SIZE <= size)
		(void)snprintf(
		    out + len, size - len, "%s%u more cannot be read", len > 0 ? "; " : "", left);
}

const struct inlet_ops scrape_ops = {
	.name = "scrape",
	.open = scrape_open,
	.close = scrape_close,
	.fd = scrape_fd,
	.deadline = scrape_deadline,
	.serve = scrape_serve,
	.count = scrape_count,
	.problem = scrape_problem,
};
