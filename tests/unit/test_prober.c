/*
 * The prober against real sockets: a server in this process that misbehaves by
 * path, HTTPS servers with good and bad certificates (tests/data/probe), and a
 * name look-up that does what its name says.
 *
 * BL_TEST_COST=SECONDS measures instead what samplers and five kept probes cost.
 */
#include "probe_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sample.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_S   20 /* longest wait for something that must happen */

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- a server that does what the path says ---- */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	atomic_uint connections;
	atomic_uint open;
};

static struct server server;

static void
answer(int fd, const char *text)
{
	const size_t len = strlen(text);
	size_t at = 0;

	while (at < len) {
		const ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

static void
answer_body(int fd, const char *head, const char *body)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s", head,
	    strlen(body), body);
	answer(fd, text);
}

static void
answer_big(int fd, size_t bytes)
{
	char text[256];
	char block[1001];

	memset(block, 'x', 1000);
	block[1000] = '\0';
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes + 6);
	answer(fd, text);
	for (size_t n = 0; n < bytes; n += 1000)
		answer(fd, block);
	answer(fd, "needle");
}

static void
answer_in_bytes(int fd)
{
	static const char text[] =
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

	for (const char *p = text; *p != '\0'; p++) {
		const char one[2] = { *p, '\0' };

		answer(fd, one);
	}
}

static void
answer_headers_without_end(int fd)
{
	answer(fd, "HTTP/1.1 200 OK\r\n");
	for (unsigned i = 0; i < 4000; i++)
		answer(fd, "X-Header: xxxxxxxxxxxxxxxxxxxxxxxx\r\n");
}

/* True: the connection stays open. */
static bool
serve(int fd, const char *path, const char *request, unsigned nth)
{
	char text[128];

	if (strcmp(path, "/ok") == 0) {
		answer_body(fd, "", "hello needle");
	} else if (strncmp(path, "/status/", 8) == 0) {
		snprintf(
		    text, sizeof(text), "HTTP/1.1 %.3s x\r\nContent-Length: 0\r\n\r\n", path + 8);
		answer(fd, text);
	} else if (strcmp(path, "/connections") == 0) {
		snprintf(text, sizeof(text), "%u", atomic_load(&server.connections));
		answer_body(fd, "", text);
	} else if (strcmp(path, "/head") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	} else if (strcmp(path, "/chunked") == 0) {
		answer_in_bytes(fd);
	} else if (strcmp(path, "/until-close") == 0) {
		answer(fd, "HTTP/1.0 200 OK\r\n\r\nhello");
		return false;
	} else if (strcmp(path, "/header") == 0) {
		answer_body(fd, "",
		    strstr(request, "\r\nX-Test: yes\r\n") != NULL &&
			    strstr(request, "\r\nHost: other.example\r\n") != NULL &&
			    strstr(request, "127.0.0.1") == NULL
			? "needle"
			: "no");
	} else if (strcmp(path, "/redirect") == 0) {
		answer(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	} else if (strcmp(path, "/garbage") == 0) {
		answer(fd, "\x01\x02 rubbish");
	} else if (strcmp(path, "/huge-headers") == 0) {
		answer_headers_without_end(fd);
	} else if (strcmp(path, "/half-head") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nX-Half");
	} else if (strcmp(path, "/half-body") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
	} else if (strcmp(path, "/cut-body") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
		return false;
	} else if (strcmp(path, "/big") == 0) {
		answer_big(fd, 300000);
	} else if (strcmp(path, "/close") == 0) {
		return false;
	} else if (strcmp(path, "/close-after") == 0) {
		answer_body(fd, "", "hello");
		return false;
	} else if (strcmp(path, "/drop-second") == 0) {
		if (nth > 1)
			return false;
		answer_body(fd, "", "hello");
	} else if (strcmp(path, "/reset") == 0) {
		const struct linger hard = { 1, 0 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		return false;
	} /* "/silent": no word, until the client goes */
	return true;
}

/* Reads one request; false: the client is gone. */
static bool
request_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (strstr(buf, "\r\n\r\n") == NULL) {
		const ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
	}
	return true;
}

static void *
connection_main(void *arg)
{
	const int fd = (int)(intptr_t)arg;
	char request[4096];
	char path[256];
	bool open = true;

	for (unsigned nth = 1; open && request_read(fd, request, sizeof(request)); nth++) {
		const char *begin = strchr(request, ' ') + 1;

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(begin, " "), begin);
		open = serve(fd, path, request, nth);
	}
	close(fd);
	atomic_fetch_sub(&server.open, 1);
	return NULL;
}

