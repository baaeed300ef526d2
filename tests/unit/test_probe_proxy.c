/*
 * HTTP probes through a proxy: what it is told and what not, what its refusals are
 * called, and phases.  Proxies by script first, then tinyproxy in front of TLS
 * servers.
 */
#include "probe_play.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

#define USER        "till"
#define PASSWORD    "open sesame"
#define BASIC       "Proxy-Authorization: Basic dGlsbDpvcGVuIHNlc2FtZQ==\r\n"
#define SERVER_AUTH "Authorization: Basic bWU6c2VydmVyIHNlY3JldA=="

static struct {
	char dir[FOLDER_MAX];
	char password[FOLDER_MAX + 20], wrong[FOLDER_MAX + 20], open[FOLDER_MAX + 20];
	char server_secret[FOLDER_MAX + 20];
	char ca[FOLDER_MAX + 20];
	uint16_t port[2]; /* TLS servers: a good certificate, one that has expired */
	pid_t pid;
	int to; /* its standard input: closing ends it */
} tls;

static void
put_secret(char *path, size_t size, const char *name, const char *text, mode_t mode)
{
	FILE *f;

	snprintf(path, size, "%s/%s", tls.dir, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0)
		abort();
}

static void
tls_exec(int in, int out)
{
	static char files[4][FOLDER_MAX + 20];
	static const char *const name[] = { "good.pem", "good.key", "expired.pem", "expired.key" };
	char *argv[] = { "/usr/bin/python3", BL_TEST_DATA "/probe/tls_server.py", files[0],
		files[1], files[2], files[3], NULL };

	for (size_t i = 0; i < COUNT(files); i++)
		snprintf(files[i], sizeof(files[0]), "%s/%s", tls.dir, name[i]);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(in, 0);
	dup2(out, 1);
	execv(argv[0], argv);
	_exit(127);
}

