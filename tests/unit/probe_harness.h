/*
 * For tests of the prober: a server in this process that misbehaves by path, a
 * name look-up that does what its name says, and running a probe until it has
 * given results.
 */
#ifndef PROBE_HARNESS_H
#define PROBE_HARNESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "probe_internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_S   60 /* longest wait for something that must happen */

double now_ms(void);

/* ---- the server ---- */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	atomic_uint connections; /* so far */
};

extern struct server server;

void server_start(void);
void server_stop(void);
int listen_on(const char *address, int backlog, uint16_t *port);

/* ---- names ---- */

/*
 * nowhere.test does not exist, broken.test fails on our side, hang.test hangs
 * until released; unreachable.test, second-unreachable.test (behind 127.0.0.1), two.test (nobody at the first address),
 * silent.test and silent-first.test (the first address never answers); any
 * other name is 127.0.0.1.
 */
int lookup(const char *host, uint16_t port, struct probe_addr *out, unsigned max, unsigned *n);
/* Makes the address that never answers. */
void names_start(void);
unsigned names_hung(void);
/* Lets those that hang go on, and waits for them. */
void names_release(void);

/* ---- probes ---- */

struct results {
	pthread_mutex_t mtx;
	pthread_cond_t cond;
	unsigned n;
	unsigned jump_after;  /* 0: never; else after this many results two hours pass */
	int64_t jump_each_ms; /* after every result so much passes: the next run is due at once */
	void (*after)(unsigned n); /* on the prober's thread, between two runs; may be NULL */
	struct probe_result r[256];
};

/* The real clock without jitter; jumps of struct results included. */
const struct bl_clock *harness_clock(void);
void results_init(struct results *all);
void results_wait(struct results *all, unsigned n);
void on_result(void *ctx, const struct probe_result *r);

struct probe {
	struct probe_conf conf;
	char name[16], url[300], status[32], body[64], ca[300];
};

/* With defaults; long interval, long timeout. */
void probe_set(struct probe *p, const char *url);
/* The same for a path of the server. */
void probe_here(struct probe *p, const char *path);
/* A path of the server, or an address in which %u stands for its port. */
void url_make(char *url, size_t size, const char *text);
struct prober *prober_of(const struct probe_conf *conf, size_t n, struct results *all);
/* The nth result of one probe. */
struct probe_result run(const struct probe *probe, unsigned n);
/* One letter a value up to the certificate's days, in the order of enum probe_series: H have, -
 * absent, m missing, l late. */
const char *got(const struct probe_result *r);

#endif
