/*
 * A program for the system tests of the link: connects as an agent would and
 * says what happens, one JSON object a line.
 *
 *   link_probe tls  HOST PORT CA CERT KEY [option=value ...]   one handshake, then the report
 *   link_probe mqtt HOST PORT CA CERT KEY [option=value ...]   a bl_mqtt, led by standard input
 *
 * Options: name=NAME crl=FILE phase_ms=N user_timeout_ms=N resume=1 id=CLIENT subscribe=TOPIC
 * (again and again) will=TOPIC puback_ms=N backoff_ms=MIN,MAX mailbox=N keepalive_s=N
 * proxy=HOST:PORT proxy_user=NAME proxy_password_file=FILE proxy_ms=N websocket=PATH
 * untrusted=1 unix_s=N (what our clock says at the start) repeat=N (tls: N handshakes).
 *
 * Commands: publish TOPIC BYTES TOKEN [retained] | flood TOPIC COUNT BYTES | reload CERT KEY |
 * drop WHY | stop | start | floor MS | stats | quit.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "branchline/mqtt.h"

#define TOPICS_MAX 8

struct probe {
	struct bl_link_cfg link;
	struct bl_mqtt_opts opts;
	const char *subscribe[TOPICS_MAX + 1];
	unsigned subscribe_count;
	struct bl_clock clock;
	bool untrusted;
	unsigned repeat;
	int64_t unix_shift_ms;
	struct bl_mqtt *mqtt;
	/* flood: COUNT messages through the window, however often the connection ends */
	char flood_topic[128];
	unsigned flood_count, flood_acked, flood_doubled;
	size_t flood_bytes;
	unsigned char *flood_state; /* 0 to send, 1 outstanding, 2 acknowledged */
	char input[512];
	size_t input_len;
	bool quit;
};

#define FLOOD_TOKEN 1000000u

static int64_t
shifted_unix_ms(void *ctx)
{
	const struct probe *p = ctx;

	return bl_unix_ms(bl_clock_real()) + p->unix_shift_ms;
}

static void
print_text(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < 0x20 ? ' ' : *text);
	}
	putchar('"');
}

static void
print_report(const struct bl_link_report *r, const char *event)
{
	printf("{\"event\":\"%s\",\"fault\":\"%s\",\"phase\":%d", event,
	    bl_link_fault_name(r->fault), (int)r->phase);
	print_text("text", r->text);
	print_text("peer", r->peer);
	print_text("cipher", r->cipher);
	print_text("subject", r->server_subject);
	print_text("local", r->local);
	printf(",\"dns_ms\":%.3f,\"connect_ms\":%.3f,\"tls_ms\":%.3f,\"tls_cpu_ms\":%.3f",
	    r->dns_ms, r->connect_ms, r->tls_ms, r->tls_cpu_ms);
	printf(",\"proxy_ms\":%.3f,\"upgrade_ms\":%.3f", r->proxy_ms, r->upgrade_ms);
	printf(",\"resumed\":%s,\"wire_in\":%llu,\"wire_out\":%llu,\"not_before\":%lld}\n",
	    r->resumed ? "true" : "false", (unsigned long long)r->wire_in_bytes,
	    (unsigned long long)r->wire_out_bytes, (long long)r->server_not_before_unix_ms);
	fflush(stdout);
}

static int
fail(const struct bl_err *err)
{
	printf("{\"event\":\"error\",\"code\":\"%s\"", bl_code_name(err->code));
	print_text("text", err->msg);
	printf("}\n");
	fflush(stdout);
	return 78;
}

/* ---- one handshake, as `diagnose` asks for it ---- */