static int
start(void **state)
{
	char text[300];
	int in[2], out[2];
	unsigned n = 0;
	FILE *from;

	(void)state;
	folder_make(tls.dir, "probe-proxy");
	put_secret(tls.password, sizeof(tls.password), "password", PASSWORD "\n", 0600);
	put_secret(tls.wrong, sizeof(tls.wrong), "wrong", "guess\n", 0600);
	put_secret(tls.open, sizeof(tls.open), "open", PASSWORD "\n", 0644);
	put_secret(tls.server_secret, sizeof(tls.server_secret), "server", "server secret\n", 0600);
	snprintf(tls.ca, sizeof(tls.ca), "%s/trusted.pem", tls.dir);
	snprintf(text, sizeof(text), BL_TEST_DATA "/probe/make_certificates.sh %s", tls.dir);
	if (system(text) != 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	if ((tls.pid = fork()) == 0)
		tls_exec(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	tls.to = in[1];
	if ((from = fdopen(out[0], "r")) == NULL)
		return -1;
	while (fgets(text, sizeof(text), from) != NULL && strcmp(text, "ready\n") != 0)
		if (n < COUNT(tls.port))
			tls.port[n++] = (uint16_t)strtoul(text + 5, NULL, 10);
	fclose(from);
	server_start();
	return n == COUNT(tls.port) ? 0 : -1;
}

static int
stop(void **state)
{
	int status;

	(void)state;
	server_stop();
	close(tls.to);
	waitpid(tls.pid, &status, 0);
	folder_remove(tls.dir);
	return 0;
}

/* A probe with everything in its request that may be nobody else's. */
struct asked {
	struct probe p;
	char proxy[80];
	char *key[1], *value[1];
};

static void
ask_through(struct asked *a, const char *url, uint16_t port, bool signs_in)
{
	probe_set(&a->p, url);
	snprintf(a->proxy, sizeof(a->proxy), "http://127.0.0.1:%u", port);
	a->p.conf.proxy.url = a->proxy;
	if (signs_in) {
		a->p.conf.proxy.user = (char *)(uintptr_t)USER;
		a->p.conf.proxy.secret_file = tls.password;
	}
	snprintf(a->p.ca, sizeof(a->p.ca), "%s", tls.ca);
}

static void
with_secrets_of_the_server(struct asked *a)
{
	a->key[0] = (char *)(uintptr_t) "X-Till";
	a->value[0] = (char *)(uintptr_t) "own token";
	a->p.conf.headers = (struct bl_conf_strmap){ 1, a->key, a->value };
	a->p.conf.auth = PROBE_AUTH_BASIC;
	a->p.conf.user = (char *)(uintptr_t) "me";
	a->p.conf.secret_file = tls.server_secret;
	a->p.conf.method = PROBE_POST;
	a->p.conf.body = (char *)(uintptr_t) "own body";
}

/* ---- proxies by script ---- */

#define SAY(text)                                                                                  \
	{                                                                                          \
		{ PLAY_HEAR, "\r\n\r\n", 0 }, { PLAY_SAY, text, 0 },                               \
		{                                                                                  \
			PLAY_CLOSE, NULL, 0                                                        \
		}                                                                                  \
	}
#define FAILED "up=0 connect tls? first? transfer? total? status? bytes? days? proxy?"

static const struct {
	const char *what;
	struct play_step steps[5];
	enum probe_reason reason;
	const char *values, *detail;
} tunnels[] = {
	{ "it wants to know who",
	    SAY("HTTP/1.1 407 Proxy Authentication Required\r\n"
		"Proxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno"),
	    PROBE_FAIL_PROXY, FAILED, "wants a user and password (status 407)" },
	{ "it forbids", SAY("HTTP/1.0 403 Filtered\r\n\r\n<html>"), PROBE_FAIL_PROXY, FAILED,
	    "does not let us to shop.test (status 403)" },
	{ "it cannot reach the server", SAY("HTTP/1.1 502 Bad Gateway\r\n\r\n"), PROBE_FAIL_PROXY,
	    FAILED, "cannot reach shop.test (status 502)" },
	{ "it is late itself", SAY("HTTP/1.1 504 x\r\n\r\n"), PROBE_FAIL_PROXY, FAILED,
	    "cannot reach shop.test (status 504)" },
	{ "it says what we do not know", SAY("HTTP/1.1 418 x\r\n\r\n"), PROBE_FAIL_PROXY, FAILED,
	    "refuses the way to shop.test (status 418)" },
	{ "a redirect is no tunnel", SAY("HTTP/1.1 302 x\r\nLocation: http://login.test/\r\n\r\n"),
	    PROBE_FAIL_PROXY, FAILED, "(status 302)" },
	{ "it speaks of its own accord", SAY("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx"),
	    PROBE_FAIL_PROXY, FAILED, "says more than that the way is open" },
	{ "another service", SAY("SSH-2.0-x\r\n"), PROBE_FAIL_PROXY, FAILED,
	    "answers something else: the answer does not begin with an HTTP/1 status line" },
	{ "it goes away", { { PLAY_HEAR, "\r\n\r\n", 0 }, { PLAY_CLOSE, NULL, 0 } },
	    PROBE_FAIL_PROXY, FAILED, "closed the connection before it had answered" },
	{ "in the middle of a word", SAY("HTTP/1.1 200"), PROBE_FAIL_PROXY, FAILED,
	    "closed the connection before it had answered" },
	{ "it breaks off", { { PLAY_HEAR, "\r\n\r\n", 0 }, { PLAY_RESET, NULL, 0 } },
	    PROBE_FAIL_PROXY, FAILED, "Connection reset by peer" },
	{ "it does not stop",
	    { { PLAY_HEAR, "\r\n\r\n", 0 }, { PLAY_SAY, "HTTP/1.1 200 OK\r\nX: ", 0 },
		{ PLAY_FLOOD, NULL, 0 }, { PLAY_SAY, "\r\nY: ", 0 }, { PLAY_END, NULL, 0 } },
	    PROBE_FAIL_TIMEOUT,
	    "up=0 connect tls... first... transfer... total... status... "
	    "bytes... days... proxy...",
	    "the answer of the proxy took longer than" },
	{ "the way is open and leads nowhere, in bytes",
	    { { PLAY_HEAR, "\r\n\r\n", 0 },
		{ PLAY_SAY_BYTES,
		    "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0 },
		{ PLAY_HEAR, "\x16\x03", 0 }, { PLAY_CLOSE, NULL, 0 } },
	    PROBE_FAIL_TLS, "up=0 connect tls? first? transfer? total? status? bytes? days? proxy",
	    "" },
};

static void
refusals_of_a_tunnel_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tunnels); i++) {
		struct asked a;
		struct play proxy;

		play_start(&proxy, tunnels[i].steps);
		ask_through(&a, "https://shop.test/x", proxy.port, false);
		if (tunnels[i].reason == PROBE_FAIL_TIMEOUT)
			a.p.conf.timeout_ms = 2000;
		(void)expect_run(
		    &a.p, tunnels[i].what, tunnels[i].reason, tunnels[i].values, tunnels[i].detail);
		play_stop(&proxy);
	}
}

