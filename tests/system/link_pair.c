/*
 * Two connections in one process, each owned by a thread of its own, both
 * publishing and being dropped again and again.  What ThreadSanitizer is
 * pointed at; also shows that nothing of the two gets mixed up.
 *
 *   link_pair HOST PORT CA COUNT DROPS ID1 CERT1 KEY1 ID2 CERT2 KEY2
 *
 * Each publishes COUNT messages to bl/1/up/00/<id>/live, drops its connection
 * DROPS times on the way, and subscribes to what is meant for it.  Ends with a
 * line of JSON for each, and 0 when all was acknowledged.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/mqtt.h"

struct party {
	struct bl_mqtt_opts opts;
	char topic[128];
	unsigned count, drops;
	unsigned char *state; /* 0 to send, 1 outstanding, 2 acknowledged */
	unsigned acked, doubled, dropped;
	struct bl_mqtt *mqtt;
	struct bl_mqtt_stats stats;
	bool failed;
};

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct party *p = ctx;

	(void)why;
	(void)retry_ms;
	for (unsigned i = 0; i < p->count; i++)
		if (p->state[i] == 1)
			p->state[i] = 0;
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	struct party *p = ctx;

	if (token >= p->count || reason >= 0x80) {
		p->failed = true;
		return;
	}
	if (p->state[token] == 2)
		p->doubled++;
	else
		p->acked++;
	p->state[token] = 2;
}

static void
publish_more(struct party *p)
{
	static const char payload[500];
	struct bl_err err;

	for (unsigned i = 0; i < p->count; i++) {
		if (p->state[i] != 0)
			continue;
		if (bl_mqtt_publish(p->mqtt, p->topic, payload, sizeof(payload), false, i, &err) <
		    0)
			return;
		p->state[i] = 1;
	}
}

static void *
party_main(void *arg)
{
	const struct bl_mqtt_handlers handlers = { .down = on_down, .published = on_published };
	const struct bl_clock *clock = bl_clock_real();
	const int64_t limit = bl_mono_ms(clock) + 60000;
	struct party *p = arg;
	struct pollfd pfd = { .events = POLLIN };
	struct bl_err err = { 0 };

	if (bl_mqtt_create(&p->mqtt, &p->opts, clock, &handlers, p, &err) < 0 ||
	    bl_mqtt_start(p->mqtt, &err) < 0) {
		fprintf(stderr, "link_pair: %s\n", err.msg);
		p->failed = true;
		return NULL;
	}
	pfd.fd = bl_mqtt_fd(p->mqtt);
	while (p->acked < p->count && !p->failed && bl_mono_ms(clock) < limit) {
		int wait = bl_mqtt_timeout_ms(p->mqtt);

		(void)poll(&pfd, 1, wait >= 0 && wait < 1000 ? wait : 1000);
		bl_mqtt_step(p->mqtt);
		publish_more(p);
		if (p->dropped < p->drops &&
		    p->acked >= (p->dropped + 1) * (p->count / (p->drops + 1))) {
			p->dropped++;
			bl_mqtt_drop(p->mqtt, "the test says so");
		}
	}
	bl_mqtt_stats(p->mqtt, &p->stats);
	bl_mqtt_free(p->mqtt);
	return NULL;
}

int
main(int argc, char **argv)
{
	static const char *const none[] = { NULL };
	struct party parties[2];
	pthread_t threads[2];
	bool good = true;

	if (argc != 12) {
		fprintf(stderr,
		    "usage: link_pair HOST PORT CA COUNT DROPS ID1 CERT1 KEY1 ID2 CERT2 KEY2\n");
		return 2;
	}
	memset(parties, 0, sizeof(parties));
	for (int i = 0; i < 2; i++) {
		struct party *p = &parties[i];
		char **who = argv + 6 + 3 * i;

		p->count = (unsigned)strtoul(argv[4], NULL, 10);
		p->drops = (unsigned)strtoul(argv[5], NULL, 10);
		p->state = calloc(p->count, 1);
		(void)snprintf(p->topic, sizeof(p->topic), "bl/1/up/00/%s/live", who[0]);
		p->opts = (struct bl_mqtt_opts){ .link = { .host = argv[1],
						     .port = (uint16_t)strtoul(argv[2], NULL, 10),
						     .ca_file = argv[3],
						     .cert_file = who[1],
						     .key_file = who[2],
						     .resume = true },
			.client_id = who[0],
			.subscribe = none,
			.keepalive_s = 10,
			.backoff_min_ms = 5,
			.backoff_max_ms = 50,
			.window = 16,
			.window_bytes = 256 * 1024,
			.mailbox = 100,
			.mailbox_bytes = 1 << 20 };
		if (p->state == NULL || pthread_create(&threads[i], NULL, party_main, p) != 0)
			return 1;
	}
	for (int i = 0; i < 2; i++) {
		struct party *p = &parties[i];

		(void)pthread_join(threads[i], NULL);
		printf("{\"acked\":%u,\"doubled\":%u,\"connects\":%llu,\"failed\":%s}\n", p->acked,
		    p->doubled, (unsigned long long)p->stats.connects,
		    p->failed ? "true" : "false");
		good = good && !p->failed && p->acked == p->count;
		free(p->state);
	}
	return good ? 0 : 1;
}