static int
handshakes(struct probe *p)
{
	struct bl_err err = { 0 };
	struct bl_link *l;
	struct pollfd pfd = { .events = POLLIN };
	int64_t began;

	if (bl_link_create(&l, &p->link, &p->clock, &err) < 0)
		return fail(&err);
	bl_link_clock_untrusted(l, p->untrusted);
	pfd.fd = bl_link_fd(l);
	for (unsigned i = 0; i < p->repeat; i++) {
		began = bl_mono_ms(&p->clock);
		if (bl_link_start(l, &err) < 0)
			return fail(&err);
		while (bl_link_phase(l) != BL_LINK_READY && bl_link_phase(l) != BL_LINK_DOWN) {
			(void)poll(&pfd, 1, bl_link_timeout_ms(l));
			bl_link_step(l);
		}
		print_report(
		    bl_link_report(l), bl_link_phase(l) == BL_LINK_READY ? "ready" : "down");
		printf("{\"event\":\"took\",\"ms\":%lld}\n",
		    (long long)(bl_mono_ms(&p->clock) - began));
		bl_link_stop(l, "done");
	}
	bl_link_free(l);
	return 0;
}

/* ---- a connection ---- */

static void
flood_more(struct probe *p)
{
	static char payload[65536];
	struct bl_err err;

	for (unsigned i = 0; i < p->flood_count; i++) {
		if (p->flood_state[i] != 0)
			continue;
		if (bl_mqtt_publish(p->mqtt, p->flood_topic, payload, p->flood_bytes, false,
			FLOOD_TOKEN + i, &err) < 0)
			return;
		p->flood_state[i] = 1;
	}
}

static void
flood_acked(struct probe *p, unsigned i)
{
	if (p->flood_state[i] == 2)
		p->flood_doubled++;
	else
		p->flood_acked++;
	p->flood_state[i] = 2;
	if (p->flood_acked == p->flood_count) {
		printf("{\"event\":\"flooded\",\"acked\":%u,\"doubled\":%u}\n", p->flood_acked,
		    p->flood_doubled);
		fflush(stdout);
	}
}

static void
on_up(void *ctx)
{
	struct probe *p = ctx;

	printf("{\"event\":\"up\",\"max_packet\":%zu,\"resumed\":%s", bl_mqtt_max_packet(p->mqtt),
	    bl_mqtt_link_report(p->mqtt)->resumed ? "true" : "false");
	print_text("peer", bl_mqtt_link_report(p->mqtt)->peer);
	printf(",\"rtt_ms\":%u}\n", bl_mqtt_rtt_ms(p->mqtt));
	fflush(stdout);
}

static void
on_down(void *ctx, const char *why, int64_t retry_ms)
{
	struct probe *p = ctx;
	struct bl_mqtt_stats stats;

	for (unsigned i = 0; i < p->flood_count; i++)
		if (p->flood_state[i] == 1)
			p->flood_state[i] = 0;
	bl_mqtt_stats(p->mqtt, &stats);
	printf("{\"event\":\"down\",\"fault\":\"%s\",\"retry_ms\":%lld",
	    bl_link_fault_name(stats.fault), (long long)retry_ms);
	print_text("why", why);
	printf("}\n");
	fflush(stdout);
}

static void
on_message(void *ctx, const struct bl_mqtt_msg *msg)
{
	(void)ctx;
	printf("{\"event\":\"message\",\"len\":%zu,\"retained\":%s", msg->len,
	    msg->retained ? "true" : "false");
	print_text("topic", msg->topic);
	printf("}\n");
	fflush(stdout);
}

static void
on_published(void *ctx, uint64_t token, int reason)
{
	struct probe *p = ctx;

	if (token >= FLOOD_TOKEN && token - FLOOD_TOKEN < p->flood_count) {
		flood_acked(p, (unsigned)(token - FLOOD_TOKEN));
		return;
	}
	printf("{\"event\":\"published\",\"token\":%llu,\"reason\":%d}\n",
	    (unsigned long long)token, reason);
	fflush(stdout);
}

static void
publish(struct probe *p, const char *topic, size_t len, unsigned token, bool retained)
{
	struct bl_err err = { 0 };
	char *payload = calloc(1, len + 1);

	if (payload == NULL)
		abort();
	if (bl_mqtt_publish(p->mqtt, topic, payload, len, retained, token, &err) < 0)
		(void)fail(&err);
	free(payload);
}