static void
the_tunnel_is_asked_for_with_nothing_of_the_servers(void **state)
{
	static const struct play_step steps[] = SAY("HTTP/1.1 503 x\r\n\r\n");
	struct asked a;
	struct play proxy;

	(void)state;
	play_start(&proxy, steps);
	ask_through(&a, "https://nowhere.test:8443/path?token=1", proxy.port, true);
	with_secrets_of_the_server(&a);
	/* The server's name is the proxy's to look up; here it is not even known. */
	(void)expect_run(&a.p, "tunnel", PROBE_FAIL_PROXY, FAILED,
	    "cannot reach nowhere.test:8443 (status 503)");
	play_stop(&proxy);
	assert_string_equal(proxy.heard,
	    "CONNECT nowhere.test:8443 HTTP/1.1\r\nHost: nowhere.test:8443\r\n"
	    "User-Agent: branchline/" BL_VERSION "\r\n" BASIC "\r\n");
}

static void
an_ipv6_address_is_asked_for_in_brackets(void **state)
{
	static const struct play_step steps[] = SAY("HTTP/1.1 503 x\r\n\r\n");
	struct asked a;
	struct play proxy;

	(void)state;
	play_start(&proxy, steps);
	ask_through(&a, "https://[2001:db8::1]/", proxy.port, false);
	(void)expect_run(&a.p, "v6", PROBE_FAIL_PROXY, FAILED, "status 503");
	play_stop(&proxy);
	assert_non_null(strstr(proxy.heard, "CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"));
}