static void *
server_main(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		pthread_t thread;

		atomic_fetch_add(&server.connections, 1);
		atomic_fetch_add(&server.open, 1);
		if (pthread_create(&thread, NULL, connection_main, (void *)(intptr_t)fd) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

static int
listen_on(const char *address, int backlog, uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t len = sizeof(in);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &in.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, backlog) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	*port = ntohs(in.sin_port);
	return fd;
}

static void
server_start(void)
{
	server.fd = listen_on("127.0.0.1", 64, &server.port);
	if (pthread_create(&server.thread, NULL, server_main, NULL) != 0)
		abort();
}

static void
server_stop(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
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

static int
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
	if (strcmp(host, "unreachable.test") == 0)
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

/* ---- running probes ---- */

static void
no_jitter(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0, len);
}

static struct bl_clock test_clock;

struct results {
	pthread_mutex_t mtx;
	pthread_cond_t cond;
	unsigned n;
	struct probe_result r[256];
};

static void
on_result(void *ctx, const struct probe_result *r)
{
	struct results *all = ctx;

	pthread_mutex_lock(&all->mtx);
	if (all->n < COUNT(all->r))
		all->r[all->n++] = *r;
	pthread_cond_broadcast(&all->cond);
	pthread_mutex_unlock(&all->mtx);
}

static void
results_init(struct results *all)
{
	memset(all, 0, sizeof(*all));
	pthread_mutex_init(&all->mtx, NULL);
	pthread_cond_init(&all->cond, NULL);
}

static void
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

struct probe {
	struct probe_conf conf;
	char name[16], url[300], status[32], body[64], ca[300];
};

static void
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

static void
probe_here(struct probe *p, const char *path)
{
	char url[300];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
	probe_set(p, url);
}

static struct prober *
prober_of(const struct probe_conf *conf, size_t n, struct results *all)
{
	static struct bl_conf_list list;
	struct prober *p;
	struct bl_err err = { 0 };

	results_init(all);
	list = (struct bl_conf_list){ n, (void *)(uintptr_t)conf };
	if (prober_start_with(&p, &list, &test_clock, lookup, on_result, all, &err) < 0)
		fail_msg("%s", err.msg);
	return p;
}

/* The first n results of one probe. */
static struct probe_result
run(const struct probe *probe, unsigned n)
{
	static struct results all;
	struct prober *p = prober_of(&probe->conf, 1, &all);

	results_wait(&all, n);
	prober_stop(p);
	return all.r[n - 1];
}

/* ---- one run each ---- */

/* One letter a value, in the order of enum probe_series: H have, - absent, m missing, l late. */
static const char *
got(const struct probe_result *r)
{
	static char text[PROBE_SERIES + 1];

	for (unsigned i = 0; i < PROBE_SERIES; i++)
		text[i] = "-Hml"[r->value[i].got];
	return text;
}

struct run_case {
	const char *url; /* %u is the server's port; path alone: http://127.0.0.1:port */
	enum probe_reason reason;
	int status;
	const char *got; /* up dns connect tls first transfer total status bytes match days */
	const char *detail;
	const char *expect_status, *expect_body;
	int method;
	double bytes;
};

static const struct run_case run_cases[] = {
	{ "/ok", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "/ok", PROBE_OK, 200, "H-H-HHHHHH-", "", NULL, "needle", PROBE_GET, 12 },
	{ "/ok", PROBE_FAIL_BODY, 200, "H-H-HHHHHH-", "expected text", NULL, "noodle", PROBE_GET,
	    12 },
	{ "/chunked", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 5 },
	{ "/until-close", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 5 },
	{ "/head", PROBE_OK, 200, "H-H-HHHH---", "", NULL, NULL, PROBE_HEAD, 0 },
	{ "/big", PROBE_OK, 200, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 65536 },
	{ "/big", PROBE_FAIL_BODY, 200, "H-H-HHHHHH-", "first 65536 bytes", NULL, "needle",
	    PROBE_GET, 65536 },
	{ "/redirect", PROBE_OK, 302, "H-H-HHHHH--", "", NULL, NULL, PROBE_GET, 0 },
	{ "/redirect", PROBE_FAIL_STATUS, 302, "H-H-HHHHH--", "status 302, expected 200", "200",
	    NULL, PROBE_GET, 0 },
	{ "/status/404", PROBE_FAIL_STATUS, 404, "H-H-HHHHH--", "status 404", NULL, NULL, PROBE_GET,
	    0 },
	{ "/status/503", PROBE_OK, 503, "H-H-HHHHH--", "", "200, 500-599", NULL, PROBE_GET, 0 },
	{ "/garbage", PROBE_FAIL_HTTP, 0, "H-H-Hmmmm--", "status line", NULL, NULL, PROBE_GET, 0 },
	{ "/huge-headers", PROBE_FAIL_HTTP, 200, "H-H-HmmHm--", "16 KiB", NULL, NULL, PROBE_GET,
	    0 },
	{ "/close", PROBE_FAIL_HTTP, 0, "H-H-mmmmm--", "before an answer", NULL, NULL, PROBE_GET,
	    0 },
	{ "/reset", PROBE_FAIL_HTTP, 0, "H-H-mmmmm--", "Connection reset", NULL, NULL, PROBE_GET,
	    0 },
	{ "/cut-body", PROBE_FAIL_HTTP, 200, "H-H-HmmHm--", "in the middle", NULL, NULL, PROBE_GET,
	    0 },
	{ "http://localhost:%u/ok", PROBE_OK, 200, "HHH-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "http://two.test:%u/ok", PROBE_OK, 200, "HHH-HHHHH--", "", NULL, NULL, PROBE_GET, 12 },
	{ "http://nowhere.test:%u/ok", PROBE_FAIL_DNS, 0, "Hmm-mmmmm--", "look up nowhere.test",
	    NULL, NULL, PROBE_GET, 0 },
	{ "http://unreachable.test:%u/ok", PROBE_FAIL_UNREACHABLE, 0, "HHm-mmmmm--",
	    "255.255.255.255", NULL, NULL, PROBE_GET, 0 },
	{ "http://broken.test:%u/ok", PROBE_FAIL_INTERNAL, 0, "mmm-mmmmm--", "look up broken.test",
	    NULL, NULL, PROBE_GET, 0 },
	{ "http://127.0.0.2:%u/ok", PROBE_FAIL_REFUSED, 0, "H-m-mmmmm--", "127.0.0.2", NULL, NULL,
	    PROBE_GET, 0 },
	{ "https://127.0.0.1:%u/garbage", PROBE_FAIL_TIMEOUT, 0, "H-Hllllll-l", "TLS handshake",
	    NULL, NULL, PROBE_GET, 0 },
};

static void
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

static void
case_check(const struct run_case *c, const struct probe_result *r)
{
	if (r->reason != c->reason || strcmp(got(r), c->got) != 0 ||
	    strstr(r->detail, c->detail) == NULL)
		fail_msg(
		    "%s: %s %s \"%s\"", c->url, probe_reason_name(r->reason), got(r), r->detail);
	if (c->reason != PROBE_FAIL_INTERNAL)
		assert_true(r->value[PROBE_UP].v == (c->reason == PROBE_OK ? 1 : 0));
	assert_int_equal(r->detail[0] == '\0', c->reason == PROBE_OK);
	if (r->value[PROBE_STATUS_CODE].got == PROBE_HAVE)
		assert_true(r->value[PROBE_STATUS_CODE].v == c->status);
	if (r->value[PROBE_BODY_BYTES].got == PROBE_HAVE)
		assert_true(r->value[PROBE_BODY_BYTES].v == c->bytes);
	for (unsigned i = PROBE_DNS_MS; i <= PROBE_TOTAL_MS; i++)
		if (r->value[i].got == PROBE_HAVE)
			assert_true(r->value[i].v >= 0 && r->value[i].v < WAIT_S * 1e3);
	assert_true(r->boot_ms > 0);
}

static void
each_server_gets_its_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(run_cases); i++) {
		const struct run_case *c = &run_cases[i];
		struct probe p;
		struct probe_result r;
		char url[300];

		url_make(url, sizeof(url), c->url);
		probe_set(&p, url);
		p.conf.method = c->method;
		if (c->expect_status != NULL)
			strcpy(p.status, c->expect_status);
		if (c->expect_body != NULL)
			strcpy(p.body, c->expect_body);
		if (c->reason == PROBE_FAIL_TIMEOUT)
			p.conf.timeout_ms = 200;
		r = run(&p, 1);
		case_check(c, &r);
	}
}