static void
print_stats(struct probe *p)
{
	struct bl_link_bytes ip;
	struct bl_mqtt_stats s;

	bl_mqtt_stats(p->mqtt, &s);
	bl_mqtt_link_bytes(p->mqtt, &ip);
	printf("{\"event\":\"stats\",\"state\":%d,\"connects\":%llu,\"attempts\":%llu"
	       ",\"dropped\":%llu,\"published\":%llu,\"received\":%llu,\"outstanding\":%u"
	       ",\"wire_in\":%llu,\"wire_out\":%llu,\"ip_in\":%llu,\"ip_out\":%llu}\n",
	    (int)s.state, (unsigned long long)s.connects, (unsigned long long)s.attempts,
	    (unsigned long long)s.mailbox_dropped, (unsigned long long)s.published,
	    (unsigned long long)s.received, s.outstanding, (unsigned long long)s.wire_in_bytes,
	    (unsigned long long)s.wire_out_bytes, (unsigned long long)ip.in_bytes,
	    (unsigned long long)ip.out_bytes);
	fflush(stdout);
}

static void
flood(struct probe *p, const char *topic, unsigned count, size_t bytes)
{
	free(p->flood_state);
	p->flood_state = calloc(count, 1);
	if (p->flood_state == NULL || bytes > 65536)
		abort();
	(void)snprintf(p->flood_topic, sizeof(p->flood_topic), "%s", topic);
	p->flood_count = count;
	p->flood_bytes = bytes;
	p->flood_acked = p->flood_doubled = 0;
}

static void
reload(struct probe *p, const char *cert, const char *key)
{
	struct bl_link_cfg cfg = p->link;
	struct bl_err err = { 0 };

	cfg.cert_file = cert;
	cfg.key_file = key;
	if (bl_mqtt_reload(p->mqtt, &cfg, &err) < 0)
		(void)fail(&err);
	else
		printf("{\"event\":\"reloaded\"}\n");
	fflush(stdout);
}

static void
command(struct probe *p, char *line)
{
	struct bl_err err = { 0 };
	char a[256] = "", b[256] = "";
	unsigned n = 0, k = 0;

	if (sscanf(line, "publish %255s %u %u %255s", a, &n, &k, b) >= 3)
		publish(p, a, n, k, strcmp(b, "retained") == 0);
	else if (sscanf(line, "flood %255s %u %u", a, &n, &k) == 3)
		flood(p, a, n, k);
	else if (sscanf(line, "reload %255s %255s", a, b) == 2)
		reload(p, a, b);
	else if (sscanf(line, "floor %u", &n) == 1)
		bl_mqtt_set_reconnect_floor(p->mqtt, n);
	else if (strncmp(line, "drop ", 5) == 0)
		bl_mqtt_drop(p->mqtt, line + 5);
	else if (strcmp(line, "stop") == 0)
		bl_mqtt_stop(p->mqtt);
	else if (strcmp(line, "start") == 0)
		(void)bl_mqtt_start(p->mqtt, &err);
	else if (strcmp(line, "stats") == 0)
		print_stats(p);
	else if (strcmp(line, "quit") == 0)
		p->quit = true;
	else
		fprintf(stderr, "link_probe: no such command: %s\n", line);
}

static void
read_commands(struct probe *p)
{
	const ssize_t got =
	    read(STDIN_FILENO, p->input + p->input_len, sizeof(p->input) - 1 - p->input_len);
	char *line = p->input, *end;

	if (got <= 0) {
		p->quit = true;
		return;
	}
	p->input_len += (size_t)got;
	p->input[p->input_len] = '\0';
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		command(p, line);
		line = end + 1;
	}
	p->input_len = strlen(line);
	memmove(p->input, line, p->input_len + 1);
}

