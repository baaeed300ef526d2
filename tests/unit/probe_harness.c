/* Names and runs for tests of the prober. */
#include "probe_harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- names ---- */

static pthread_mutex_t names_mtx = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t names_cond = PTHREAD_COND_INITIALIZER;
static bool names_hang = true;
static unsigned names_hanging;
static struct sockaddr_in silent; /* accepts nobody */

static void
address(struct probe_addr *a, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;

	memset(a, 0, sizeof(*a));
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
	a->len = sizeof(*in);
}

int
lookup(const char *host, uint16_t port, struct probe_addr *out, unsigned max, unsigned *n)
{
	(void)max;
	*n = 0;
	if (strcmp(host, "nowhere.test") == 0)
		return EAI_NONAME;
	if (strcmp(host, "broken.test") == 0)
		return EAI_MEMORY;
	if (strcmp(host, "hang.test") == 0) {
		pthread_mutex_lock(&names_mtx);
		names_hanging++;
		while (names_hang)
			pthread_cond_wait(&names_cond, &names_mtx);
		names_hanging--;
		pthread_cond_broadcast(&names_cond);
		pthread_mutex_unlock(&names_mtx);
		return EAI_AGAIN;
	}
	if (strcmp(host, "second-unreachable.test") == 0)
		address(&out[(*n)++], "127.0.0.1", port);
	if (strstr(host, "unreachable.test") != NULL)
		address(&out[(*n)++], "255.255.255.255", port);
	if (strcmp(host, "two.test") == 0) /* nobody listens on the first */
		address(&out[(*n)++], "127.0.0.2", port);
	if (strcmp(host, "silent-first.test") == 0 || strcmp(host, "silent.test") == 0) {
		memcpy(&out[*n].ss, &silent, sizeof(silent));
		out[(*n)++].len = sizeof(silent);
	}
	if (*n == 0 || strcmp(host, "two.test") == 0 || strcmp(host, "silent-first.test") == 0)
		address(&out[(*n)++], "127.0.0.1", port);
	return 0;
}

void
names_start(void)
{
	uint16_t port = 0;
	socklen_t len = sizeof(silent);
	const int fd = listen_on("127.0.0.1", 0, &port);

	/* A queue of length 0 takes one connection; every further SYN is dropped. */
	getsockname(fd, (struct sockaddr *)&silent, &len);
	for (unsigned i = 0; i < 3; i++) {
		const int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		(void)connect(c, (struct sockaddr *)&silent, sizeof(silent));
	}
}

unsigned
names_hung(void)
{
	unsigned n;

	pthread_mutex_lock(&names_mtx);
	n = names_hanging;
	pthread_mutex_unlock(&names_mtx);
	return n;
}

void
names_release(void)
{
	pthread_mutex_lock(&names_mtx);
	names_hang = false;
	pthread_cond_broadcast(&names_cond);
	while (names_hanging > 0)
		pthread_cond_wait(&names_cond, &names_mtx);
	names_hang = true;
	pthread_mutex_unlock(&names_mtx);
}

/* ---- probes ---- */

static void
no_jitter(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
}

static atomic_llong jumped_ms;

static int64_t
jumping_mono_ms(void *ctx)
{
	return bl_clock_real()->mono_ms(ctx) + atomic_load(&jumped_ms);
}

const struct bl_clock *
harness_clock(void)
{
	static struct bl_clock clock;

	clock = *bl_clock_real();
	clock.random = no_jitter;
	clock.mono_ms = jumping_mono_ms;
	return &clock;
}

void
on_result(void *ctx, const struct probe_result *r)
{
	struct results *all = ctx;

	pthread_mutex_lock(&all->mtx);
	if (all->n < COUNT(all->r))
		all->r[all->n++] = *r;
	if (all->n == all->jump_after) /* between two runs: this is the prober's thread */
		atomic_fetch_add(&jumped_ms, 2 * 3600 * 1000);
	if (all->n < COUNT(all->r))
		atomic_fetch_add(&jumped_ms, all->jump_each_ms);
	if (all->after != NULL)
		all->after(all->n);
	pthread_cond_broadcast(&all->cond);
	pthread_mutex_unlock(&all->mtx);
}

void
results_init(struct results *all)
{
	memset(all, 0, sizeof(*all));
	pthread_mutex_init(&all->mtx, NULL);
	pthread_cond_init(&all->cond, NULL);
}

void
results_wait(struct results *all, unsigned n)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&all->mtx);
	while (all->n < n && rc == 0)
		rc = pthread_cond_timedwait(&all->cond, &all->mtx, &until);
	pthread_mutex_unlock(&all->mtx);
	if (rc != 0)
		fail_msg("%u of %u results after %d s", all->n, n, WAIT_S);
}

void
probe_set(struct probe *p, const char *url)
{
	memset(p, 0, sizeof(*p));
	strcpy(p->name, "p");
	snprintf(p->url, sizeof(p->url), "%s", url);
	strcpy(p->status, "200-399");
	p->conf.name = p->name;
	p->conf.url = p->url;
	p->conf.expect_status = p->status;
	p->conf.expect_body = p->body;
	p->conf.ca_file = p->ca;
	p->conf.interval_ms = 30000;
	p->conf.timeout_ms = 10000;
	p->conf.body_max_bytes = 65536;
	p->conf.verify = true;
}

void
probe_here(struct probe *p, const char *path)
{
	char url[300];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
	probe_set(p, url);
}

struct prober *
prober_of(const struct probe_conf *conf, size_t n, struct results *all)
{
	static struct bl_conf_list list;
	struct prober *p;
	struct bl_err err = { 0 };

	list = (struct bl_conf_list){ n, (void *)(uintptr_t)conf };
	if (prober_start_with(&p, &list, harness_clock(), lookup, on_result, all, &err) < 0)
		fail_msg("%s", err.msg);
	return p;
}

/* The first n results of one probe. */
struct probe_result
run(const struct probe *probe, unsigned n)
{
	static struct results all;
	struct prober *p;

	results_init(&all);
	p = prober_of(&probe->conf, 1, &all);
	results_wait(&all, n);
	prober_stop(p);
	return all.r[n - 1];
}

const char *
got(const struct probe_result *r)
{
	static char text[PROBE_CERTIFICATE_DAYS + 2];

	for (unsigned i = 0; i <= PROBE_CERTIFICATE_DAYS; i++)
		text[i] = "-Hml"[r->value[i].got];
	return text;
}

void
url_make(char *url, size_t size, const char *text)
{
	const char *mark = strstr(text, "%u");

	if (text[0] == '/')
		snprintf(url, size, "http://127.0.0.1:%u%s", server.port, text);
	else if (mark != NULL)
		snprintf(url, size, "%.*s%u%s", (int)(mark - text), text, server.port, mark + 2);
	else
		snprintf(url, size, "%s", text);
}
