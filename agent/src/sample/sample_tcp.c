/*
 * TCP and sockets: how connections come and go, what is sent again, what is
 * refused for want of room, connections by state, connection tracking.
 *
 * From /proc/net/snmp, netstat, sockstat and sockstat6 of this network
 * namespace; these are lines of names above lines of numbers, so a field is
 * found by its name and one that a kernel does not have has no series.
 * Counters are put as they are; some are 32 bits wide on 32-bit kernels.  The
 * states come from sample_tcp_diag.c.
 *
 * All of it costs some 0.3 ms, the states 0.45 more, so both have a time of
 * their own.
 */
#include "sample_watch_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SNMP, NETSTAT, SOCKSTAT, SOCKSTAT6, FILES };

static const char *const path_of[FILES] = { "/proc/net/snmp", "/proc/net/netstat",
	"/proc/net/sockstat", "/proc/net/sockstat6" };

/* Where each series comes from: the file, the word its lines begin with, the field's name. */
static const struct {
	unsigned file;
	const char *line;
	const char *field;
	struct sample_spec spec;
} source[] = {
	{ SNMP, "Tcp:", "ActiveOpens", { "tcp_opened_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "PassiveOpens", { "tcp_accepted_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "AttemptFails", { "tcp_failed_opens_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "EstabResets", { "tcp_resets_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "CurrEstab", { "tcp_established", "1", BL_GAUGE, NULL } },
	{ SNMP, "Tcp:", "OutSegs", { "tcp_sent_segments_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "RetransSegs", { "tcp_retransmits_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Tcp:", "InErrs", { "tcp_receive_errors_total", "1", BL_COUNTER, NULL } },
	{ SNMP, "Udp:", "InErrors", { "udp_receive_errors_total", "1", BL_COUNTER, NULL } },
	{ NETSTAT, "TcpExt:", "ListenOverflows",
	    { "tcp_listen_overflows_total", "1", BL_COUNTER, NULL } },
	{ NETSTAT, "TcpExt:", "ListenDrops", { "tcp_listen_drops_total", "1", BL_COUNTER, NULL } },
	{ NETSTAT, "TcpExt:", "TCPTimeouts", { "tcp_timeouts_total", "1", BL_COUNTER, NULL } },
	{ SOCKSTAT, "sockets:", "used", { "sockets_used", "1", BL_GAUGE, NULL } },
	{ SOCKSTAT, "TCP:", "tw", { "tcp_time_wait", "1", BL_GAUGE, NULL } },
	{ SOCKSTAT, "TCP:", "orphan", { "tcp_orphans", "1", BL_GAUGE, NULL } },
	{ SOCKSTAT, "TCP:", "mem", { "tcp_memory_bytes", "bytes", BL_GAUGE, NULL } }, /* in pages */
	{ SOCKSTAT, "UDP:", "inuse", { "udp_sockets", "1", BL_GAUGE, NULL } },
	{ SOCKSTAT6, "UDP6:", "inuse", { "udp6_sockets", "1", BL_GAUGE, NULL } },
};
#define SOURCES (sizeof(source) / sizeof(source[0]))

static const char *const state_name[SAMPLE_TCP_STATES] = {
	[1] = "established",
	[2] = "syn_sent",
	[3] = "syn_received",
	[4] = "fin_wait_1",
	[5] = "fin_wait_2",
	[6] = "time_wait",
	[7] = "close",
	[8] = "close_wait",
	[9] = "last_ack",
	[10] = "listen",
	[11] = "closing",
};

static const struct sample_spec state_spec = { "tcp_connections", "1", BL_GAUGE, "state" };

enum { TRACK_COUNT, TRACK_MAX, TRACKS };

static const char *const track_path[TRACKS] = { "/proc/sys/net/netfilter/nf_conntrack_count",
	"/proc/sys/net/netfilter/nf_conntrack_max" };

static const struct sample_spec track_spec[TRACKS] = {
	{ "conntrack_entries", "1", BL_GAUGE, NULL },
	{ "conntrack_entries_max", "1", BL_GAUGE, NULL },
};

struct tcp {
	const struct sample_tcp_conf *conf;
	uint32_t interval_ms;
	uint32_t states_interval_ms;
	struct sample_every every;
	struct sample_every states_every;
	bool live; /* under a test's root the kernel is not asked */
	struct sample_file file[FILES];
	struct sample_file track[TRACKS];
	double page_bytes;
	int32_t handle[SOURCES];
	double counter[SOURCES]; /* as put last */
	int32_t state_handle[SAMPLE_TCP_STATES];
	int32_t track_handle[TRACKS];
	char buf[16384]; /* netstat has 4 KiB on kernels of 2026 */
};

static const struct bl_conf_key tcp_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_tcp_conf, enabled),
	    .help = "sample TCP connections, retransmits and sockets" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "60s",
	    .offset = offsetof(struct sample_tcp_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between its samples, in whole intervals" },
	{ .name = "states",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_tcp_conf, states),
	    .help = "count connections by state (the kernel goes through all its sockets)" },
	{ .name = "states_every",
	    .type = BL_CONF_DURATION,
	    .dflt = "5m",
	    .offset = offsetof(struct sample_tcp_conf, states_every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between two counts by state, in whole intervals" },
	{ .name = "max_sockets",
	    .type = BL_CONF_INT,
	    .dflt = "10000",
	    .offset = offsetof(struct sample_tcp_conf, max_sockets),
	    .min = 100,
	    .max = 1000000,
	    .help = "with more sockets the states are unknown" },
	{ .name = "conntrack",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_tcp_conf, conntrack),
	    .help = "sample the table of tracked connections, where there is one" },
	{ 0 },
};

static const struct bl_conf_section tcp_section = { "tcp", sizeof(struct sample_tcp_conf), tcp_keys,
	NULL };

static void
tcp_close(struct sampler *s)
{
	struct tcp *t = (struct tcp *)s;

	if (t == NULL)
		return;
	for (unsigned i = 0; i < FILES; i++)
		sample_file_close(&t->file[i]);
	for (unsigned i = 0; i < TRACKS; i++)
		sample_file_close(&t->track[i]);
	free(t);
}

static int
tcp_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct tcp *t = calloc(1, sizeof(*t));
	int rc = BL_OK;

	*out = NULL;
	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "tcp: out of memory");
	t->conf = conf;
	t->live = root[0] == '\0';
	t->page_bytes = (double)sysconf(_SC_PAGESIZE);
	t->interval_ms = sample_every_init(&t->every, t->conf->every_ms, interval_ms);
	t->states_interval_ms =
	    sample_every_init(&t->states_every, t->conf->states_every_ms, interval_ms);
	for (unsigned i = 0; i < SOURCES; i++)
		t->handle[i] = SAMPLE_NEW;
	for (unsigned i = 0; i < SAMPLE_TCP_STATES; i++)
		t->state_handle[i] = SAMPLE_NEW;
	for (unsigned i = 0; i < TRACKS; i++)
		t->track_handle[i] = SAMPLE_NEW;
	for (unsigned i = 0; i < FILES && rc == BL_OK; i++)
		rc = sample_file_init(&t->file[i], root, path_of[i], err);
	for (unsigned i = 0; i < TRACKS && rc == BL_OK; i++)
		rc = sample_file_init(&t->track[i], root, track_path[i], err);
	if (rc < 0) {
		tcp_close((struct sampler *)t);
		return rc;
	}
	*out = (struct sampler *)t;
	return BL_OK;
}

/* ---- lines of names and numbers ---- */

/*
 * sockstat has names and numbers in turn on one line, snmp and netstat have
 * the names on one line and the numbers on the next, which begins alike.
 * Looks the name up in names and takes the number beside it, or below.
 */
static bool
field_find(struct sample_scan names, struct sample_scan numbers, const char *field, double *value)
{
	const size_t n = strlen(field);
	const char *word;
	const char *unused;
	size_t len;
	uint64_t v;

	while (sample_scan_word(&names, &word, &len)) {
		const bool found = len == n && memcmp(word, field, n) == 0;
		struct sample_scan *from = numbers.p == NULL ? &names : &numbers;

		if (found) {
			if (!sample_scan_u64(from, &v))
				return false;
			*value = (double)v;
			return true;
		}
		if (!sample_scan_word(from, &unused, &len)) /* may be a negative number */
			return false;
	}
	return false;
}

static void
lines_take(unsigned file, const char *buf, size_t len, double value[SOURCES])
{
	const bool pairs = file == SNMP || file == NETSTAT;
	struct sample_scan text = { buf, buf + len };
	struct sample_scan names;

	while (sample_scan_line(&text, &names)) {
		struct sample_scan numbers = { NULL, NULL };

		if (pairs && !sample_scan_line(&text, &numbers))
			return;
		for (unsigned i = 0; i < SOURCES; i++) {
			struct sample_scan a = names;
			struct sample_scan b = numbers;

			if (source[i].file == file && sample_scan_skip(&a, source[i].line) &&
			    (!pairs || sample_scan_skip(&b, source[i].line)))
				(void)field_find(a, b, source[i].field, &value[i]);
		}
	}
}

static int
file_sample(struct tcp *t, unsigned file, const struct sample_to *to, struct bl_err *err)
{
	struct bl_err why = { 0 };
	double value[SOURCES];
	bool cut;
	const int rc = sample_file_read(&t->file[file], t->buf, sizeof(t->buf), &cut, &why);

	for (unsigned i = 0; i < SOURCES; i++)
		value[i] = NAN;
	if (rc > 0)
		lines_take(file, t->buf, (size_t)rc, value);
	for (unsigned i = 0; i < SOURCES; i++) {
		if (source[i].file != file)
			continue;
		if (isnan(value[i]))
			sample_put_lost(to, t->handle[i]);
		else
			sample_put(to, &t->handle[i], &source[i].spec, NULL,
			    sample_counts(&source[i].spec)
				? sample_counter(&t->counter[i], value[i])
			    : strcmp(source[i].field, "mem") == 0 ? value[i] * t->page_bytes
								  : value[i]);
	}
	return sample_file_result(rc, &why, err);
}

/* ---- states, tracking ---- */

static int
states_sample(struct tcp *t, struct sample_sink *sink, struct bl_err *err)
{
	const struct sample_to to = { sink, t->states_interval_ms };
	struct bl_err why = { 0 };
	unsigned count[SAMPLE_TCP_STATES];
	const int rc = sample_tcp_diag(count, t->conf->max_sockets, &why);

	for (unsigned i = 1; i < SAMPLE_TCP_STATES; i++) {
		if (rc >= 0)
			sample_put(&to, &t->state_handle[i], &state_spec, state_name[i], count[i]);
		else if (rc == BL_EFULL)
			sample_put_unknown(&to, &t->state_handle[i], &state_spec, state_name[i],
			    BL_UNKNOWN_UNSUPPORTED);
		else
			sample_put_lost(&to, t->state_handle[i]);
	}
	/* A kernel built without sock_diag has no such series. */
	if (rc >= 0 || why.os_errno == ENOENT || why.os_errno == EPROTONOSUPPORT ||
	    why.os_errno == EOPNOTSUPP)
		return BL_OK;
	if (err != NULL)
		*err = why;
	return rc;
}

static int
track_sample(struct tcp *t, unsigned i, const struct sample_to *to, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct sample_scan text;
	uint64_t n;
	bool cut;
	const int rc = sample_file_read(&t->track[i], t->buf, sizeof(t->buf), &cut, &why);

	text = (struct sample_scan){ t->buf, t->buf + (rc < 0 ? 0 : rc) };
	if (sample_scan_u64(&text, &n))
		sample_put(to, &t->track_handle[i], &track_spec[i], NULL, (double)n);
	else
		sample_put_lost(to, t->track_handle[i]);
	return sample_file_result(rc, &why, err);
}

static int
files_sample(struct tcp *t, const struct sample_to *to, struct bl_err *err)
{
	int rc = BL_OK;
	int one;

	/* The first failure is the one told. */
	for (unsigned i = 0; i < FILES; i++)
		if ((one = file_sample(t, i, to, rc < 0 ? NULL : err)) < 0 && rc == BL_OK)
			rc = one;
	for (unsigned i = 0; i < TRACKS && t->conf->conntrack; i++)
		if ((one = track_sample(t, i, to, rc < 0 ? NULL : err)) < 0 && rc == BL_OK)
			rc = one;
	return rc;
}

static int
tcp_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct tcp *t = (struct tcp *)s;
	const struct sample_to to = { sink, t->interval_ms };
	int rc = BL_OK;
	int rc2 = BL_OK;

	if (!t->conf->enabled)
		return BL_OK;
	if (sample_every_due(&t->every, boot_ms))
		rc = files_sample(t, &to, err);
	if (t->conf->states && t->live && sample_every_due(&t->states_every, boot_ms))
		rc2 = states_sample(t, sink, rc < 0 ? NULL : err);
	return rc < 0 ? rc : rc2;
}

const struct sampler_ops sampler_tcp = { "tcp", &tcp_section, tcp_open, tcp_sample, tcp_close };