static void
headers_go_out_as_configured(void **state)
{
	static char key1[] = "X-Test";
	static char key2[] = "Host";
	static char value1[] = "yes";
	static char value2[] = "other.example";
	char *keys[] = { key1, key2 };
	char *values[] = { value1, value2 };
	struct probe p;

	(void)state;
	probe_here(&p, "/header");
	p.conf.headers = (struct bl_conf_strmap){ 2, keys, values };
	strcpy(p.body, "needle");
	assert_int_equal(run(&p, 1).reason, PROBE_OK);
}

/* ---- deadlines ---- */

static void
each_phase_has_its_deadline(void **state)
{
	static const struct {
		const char *url, *got, *detail;
	} c[] = {
		{ "/silent", "H-H-lllll--", "first byte" },
		{ "/half-head", "H-H-HllHl--", "rest of the answer" },
		{ "/half-body", "H-H-HllHl--", "rest of the answer" },
		{ "http://silent.test:%u/", "HHl-lllll--", "TCP connect" },
		{ "http://hang.test:%u/", "Hll-lllll--", "name look-up" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;
		char url[300];
		double begin;

		url_make(url, sizeof(url), c[i].url);
		probe_set(&p, url);
		p.conf.timeout_ms = 200;
		begin = now_ms();
		r = run(&p, 1);
		/* A half head has its status line, which says 200. */
		if (strcmp(got(&r), c[i].got) != 0 || r.reason != PROBE_FAIL_TIMEOUT ||
		    strstr(r.detail, c[i].detail) == NULL)
			fail_msg("%s: %s %s \"%s\"", c[i].url, probe_reason_name(r.reason), got(&r),
			    r.detail);
		assert_true(now_ms() - begin >= 199);
	}
}

static void
a_silent_address_leaves_time_for_the_next(void **state)
{
	struct probe p;
	struct probe_result r;
	char url[300];

	(void)state;
	url_make(url, sizeof(url), "http://silent-first.test:%u/ok");
	probe_set(&p, url);
	p.conf.timeout_ms = 600;
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_OK);
	assert_true(r.value[PROBE_CONNECT_MS].v >= 290 && r.value[PROBE_CONNECT_MS].v < 600);
}