static void
without_tls_the_whole_address_is_asked_for(void **state)
{
	static const struct play_step ok[] = SAY("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	static const struct play_step no[] = SAY("HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n");
	struct asked a;
	struct play proxy;

	(void)state;
	play_start(&proxy, ok);
	ask_through(&a, "http://nowhere.test:8080/x?y", proxy.port, true);
	with_secrets_of_the_server(&a);
	(void)expect_run(
	    &a.p, "plain", PROBE_OK, "up=1 connect first transfer total status=200 bytes", "");
	play_stop(&proxy);
	assert_ptr_equal(strstr(proxy.heard, "POST http://nowhere.test:8080/x?y HTTP/1.1\r\n"
					     "Host: nowhere.test:8080\r\n"),
	    proxy.heard);
	assert_non_null(strstr(proxy.heard, "\r\n" BASIC));
	assert_non_null(strstr(proxy.heard, "\r\n" SERVER_AUTH));

	play_start(&proxy, no);
	ask_through(&a, "http://shop.test/", proxy.port, true);
	a.p.conf.proxy.secret_file = tls.wrong;
	(void)expect_run(&a.p, "plain, refused", PROBE_FAIL_PROXY,
	    "up=0 connect first transfer total status=407 bytes",
	    "wants another user and password (status 407)");
	play_stop(&proxy);
}

static void
a_proxy_that_cannot_be_reached_is_named(void **state)
{
	uint16_t port = 0;
	const int fd = listen_on("127.0.0.1", 1, &port);
	struct asked a;

	(void)state;
	close(fd);
	ask_through(&a, "https://shop.test/", port, false);
	(void)expect_run(&a.p, "nobody there", PROBE_FAIL_PROXY,
	    "up=0 connect? tls? first? transfer? total? status? bytes? days? proxy?",
	    "connect to the proxy 127.0.0.1:");
	ask_through(&a, "http://shop.test/", 1, false);
	snprintf(a.proxy, sizeof(a.proxy), "http://nowhere.test:3128");
	(void)expect_run(&a.p, "no such name", PROBE_FAIL_PROXY,
	    "up=0 dns? connect? first? transfer? total? status? bytes?",
	    "look up the proxy nowhere.test");
}

/* A secret that others can read is not used, and nothing is said instead. */
static void
a_secret_that_others_can_read_is_not_sent(void **state)
{
	static const char *const urls[] = { "https://shop.test/", "http://shop.test/" };
	static const struct play_step steps[] = { { PLAY_END, NULL, 0 } };

	(void)state;
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct asked a;
		struct play proxy;
		struct probe_result r;

		play_start(&proxy, steps);
		ask_through(&a, urls[i], proxy.port, true);
		a.p.conf.proxy.secret_file = tls.open;
		r = run(&a.p, 1);
		assert_int_equal(r.reason, PROBE_FAIL_NOT_ALLOWED);
		assert_non_null(strstr(r.detail, "can be read by others"));
		assert_int_equal(r.value[PROBE_UP].got, PROBE_MISSING);
		play_stop(&proxy);
		assert_int_equal(proxy.heard_len, 0);
	}
}

/* ---- a real one ---- */

#define TINYPROXY "/usr/bin/tinyproxy"

static uint16_t
free_port(void)
{
	uint16_t port = 0;
	const int fd = listen_on("127.0.0.1", 1, &port);

	close(fd);
	return port;
}

static bool
answers(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool yes = connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;

	close(fd);
	return yes;
}

/* False: it ended, since somebody took the port. */
static bool
proxy_start(uint16_t port, pid_t *pid)
{
	char conf[FOLDER_MAX + 20];
	const double from = now_ms();
	FILE *f;

	snprintf(conf, sizeof(conf), "%s/tinyproxy.conf", tls.dir);
	f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f,
	    "Port %u\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nAllow 127.0.0.1\n"
	    "LogFile \"%s/tinyproxy.log\"\nLogLevel Error\nBasicAuth " USER " open_sesame\n"
	    "ConnectPort %u\nConnectPort %u\n",
	    port, tls.dir, tls.port[0], tls.port[1]);
	assert_int_equal(fclose(f), 0);
	if ((*pid = fork()) == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the test fails */
		execl(TINYPROXY, "tinyproxy", "-d", "-c", conf, (char *)NULL);
		_exit(127);
	}
	while (!answers(port)) {
		int status;

		if (waitpid(*pid, &status, WNOHANG) != 0)
			return false;
		if (now_ms() - from > WAIT_S * 1e3)
			fail_msg("tinyproxy does not listen after %d s", WAIT_S);
		usleep(2000);
	}
	return true;
}

static void
through(struct asked *a, const char *what, uint16_t proxy, const char *url,
    enum probe_reason reason, const char *values, const char *detail)
{
	(void)a;
	ask_through(a, url, proxy, true);
	a->p.conf.proxy.secret_file = tls.password;
	(void)expect_run(&a->p, what, reason, values, detail);
}

#define WHOLE "connect tls first transfer total status=200 bytes days"