static int
connection(struct probe *p)
{
	const struct bl_mqtt_handlers handlers = {
		.up = on_up, .down = on_down, .message = on_message, .published = on_published
	};
	struct pollfd pfds[2] = { { .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	struct bl_err err = { 0 };

	p->opts.link = p->link;
	p->opts.subscribe = p->subscribe;
	if (bl_mqtt_create(&p->mqtt, &p->opts, &p->clock, &handlers, p, &err) < 0)
		return fail(&err);
	bl_mqtt_clock_untrusted(p->mqtt, p->untrusted);
	if (bl_mqtt_start(p->mqtt, &err) < 0)
		return fail(&err);
	pfds[0].fd = bl_mqtt_fd(p->mqtt);
	while (!p->quit) {
		(void)poll(pfds, 2, bl_mqtt_timeout_ms(p->mqtt));
		bl_mqtt_step(p->mqtt);
		if (pfds[1].revents != 0)
			read_commands(p);
		flood_more(p);
	}
	bl_mqtt_free(p->mqtt);
	free(p->flood_state);
	printf("{\"event\":\"freed\"}\n");
	return 0;
}

static void
proxy_option(struct probe *p, const char *value)
{
	static char host[256];

	(void)snprintf(host, sizeof(host), "%.*s", (int)strcspn(value, ":"), value);
	p->link.proxy_host = host;
	p->link.proxy_port = (uint16_t)strtoul(value + strcspn(value, ":") + 1, NULL, 10);
}

static void
option(struct probe *p, const char *text)
{
	const char *value = strchr(text, '=');
	const size_t len = value == NULL ? 0 : (size_t)(value - text);
	unsigned n;

	if (value++ == NULL) {
		fprintf(stderr, "link_probe: option=value, not %s\n", text);
		exit(2);
	}
	n = (unsigned)strtoul(value, NULL, 10);
#define IS(key) (len == strlen(key) && strncmp(text, key, len) == 0)
	if (IS("name"))
		p->link.verify_name = value;
	else if (IS("crl"))
		p->link.crl_file = value;
	else if (IS("phase_ms"))
		p->link.dns_ms = p->link.connect_ms = p->link.tls_ms = p->link.ready_ms = n;
	else if (IS("proxy"))
		proxy_option(p, value);
	else if (IS("proxy_user"))
		p->link.proxy_user = value;
	else if (IS("proxy_password_file"))
		p->link.proxy_password_file = value;
	else if (IS("proxy_ms"))
		p->link.proxy_ms = n;
	else if (IS("websocket"))
		p->link.websocket_path = value;
	else if (IS("user_timeout_ms"))
		p->link.user_timeout_ms = n;
	else if (IS("resume"))
		p->link.resume = n != 0;
	else if (IS("id"))
		p->opts.client_id = value;
	else if (IS("subscribe") && p->subscribe_count < TOPICS_MAX)
		p->subscribe[p->subscribe_count++] = value;
	else if (IS("will"))
		p->opts.will_topic = value;
	else if (IS("puback_ms"))
		p->opts.puback_ms = n;
	else if (IS("backoff_ms"))
		(void)sscanf(value, "%u,%u", &p->opts.backoff_min_ms, &p->opts.backoff_max_ms);
	else if (IS("mailbox"))
		p->opts.mailbox = n;
	else if (IS("keepalive_s"))
		p->opts.keepalive_s = n;
	else if (IS("untrusted"))
		p->untrusted = n != 0;
	else if (IS("repeat"))
		p->repeat = n;
	else if (IS("unix_s"))
		p->unix_shift_ms = strtoll(value, NULL, 10) * 1000 - bl_unix_ms(bl_clock_real());
	else
		fprintf(stderr, "link_probe: no such option: %s\n", text);
#undef IS
}

int
main(int argc, char **argv)
{
	static struct probe p;

	if (argc < 7) {
		fprintf(stderr,
		    "usage: link_probe tls|mqtt HOST PORT CA CERT KEY [option=value ...]\n");
		return 2;
	}
	p.clock = *bl_clock_real();
	p.clock.ctx = &p;
	p.clock.unix_ms = shifted_unix_ms;
	p.repeat = 1;
	p.link = (struct bl_link_cfg){ .host = argv[2],
		.port = (uint16_t)strtoul(argv[3], NULL, 10),
		.ca_file = argv[4],
		.cert_file = argv[5],
		.key_file = argv[6] };
	p.opts = (struct bl_mqtt_opts){ .client_id = "link-probe",
		.keepalive_s = 10,
		.backoff_min_ms = 20,
		.backoff_max_ms = 200,
		.window = 16,
		.window_bytes = 256 * 1024,
		.mailbox = 1000,
		.mailbox_bytes = 4 << 20,
		.will = "gone",
		.will_len = 4 };
	for (int i = 7; i < argc; i++)
		option(&p, argv[i]);
	return strcmp(argv[1], "tls") == 0 ? handshakes(&p) : connection(&p);
}