static void
a_run_ends_when_the_next_is_due(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	probe_here(&p, "/silent");
	p.conf.interval_ms = 150;
	p.conf.timeout_ms = 10000;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 3);
	prober_stop(pr);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(all.r[i].reason, PROBE_FAIL_TIMEOUT);
	assert_in_range(all.r[2].boot_ms - all.r[0].boot_ms, 151, 5000);
}

static void
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

static void
a_hung_resolver_delays_nobody(void **state)
{
	static struct results all;
	static struct probe p[2];
	struct probe_conf conf[2];
	struct prober *pr;
	unsigned good = 0;
	unsigned full = 0;
	double begin;

	(void)state;
	probe_set(&p[0], "http://hang.test/");
	p[0].conf.interval_ms = 60;
	p[0].conf.timeout_ms = 30;
	probe_here(&p[1], "/ok");
	p[1].conf.interval_ms = 200;
	conf[0] = p[0].conf;
	conf[1] = p[1].conf;
	pr = prober_of(conf, 2, &all);
	results_wait(&all, 40);
	begin = now_ms();
	prober_stop(pr);
	assert_true(now_ms() - begin < 2000); /* with eight look-ups still hanging */

	for (unsigned i = 0; i < all.n; i++) {
		const struct probe_result *r = &all.r[i];

		if (r->probe == 1) {
			assert_int_equal(r->reason, PROBE_OK);
			good++;
		} else if (r->reason == PROBE_FAIL_DNS) {
			assert_non_null(strstr(r->detail, "too many"));
			full++;
		} else {
			assert_int_equal(r->reason, PROBE_FAIL_TIMEOUT);
		}
	}
	assert_true(good >= 5);
	assert_true(full >= 1);
	pthread_mutex_lock(&names_mtx);
	assert_in_range(names_hanging, 1, PROBE_LOOKUPS_MAX + 1); /* one of an earlier test */
	pthread_mutex_unlock(&names_mtx);
	names_release();
}

/* ---- kept connections ---- */

static void
a_kept_connection_is_used_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	const unsigned before = atomic_load(&server.connections);

	(void)state;
	probe_here(&p, "/connections");
	p.conf.keep_alive = true;
	p.conf.interval_ms = 200;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 5);
	prober_stop(pr);
	assert_false(all.r[0].reused);
	assert_string_equal(got(&all.r[0]), "H-H-HHHHH--");
	for (unsigned i = 1; i < 5; i++) {
		assert_true(all.r[i].reused);
		assert_int_equal(all.r[i].reason, PROBE_OK);
		assert_string_equal(got(&all.r[i]), "H---HHHHH--");
	}
	assert_int_equal(atomic_load(&server.connections) - before, 1);
}

static void
without_keep_alive_each_run_connects(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	const unsigned before = atomic_load(&server.connections);

	(void)state;
	probe_here(&p, "/ok");
	p.conf.interval_ms = 200;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 4);
	prober_stop(pr);
	assert_true(atomic_load(&server.connections) - before >= 4);
	for (unsigned i = 0; i < 4; i++)
		assert_false(all.r[i].reused);
}