static void
cases_of_tinyproxy(uint16_t proxy)
{
	char good[80], expired[80], plain[80], barred[80], led[200];
	static struct results all;
	struct prober *prober;
	struct probe_result r;
	struct asked a;

	snprintf(good, sizeof(good), "https://localhost:%u/secrets", tls.port[0]);
	snprintf(expired, sizeof(expired), "https://localhost:%u/ok", tls.port[1]);
	snprintf(barred, sizeof(barred), "https://localhost:%u/ok", server.port);
	snprintf(plain, sizeof(plain), "http://127.0.0.1:%u/ok", server.port);
	snprintf(led, sizeof(led), "http://127.0.0.1:%u/to/%s", server.port, good);

	through(&a, "https", proxy, good, PROBE_OK, "up=1 " WHOLE " proxy", "");
	/* The server has seen no password: it counts requests with one, and shows how many. */
	ask_through(&a, good, proxy, true);
	strcpy(a.p.body, "0");
	(void)expect_run(&a.p, "whose secret", PROBE_OK,
	    "up=1 connect tls first transfer total status=200 bytes ? days proxy", "");
	through(&a, "an expired certificate", proxy, expired, PROBE_FAIL_CERTIFICATE,
	    "up=0 " WHOLE " proxy", "has expired");
	through(&a, "where it does not let us", proxy, barred, PROBE_FAIL_PROXY, FAILED,
	    "does not let us to localhost:");
	through(&a, "http", proxy, plain, PROBE_OK,
	    "up=1 connect first transfer total status=200 bytes", "");
	ask_through(&a, good, proxy, true);
	a.p.conf.proxy.secret_file = tls.wrong;
	r = run(&a.p, 1);
	assert_int_equal(r.reason, PROBE_FAIL_PROXY);
	ask_through(&a, good, proxy, false);
	(void)expect_run(
	    &a.p, "without signing in", PROBE_FAIL_PROXY, FAILED, "wants a user and password");

	/* A tunnel is kept with what runs in it. */
	ask_through(&a, good, proxy, true);
	a.p.conf.keep_alive = true;
	results_init(&all);
	all.jump_each_ms = a.p.conf.interval_ms; /* the next run is due at once */
	prober = prober_of(&a.p.conf, 1, &all);
	results_wait(&all, 2);
	prober_stop(prober);
	r = all.r[1];
	assert_int_equal(r.reason, PROBE_OK);
	assert_true(r.reused);
	assert_string_equal(told(&r), "up=1 first transfer total status=200 bytes days");

	/* From http to https, each by its own way through the proxy. */
	ask_through(&a, led, proxy, true);
	a.p.conf.redirects = 1;
	strcpy(a.p.body, "0");
	(void)expect_run(&a.p, "a redirect", PROBE_OK,
	    "up=1 connect tls first transfer total status=200 bytes ? days redirects=1 proxy", "");
}

static void
tinyproxy_lets_us_through(void **state)
{
	unsigned taken = 0;
	uint16_t port;
	pid_t pid;
	int status;

	(void)state;
	if (access(TINYPROXY, X_OK) != 0) {
		print_message("skipped: tinyproxy-bin is not installed\n");
		skip();
	}
	put_secret(tls.password, sizeof(tls.password), "password", "open_sesame\n", 0600);
	while (!proxy_start(port = free_port(), &pid))
		if (++taken == 20)
			fail_msg("tinyproxy does not start");
	cases_of_tinyproxy(port);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	put_secret(tls.password, sizeof(tls.password), "password", PASSWORD "\n", 0600);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_of_a_tunnel_are_named),
		cmocka_unit_test(the_tunnel_is_asked_for_with_nothing_of_the_servers),
		cmocka_unit_test(an_ipv6_address_is_asked_for_in_brackets),
		cmocka_unit_test(without_tls_the_whole_address_is_asked_for),
		cmocka_unit_test(a_proxy_that_cannot_be_reached_is_named),
		cmocka_unit_test(a_secret_that_others_can_read_is_not_sent),
		cmocka_unit_test(tinyproxy_lets_us_through),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
