/*
 * A centre for tests of the agent: answers hello, receipts what it was told to
 * keep in memory, for one device at a time.  It stores nothing and checks
 * nothing; what it saw goes to standard output, one line each.  Lines on
 * standard input change what it does:
 *
 *   deaf        takes messages and stays silent         hear      the opposite
 *   restart     another run of the same store           restore   another, empty store
 *   ask STREAM FIRST LAST    asks for batches           credit N  bytes a second
 *   verdict N   of the next answers (enum bl_verdict)
 *   takes N     message types up to this one are taken, it says (0: it says nothing of it)
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/batch.h"
#include "branchline/message.h"
#include "branchline/mqtt.h"
#include "branchline/topic.h"

struct centre {
	struct bl_mqtt *mqtt;
	const struct bl_clock *clock;
	struct bl_id epoch, start, spool;
	struct bl_ranges has[BL_STREAMS];
	uint32_t dict, clock_version, credit;
	int verdict;
	uint8_t takes;
	bool deaf, owes;
	char device[BL_DEVICE_ID_MAX + 1];
	int64_t next_receipt_ms;
	bool end;
};

static void
publish(struct centre *c, const char *topic, const struct bl_buf *b, bool retained)
{
	struct bl_err err = { 0 };

	if (bl_mqtt_publish(c->mqtt, topic, b->data, b->len, retained, 1, &err) < 0)
		printf("lost %s: %s\n", topic, err.msg);
}

static void
say_centre(struct centre *c)
{
	const struct bl_centre m = { .epoch = c->epoch,
		.start = c->start,
		.server_unix_ms = bl_unix_ms(c->clock),
		.reconnect_floor_ms = 200 };
	struct bl_buf b;

	bl_buf_init(&b, 4096);
	if (bl_centre_encode(&m, &b) == BL_OK)
		publish(c, "bl/1/centre", &b, true);
	bl_buf_free(&b);
}

static void
say_receipt(struct centre *c, bool answer, uint32_t nonce)
{
	struct bl_receipt r = { .is_answer = answer,
		.nonce = nonce,
		.verdict = (enum bl_verdict)c->verdict,
		.spool = c->spool,
		.epoch = c->epoch,
		.server_unix_ms = bl_unix_ms(c->clock),
		.credit_bytes_per_s = c->credit,
		.dict_version = c->dict,
		.clock_version = c->clock_version,
		.takes = c->takes };
	char topic[BL_TOPIC_MAX];
	struct bl_buf b;

	for (unsigned i = 0; i < BL_STREAMS; i++) {
		const struct bl_ranges *has = &c->has[i];
		const bool from_one = has->n > 0 && has->r[0].first == 1;

		r.stream[i].contiguous = from_one ? has->r[0].last : 0;
		for (uint32_t k = from_one ? 1 : 0; k < has->n; k++)
			bl_ranges_add(&r.stream[i].beyond, has->r[k].first, has->r[k].last);
	}
	bl_buf_init(&b, 65536);
	if (bl_topic_format(topic, sizeof(topic), BL_TOPIC_RECEIPT, 0, c->device) &&
	    bl_receipt_encode(&r, &b) == BL_OK)
		publish(c, topic, &b, false);
	bl_buf_free(&b);
}

static void
forget(struct centre *c)
{
	memset(c->has, 0, sizeof(c->has));
	c->dict = c->clock_version = 0;
}

static void
on_hello(struct centre *c, const struct bl_mqtt_msg *m, const char *device)
{
	struct bl_err err = { 0 };
	struct bl_hello h;
	char id[BL_ID_HEX_SIZE];

	if (bl_hello_decode(m->payload, m->len, &h, &err) < 0) {
		printf("bad hello: %s\n", err.msg);
		return;
	}
	bl_id_hex(&h.spool, id);
	printf("hello device=%s spool=%s next=%" PRIu64 ",%" PRIu64 ",%" PRIu64 " config=%.8s\n",
	    device, id, h.stream[0].next_seq, h.stream[1].next_seq, h.stream[2].next_seq,
	    h.config_hash);
	if (!bl_id_equal(&h.spool, &c->spool))
		forget(c);
	c->spool = h.spool;
	(void)snprintf(c->device, sizeof(c->device), "%s", device);
	if (!c->deaf)
		say_receipt(c, true, h.nonce);
}

static void
on_batch(struct centre *c, const void *msg, size_t bytes, bool past, const char *in)
{
	struct bl_batch_header h;
	struct bl_err err = { 0 };
	const uint8_t *body;
	struct bl_buf raw;
	size_t len;
	int rc;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	rc = bl_batch_header_decode(msg, bytes, &h, &body, &len, &err);
	if (rc == BL_OK)
		rc = bl_batch_inflate(&h, body, len, &raw, &err);
	if (rc == BL_OK)
		rc = bl_batch_verify(&h, raw.data, raw.len, &err);
	bl_buf_free(&raw);
	if (rc < 0) {
		printf("bad batch: %s\n", err.msg);
		return;
	}
	printf("batch stream=%d seq=%" PRIu64 " samples=%u events=%u gaps=%u past=%d bytes=%zu "
	       "in=%s\n",
	    (int)h.stream, h.seq, h.n_samples, h.n_events, h.n_gaps, past, bytes, in);
	if (c->deaf || !bl_id_equal(&h.spool, &c->spool))
		return;
	bl_ranges_add(&c->has[h.stream - 1], h.seq, h.seq);
	c->owes = true;
}

static void
on_bundle(struct centre *c, const struct bl_mqtt_msg *m, bool past)
{
	struct bl_err err = { 0 };
	static uint8_t room[BL_BATCH_WIRE_MAX];
	struct bl_bundle b;

	if (bl_bundle_decode(m->payload, m->len, &b, room, &err) < 0) {
		printf("bad bundle: %s\n", err.msg);
		return;
	}
	for (unsigned i = 0; i < b.n; i++)
		on_batch(c, b.batch[i].msg, b.batch[i].len, past, b.packed ? "pack" : "bundle");
}

static void
on_maps(struct centre *c, const struct bl_mqtt_msg *m, int type)
{
	struct bl_clockmap_reader clock;
	struct bl_dict_reader dict;
	struct bl_err err = { 0 };
	struct bl_buf raw;

	bl_buf_init(&raw, BL_BATCH_RAW_MAX);
	if (type == BL_MSG_DICT && bl_dict_decode(m->payload, m->len, &dict, &raw, &err) == BL_OK) {
		printf("dict first=%u n=%u\n", dict.first, dict.n);
		if (!c->deaf && dict.first <= c->dict + 1 && dict.first + dict.n - 1 > c->dict)
			c->dict = dict.first + dict.n - 1;
	}
	if (type == BL_MSG_CLOCK && bl_clockmap_decode(m->payload, m->len, &clock, &err) == BL_OK) {
		struct bl_clock_segment s;

		while (bl_clockmap_next(&clock, &s, &err) == 1) {
			printf("clock id=%u source=%d\n", s.id, (int)s.source);
			if (!c->deaf && s.id == c->clock_version + 1)
				c->clock_version = s.id;
		}
	}
	bl_buf_free(&raw);
	c->owes = !c->deaf;
}

static void
on_presence(const struct bl_mqtt_msg *m)
{
	struct bl_err err = { 0 };
	struct bl_presence p;

	if (bl_presence_decode(m->payload, m->len, &p, &err) == BL_OK)
		printf("presence online=%d connections=%" PRIu64 " retained=%d\n", p.online,
		    p.connections, m->retained);
}

static void
on_message(void *ctx, const struct bl_mqtt_msg *m)
{
	struct centre *c = ctx;
	const int type = bl_msg_type(m->payload, m->len);
	struct bl_topic t;

	if (!bl_topic_parse(m->topic, strlen(m->topic), &t))
		return;
	if (type == BL_MSG_HELLO)
		on_hello(c, m, t.device);
	else if (type == BL_MSG_BATCH)
		on_batch(c, m->payload, m->len, t.kind == BL_TOPIC_PAST, "none");
	else if (type == BL_MSG_BUNDLE || type == BL_MSG_PACK)
		on_bundle(c, m, t.kind == BL_TOPIC_PAST);
	else if (type == BL_MSG_DICT || type == BL_MSG_CLOCK)
		on_maps(c, m, type);
	else if (type == BL_MSG_PRESENCE)
		on_presence(m);
	else
		printf("message type=%d topic=%s\n", type, m->topic);
}

static void
on_up(void *ctx)
{
	puts("up");
	say_centre(ctx);
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	(void)ctx;
	(void)retry_ms;
	printf("down %s\n", why);
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	(void)ctx;
	(void)token;
	(void)reason;
}

static void
say_question(struct centre *c, unsigned stream, uint64_t first, uint64_t last)
{
	struct bl_question q = { .spool = c->spool };
	char topic[BL_TOPIC_MAX];
	struct bl_buf b;

	if (stream < 1 || stream > BL_STREAMS)
		return;
	bl_ranges_add(&q.need[stream - 1], first, last);
	bl_buf_init(&b, 65536);
	if (bl_topic_format(topic, sizeof(topic), BL_TOPIC_RECEIPT, 0, c->device) &&
	    bl_question_encode(&q, &b) == BL_OK)
		publish(c, topic, &b, false);
	bl_buf_free(&b);
}

static void
on_command(struct centre *c, const char *line)
{
	unsigned long long first, last;
	unsigned n;

	if (strcmp(line, "deaf") == 0) {
		c->deaf = true;
	} else if (strcmp(line, "hear") == 0) {
		c->deaf = false;
	} else if (strcmp(line, "restart") == 0 || strcmp(line, "restore") == 0) {
		c->start = bl_id_random(c->clock);
		if (line[3] == 't' && line[4] == 'o') {
			c->epoch = bl_id_random(c->clock);
			forget(c);
		}
		say_centre(c);
	} else if (sscanf(line, "ask %u %llu %llu", &n, &first, &last) == 3) {
		say_question(c, n, first, last);
	} else if (sscanf(line, "credit %u", &n) == 1) {
		c->credit = n;
	} else if (sscanf(line, "verdict %u", &n) == 1) {
		c->verdict = (int)n;
	} else if (sscanf(line, "takes %u", &n) == 1) {
		c->takes = (uint8_t)n;
	}
	printf("done %s\n", line);
}

static void
read_commands(struct centre *c)
{
	static char buf[4096];
	static size_t len;
	const ssize_t n = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
	char *line = buf, *end;

	if (n <= 0) {
		c->end = true;
		return;
	}
	len += (size_t)n;
	buf[len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		on_command(c, line);
		line = end + 1;
	}
	len = strlen(line);
	memmove(buf, line, len);
}

static void
serve(struct centre *c)
{
	while (!c->end) {
		struct pollfd p[2] = { { .fd = bl_mqtt_fd(c->mqtt), .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN } };
		int ms = bl_mqtt_timeout_ms(c->mqtt);

		if (poll(p, 2, ms < 0 || ms > 200 ? 200 : ms) < 0 && errno != EINTR)
			return;
		bl_mqtt_step(c->mqtt);
		if (p[1].revents != 0)
			read_commands(c);
		if (c->owes && bl_mono_ms(c->clock) >= c->next_receipt_ms) {
			c->owes = false;
			c->next_receipt_ms = bl_mono_ms(c->clock) + 1000;
			say_receipt(c, false, 0);
		}
		(void)fflush(stdout);
	}
}

int
main(int argc, char **argv)
{
	static const struct bl_mqtt_handlers handlers = {
		.up = on_up, .down = on_down, .message = on_message, .published = on_published
	};
	static const char *const subscribe[] = { "bl/1/up/#", NULL };
	static struct centre c = { .credit = 100000, .takes = BL_MSG_LAST };
	struct bl_mqtt_opts o = { .client_id = "collector-live",
		.subscribe = subscribe,
		.keepalive_s = 30,
		.backoff_min_ms = 100,
		.backoff_max_ms = 500,
		.window = 16,
		.window_bytes = 262144,
		.mailbox = 256,
		.mailbox_bytes = 1 << 24 };
	struct bl_err err = { 0 };

	if (argc != 5) {
		fprintf(stderr, "usage: fake_centre PORT CA CERTIFICATE KEY\n");
		return 2;
	}
	o.link = (struct bl_link_cfg){ .host = "127.0.0.1",
		.port = (uint16_t)atoi(argv[1]),
		.ca_file = argv[2],
		.cert_file = argv[3],
		.key_file = argv[4],
		.handover = true };
	c.clock = bl_clock_real();
	c.epoch = bl_id_random(c.clock);
	c.start = bl_id_random(c.clock);
	if (bl_mqtt_create(&c.mqtt, &o, c.clock, &handlers, &c, &err) < 0 ||
	    bl_mqtt_start(c.mqtt, &err) < 0) {
		fprintf(stderr, "fake_centre: %s\n", err.msg);
		return 1;
	}
	serve(&c);
	bl_mqtt_free(c.mqtt);
	return 0;
}