static void
a_connection_that_the_server_gave_up_is_not_its_failure(void **state)
{
	static const char *const paths[] = { "/close-after", "/drop-second", "/until-close" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		static struct results all;
		struct prober *pr;
		struct probe p;

		probe_here(&p, paths[i]);
		p.conf.keep_alive = true;
		p.conf.interval_ms = 200;
		pr = prober_of(&p.conf, 1, &all);
		results_wait(&all, 6);
		prober_stop(pr);
		for (unsigned k = 0; k < 6; k++) {
			const struct probe_result *r = &all.r[k];

			if (r->reason != PROBE_OK || r->reused ||
			    strcmp(got(r), "H-H-HHHHH--") != 0)
				fail_msg("%s run %u: %s reused %d \"%s\"", paths[i], k, got(r),
				    r->reused, r->detail);
		}
	}
}

/* ---- TLS ---- */

static const char *const certificates[] = { "good", "expired", "future", "other-ca", "other-host",
	"self-signed" };

static struct {
	char dir[128];
	uint16_t port[COUNT(certificates)];
	pid_t pid;
	int to; /* its standard input: closing ends it */
	FILE *from;
} tls;

static void
tls_exec(int in, int out)
{
	static char files[2 * COUNT(certificates)][200];
	char *argv[3 + 2 * COUNT(certificates)] = { "/usr/bin/python3",
		BL_TEST_DATA "/probe/tls_server.py" };

	for (size_t i = 0; i < COUNT(certificates); i++) {
		snprintf(files[2 * i], sizeof(files[0]), "%s/%s.pem", tls.dir, certificates[i]);
		snprintf(files[2 * i + 1], sizeof(files[0]), "%s/%s.key", tls.dir, certificates[i]);
		argv[2 + 2 * i] = files[2 * i];
		argv[3 + 2 * i] = files[2 * i + 1];
	}
	dup2(in, 0);
	dup2(out, 1);
	execv(argv[0], argv);
	_exit(127);
}

static int
tls_start(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char text[300];
	int in[2];
	int out[2];
	unsigned n = 0;

	(void)state;
	snprintf(tls.dir, sizeof(tls.dir), "%s/bl-probe-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(tls.dir) == NULL || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	snprintf(text, sizeof(text), BL_TEST_DATA "/probe/make_certificates.sh %s", tls.dir);
	if (system(text) != 0)
		return -1;
	if ((tls.pid = fork()) == 0)
		tls_exec(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	tls.to = in[1];
	tls.from = fdopen(out[0], "r");
	while (fgets(text, sizeof(text), tls.from) != NULL && strcmp(text, "ready\n") != 0)
		tls.port[n++] = (uint16_t)strtoul(text + 5, NULL, 10);
	return n == COUNT(certificates) ? 0 : -1;
}

static int
tls_stop(void **state)
{
	DIR *dir = opendir(tls.dir);
	struct dirent *e;
	char path[500];

	(void)state;
	close(tls.to);
	waitpid(tls.pid, NULL, 0);
	fclose(tls.from);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", tls.dir, e->d_name);
		(void)unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	return rmdir(tls.dir);
}

static void
probe_tls(struct probe *p, const char *certificate, const char *host, const char *path)
{
	char url[300];

	for (size_t i = 0; i < COUNT(certificates); i++)
		if (strcmp(certificates[i], certificate) == 0)
			snprintf(url, sizeof(url), "https://%s:%u%s", host, tls.port[i], path);
	probe_set(p, url);
	snprintf(p->ca, sizeof(p->ca), "%s/trusted.pem", tls.dir);
}

static void
each_certificate_gets_its_verdict(void **state)
{
	static const struct {
		const char *certificate, *host;
		enum probe_reason reason;
		const char *detail;
		double days_from, days_to;
	} c[] = {
		{ "good", "localhost", PROBE_OK, "", 99, 100 },
		{ "good", "127.0.0.1", PROBE_OK, "", 99, 100 },
		{ "good", "elsewhere.test", PROBE_FAIL_CERTIFICATE, "another host", 99, 100 },
		{ "other-host", "localhost", PROBE_FAIL_CERTIFICATE,
		    "\"other-host\" is for another host than localhost", 99, 100 },
		{ "other-host", "127.0.0.1", PROBE_FAIL_CERTIFICATE, "another host", 99, 100 },
		{ "expired", "localhost", PROBE_FAIL_CERTIFICATE,
		    "has expired (valid until 2020-02-01)", -1e5, -1 },
		{ "future", "localhost", PROBE_FAIL_CERTIFICATE, "not valid yet (from 2090-01-01)",
		    1000, 1e5 },
		{ "other-ca", "localhost", PROBE_FAIL_CERTIFICATE,
		    "not signed by a trusted CA (issuer \"stranger\")", 99, 100 },
		{ "self-signed", "localhost", PROBE_FAIL_CERTIFICATE, "trusted CA", 99, 100 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(c); i++) {
		struct probe p;
		struct probe_result r;
		const bool literal = c[i].host[0] == '1';

		probe_tls(&p, c[i].certificate, c[i].host, "/ok");
		r = run(&p, 1);
		/* Good or bad, everything is measured. */
		if (r.reason != c[i].reason || strstr(r.detail, c[i].detail) == NULL ||
		    strcmp(got(&r), literal ? "H-HHHHHHH-H" : "HHHHHHHHH-H") != 0)
			fail_msg("%s %s: %s %s \"%s\"", c[i].certificate, c[i].host,
			    probe_reason_name(r.reason), got(&r), r.detail);
		assert_true(r.value[PROBE_TLS_MS].v > 0);
		assert_true(r.value[PROBE_STATUS_CODE].v == 200);
		assert_true(r.value[PROBE_CERTIFICATE_DAYS].v >= c[i].days_from &&
			    r.value[PROBE_CERTIFICATE_DAYS].v <= c[i].days_to);
	}
}

static void
without_verify_a_bad_certificate_is_fine(void **state)
{
	struct probe p;
	struct probe_result r;

	(void)state;
	probe_tls(&p, "expired", "localhost", "/ok");
	p.conf.verify = false;
	strcpy(p.ca, "/does/not/exist"); /* and is not even looked for */
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_OK);
	assert_true(r.value[PROBE_CERTIFICATE_DAYS].v < 0);
}

static void
a_missing_ca_file_is_named(void **state)
{
	struct probe p;
	struct probe_result r;

	(void)state;
	probe_tls(&p, "good", "localhost", "/ok");
	strcpy(p.ca, "/does/not/exist");
	r = run(&p, 1);
	assert_int_equal(r.reason, PROBE_FAIL_CERTIFICATE);
	assert_non_null(strstr(r.detail, "/does/not/exist"));
}

static void
a_changed_ca_file_is_read_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;
	char other[300];

	(void)state;
	probe_tls(&p, "good", "localhost", "/ok");
	p.conf.interval_ms = 400;
	snprintf(p.ca, sizeof(p.ca), "%s/changing.pem", tls.dir);
	snprintf(other, sizeof(other), "%s/stranger.pem", tls.dir);
	assert_int_equal(symlink(other, p.ca), 0);
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 1);
	assert_int_equal(unlink(p.ca), 0);
	snprintf(other, sizeof(other), "%s/trusted.pem", tls.dir);
	assert_int_equal(symlink(other, p.ca), 0);
	results_wait(&all, all.n + 2);
	prober_stop(pr);
	assert_int_equal(all.r[0].reason, PROBE_FAIL_CERTIFICATE);
	assert_int_equal(all.r[all.n - 1].reason, PROBE_OK);
}

static void
a_kept_tls_connection_is_used_again(void **state)
{
	static struct results all;
	struct prober *pr;
	struct probe p;

	(void)state;
	probe_tls(&p, "good", "127.0.0.1", "/connections");
	p.conf.keep_alive = true;
	p.conf.interval_ms = 300;
	pr = prober_of(&p.conf, 1, &all);
	results_wait(&all, 4);
	prober_stop(pr);
	assert_string_equal(got(&all.r[0]), "H-HHHHHHH-H");
	for (unsigned i = 1; i < 4; i++) {
		assert_true(all.r[i].reused);
		assert_string_equal(got(&all.r[i]), "H---HHHHH-H");
	}
}

static void
tls_against_a_plain_server_is_said_so(void **state)
{
	struct probe p;
	struct probe_result r;
	char url[300];

	(void)state;
	/* Our server waits for the end of a request that never comes in TLS; this one talks first.
	 */
	static const char banner[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	uint16_t port = 0;
	const int fd = listen_on("127.0.0.1", 4, &port);
	static struct results all;
	struct prober *pr;
	int c;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	probe_set(&p, url);
	pr = prober_of(&p.conf, 1, &all);
	c = accept(fd, NULL, NULL);
	assert_true(c >= 0);
	assert_int_equal(send(c, banner, sizeof(banner) - 1, 0), sizeof(banner) - 1);
	results_wait(&all, 1);
	prober_stop(pr);
	close(c);
	close(fd);
	r = all.r[0];
	assert_int_equal(r.reason, PROBE_FAIL_TLS);
	assert_non_null(strstr(r.detail, "plain HTTP"));
	assert_string_equal(got(&r), "H-Hmmmmmm-m");
}

/* ---- many, none, and wrong ones ---- */

static void
many_probes_run_at_once(void **state)
{
	static struct results all;
	static struct probe p[PROBES_MAX];
	static struct probe_conf conf[PROBES_MAX];
	struct prober *pr;
	double begin;

	(void)state;
	for (unsigned i = 0; i < PROBES_MAX; i++) {
		probe_here(&p[i], i % 2 == 0 ? "/silent" : "/ok");
		p[i].conf.timeout_ms = 300;
		conf[i] = p[i].conf;
	}
	begin = now_ms();
	pr = prober_of(conf, PROBES_MAX, &all);
	results_wait(&all, PROBES_MAX);
	assert_true(now_ms() - begin < 32 * 300); /* not one after the other */
	prober_stop(pr);
	for (unsigned i = 0; i < PROBES_MAX; i++)
		assert_int_equal(
		    all.r[i].reason, all.r[i].probe % 2 == 0 ? PROBE_FAIL_TIMEOUT : PROBE_OK);
}

static void
a_prober_without_probes_starts_and_stops(void **state)
{
	const struct bl_conf_list none = { 0, NULL };
	struct bl_err err = { 0 };
	struct prober *p;

	(void)state;
	assert_int_equal(prober_start(&p, &none, &test_clock, on_result, NULL, &err), BL_OK);
	prober_stop(p);
	prober_stop(NULL);
}

static void
what_cannot_run_is_refused_by_name(void **state)
{
	struct probe p;
	struct bl_err err = { 0 };
	struct prober *pr;
	const struct bl_conf_list one = { 1, &p.conf };
	const struct bl_conf_list many = { PROBES_MAX + 1, NULL };

	(void)state;
	probe_set(&p, "gopher://x/");
	assert_int_equal(prober_start(&pr, &one, &test_clock, on_result, NULL, &err), BL_EINVAL);
	assert_null(pr);
	assert_non_null(strstr(err.msg, "probe p: url"));
	assert_int_equal(prober_start(&pr, &many, &test_clock, on_result, NULL, &err), BL_EFULL);
}

static void
a_prober_stops_in_the_middle_of_anything(void **state)
{
	static const char *const urls[] = { "/silent", "/half-body", "/big", "http://hang.test/",
		"http://silent.test/", "/ok" };

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		static struct results all;
		struct probe p;
		char url[300];
		double begin;
		struct prober *pr;

		url_make(url, sizeof(url), urls[i]);
		probe_set(&p, url);
		pr = prober_of(&p.conf, 1, &all);
		begin = now_ms();
		prober_stop(pr);
		assert_true(now_ms() - begin < 2000);
	}
	names_release();
}

static void
the_systems_resolver_is_used_in_life(void **state)
{
	static struct results all;
	struct probe p;
	struct bl_err err = { 0 };
	struct prober *pr;
	const struct bl_conf_list list = { 1, &p.conf };
	char url[300];

	(void)state;
	url_make(url, sizeof(url), "http://localhost:%u/ok");
	probe_set(&p, url);
	results_init(&all);
	assert_int_equal(prober_start(&pr, &list, &test_clock, on_result, &all, &err), BL_OK);
	results_wait(&all, 1);
	prober_stop(pr);
	assert_int_equal(all.r[0].reason, PROBE_OK);
	assert_int_equal(all.r[0].value[PROBE_DNS_MS].got, PROBE_HAVE);
}

static int
start(void **state)
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
	server_start();
	return tls_start(state);
}

static int
stop(void **state)
{
	names_release();
	server_stop();
	return tls_stop(state);
}

/* ---- what it costs ---- */

struct cost_sink {
	unsigned n;
	char key[512][160];
};

static int32_t
cost_declare(void *ctx, const struct bl_series_def *def)
{
	struct cost_sink *s = ctx;

	(void)def;
	return (int32_t)s->n++;
}

static void
cost_put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	(void)handle;
	(void)value;
}

static void
cost_unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	(void)handle;
	(void)reason;
}

static void
cost_event(void *ctx, const struct bl_event *ev)
{
	(void)ctx;
	(void)ev;
}

static double
thread_cpu_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static _Atomic(double) prober_cpu_ms;

static void
cost_result(void *ctx, const struct probe_result *r)
{
	if (r->reason != PROBE_OK)
		fprintf(stderr, "%s\n", r->detail);
	atomic_store(&prober_cpu_ms, thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID));
	atomic_fetch_add((atomic_uint *)ctx, 1);
}

/* Samplers once a second, five kept probes once a second, for so many seconds. */
static int
cost(unsigned seconds)
{
	static struct probe p[5];
	static struct probe_conf conf[5];
	static struct cost_sink sink_state;
	struct sample_sink sink = { &sink_state, cost_declare, cost_put, cost_unknown, cost_event };
	const struct bl_conf_list list = { 5, conf };
	struct sampler *s[8];
	void *sconf[8];
	struct bl_err err = { 0 };
	atomic_uint results = 0;
	struct prober *pr;
	double sampling = 0;
	double first_ms = 0;
	unsigned first_n = 0;

	server_start();
	for (unsigned i = 0; i < 5; i++) {
		probe_here(&p[i], "/ok");
		p[i].conf.keep_alive = true;
		p[i].conf.interval_ms = 1000;
		conf[i] = p[i].conf;
	}
	for (unsigned i = 0; samplers[i] != NULL; i++) {
		struct bl_conf_errors errors = { 0 };
		const char *text = strcmp(samplers[i]->kind, "network") == 0
				       ? "{loopback: true, virtual: true, max_interfaces: 256}"
				       : "{}";

		sconf[i] = calloc(1, samplers[i]->options->size);
		if (bl_conf_parse("cost", text, strlen(text), samplers[i]->options, sconf[i],
			&errors, &err) < 0 ||
		    samplers[i]->open(&s[i], sconf[i], "", 10000, &err) < 0)
			return 1;
	}
	if (prober_start(&pr, &list, bl_clock_real(), cost_result, &results, &err) < 0)
		return 1;
	for (unsigned tick = 0; tick < seconds; tick++) {
		const double before = thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID);

		for (unsigned i = 0; samplers[i] != NULL; i++)
			(void)samplers[i]->sample(s[i], tick * 1000, &sink, &err);
		if (tick > 0)
			sampling += thread_cpu_ms(CLOCK_THREAD_CPUTIME_ID) - before;
		sleep(1);
		if (tick == 4) {
			first_ms = atomic_load(&prober_cpu_ms);
			first_n = atomic_load(&results);
		}
	}
	printf("series %u\nsampling_tick %.4f ms\nprobe_run %.4f ms\n", sink_state.n,
	    sampling / (seconds - 1),
	    (atomic_load(&prober_cpu_ms) - first_ms) / (atomic_load(&results) - first_n));
	prober_stop(pr);
	for (unsigned i = 0; samplers[i] != NULL; i++) {
		samplers[i]->close(s[i]);
		bl_conf_release(samplers[i]->options, sconf[i]);
		free(sconf[i]);
	}
	server_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_server_gets_its_verdict),
		cmocka_unit_test(headers_go_out_as_configured),
		cmocka_unit_test(each_phase_has_its_deadline),
		cmocka_unit_test(a_silent_address_leaves_time_for_the_next),
		cmocka_unit_test(a_run_ends_when_the_next_is_due),
		cmocka_unit_test(a_hung_resolver_delays_nobody),
		cmocka_unit_test(a_kept_connection_is_used_again),
		cmocka_unit_test(without_keep_alive_each_run_connects),
		cmocka_unit_test(a_connection_that_the_server_gave_up_is_not_its_failure),
		cmocka_unit_test(each_certificate_gets_its_verdict),
		cmocka_unit_test(without_verify_a_bad_certificate_is_fine),
		cmocka_unit_test(a_missing_ca_file_is_named),
		cmocka_unit_test(a_changed_ca_file_is_read_again),
		cmocka_unit_test(a_kept_tls_connection_is_used_again),
		cmocka_unit_test(tls_against_a_plain_server_is_said_so),
		cmocka_unit_test(many_probes_run_at_once),
		cmocka_unit_test(a_prober_without_probes_starts_and_stops),
		cmocka_unit_test(what_cannot_run_is_refused_by_name),
		cmocka_unit_test(a_prober_stops_in_the_middle_of_anything),
		cmocka_unit_test(the_systems_resolver_is_used_in_life),
	};
	const char *seconds = getenv("BL_TEST_COST");

	test_clock = *bl_clock_real();
	test_clock.random = no_jitter;
	if (seconds != NULL)
		return cost((unsigned)strtoul(seconds, NULL, 10));
	return cmocka_run_group_tests(tests, start, stop);
}
