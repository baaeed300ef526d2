/*
 * Network: raw counters per interface from /proc/net/dev.
 *
 * Left out unless asked for: the loopback, and interfaces that software makes
 * in numbers (containers, bridges, tunnels), by name, because the kernel does
 * not tell them apart inside a network namespace.  An interface that never
 * carried a packet is left out until it does.  Counters are put as the kernel
 * has them; a reset or a wrap is the reader's to see.
 *
 * What the reader cannot see is another interface under the same name (renamed,
 * or made again and busy since) whose counters are higher.  The kernel's number of
 * an interface tells: it is unknown then for as long as its values could be paired
 * with the other's, for the difference would be taken for traffic.
 */
#include "sample_internal.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_SERIES 8
#define NET_FIELDS 16
#define PAIR_MS    60000        /* readers pair values so far apart, or five intervals */
#define NET_BYTES  (128 * 1024) /* text: about 1,000 interfaces; untouched pages cost nothing */

static const struct sample_spec spec[NET_SERIES] = {
	{ "net_received_bytes_total", "bytes", BL_COUNTER, "interface" },
	{ "net_sent_bytes_total", "bytes", BL_COUNTER, "interface" },
	{ "net_received_packets_total", "1", BL_COUNTER, "interface" },
	{ "net_sent_packets_total", "1", BL_COUNTER, "interface" },
	{ "net_receive_errors_total", "1", BL_COUNTER, "interface" },
	{ "net_send_errors_total", "1", BL_COUNTER, "interface" },
	{ "net_receive_dropped_total", "1", BL_COUNTER, "interface" },
	{ "net_send_dropped_total", "1", BL_COUNTER, "interface" },
};

/* Where each stands in a line: receive bytes packets errs drop ..., transmit from 8. */
static const unsigned field_of[NET_SERIES] = { 0, 8, 1, 9, 2, 10, 3, 11 };

static const struct sample_spec skipped_spec = { "net_interfaces_skipped", "1", BL_GAUGE, NULL };

static const char *const virtual_names[] = {
	"veth*",
	"docker*",
	"br-*",
	"virbr*",
	"vnet*",
	"cni*",
	"cali*",
	"flannel*",
	"cilium*",
	"lxc*",
	"lxd*",
	"podman*",
	"vxlan*",
	"tap*",
	"dummy*",
	"ifb*",
	"sit*",
	"gre*",
	"gretap*",
	"erspan*",
	"tunl*",
	"ip_vti*",
	"ip6_vti*",
	"ip6tnl*",
	"ip6gre*",
	"kube-*",
	"nerdctl*",
};

struct network {
	const struct sample_network_conf *conf;
	uint32_t interval_ms;
	struct sample_file dev;
	struct sample_table table;
	char *buf;
	char *root; /* owned */
	int ask;    /* a socket to ask for an interface's number; -1: none */
};

static const struct bl_conf_key network_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_network_conf, enabled),
	    .help = "sample the counters of network interfaces" },
	{ .name = "loopback",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_network_conf, loopback),
	    .help = "also the loopback interface" },
	{ .name = "virtual",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_network_conf, virtuals),
	    .help =
		"also interfaces of containers, bridges and tunnels (veth*, docker*, br-* ...)" },
	{ .name = "include",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_network_conf, include),
	    .max = 64,
	    .help = "only these interfaces (wildcards * and ?), of whatever kind" },
	{ .name = "exclude",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_network_conf, exclude),
	    .max = 64,
	    .help = "not these interfaces (wildcards * and ?)" },
	{ .name = "max_interfaces",
	    .type = BL_CONF_INT,
	    .dflt = "16",
	    .offset = offsetof(struct sample_network_conf, max_interfaces),
	    .min = 1,
	    .max = 256,
	    .help = "most interfaces; further ones are counted in net_interfaces_skipped" },
	{ 0 },
};

static const struct bl_conf_section network_section = { "network",
	sizeof(struct sample_network_conf), network_keys, NULL };

static void
network_close(struct sampler *s)
{
	struct network *n = (struct network *)s;

	if (n == NULL)
		return;
	if (n->ask >= 0)
		(void)close(n->ask);
	sample_file_close(&n->dev);
	free(n->root);
	sample_table_free(&n->table);
	free(n->buf);
	free(n);
}

static int
network_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct network *n = calloc(1, sizeof(*n));
	int rc;

	*out = NULL;
	if (n == NULL)
		return bl_fail(err, BL_ENOMEM, "network: out of memory");
	n->conf = conf;
	n->interval_ms = interval_ms;
	n->ask = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n->root = strdup(root);
	n->buf = malloc(NET_BYTES);
	rc = n->buf == NULL || n->root == NULL ? bl_fail(err, BL_ENOMEM, "network: out of memory")
					       : BL_OK;
	if (rc == BL_OK)
		rc = sample_file_init(&n->dev, root, "/proc/net/dev", err);
	if (rc == BL_OK)
		rc = sample_table_init(&n->table, (unsigned)n->conf->max_interfaces, spec,
		    NET_SERIES, &skipped_spec, err);
	if (rc < 0) {
		network_close((struct sampler *)n);
		return rc;
	}
	*out = (struct sampler *)n;
	return BL_OK;
}

static bool
looks_virtual(const char *name)
{
	for (size_t i = 0; i < sizeof(virtual_names) / sizeof(virtual_names[0]); i++)
		if (sample_glob(virtual_names[i], name))
			return true;
	return false;
}

static bool
wanted(const struct sample_network_conf *conf, const char *name)
{
	if (sample_glob_any(&conf->exclude, name))
		return false;
	if (conf->include.n > 0)
		return sample_glob_any(&conf->include, name);
	if (strcmp(name, "lo") == 0)
		return conf->loopback;
	return conf->virtuals || !looks_virtual(name);
}

/* "  eth0: 1 2 ..." or, before 2.6.27, "  eth0:1 2 ...".  False: not a line of an interface. */
static bool
name_parse(struct sample_scan *line, char *name, size_t size)
{
	const char *colon;
	size_t len;

	while (line->p < line->end && *line->p == ' ')
		line->p++;
	colon = memchr(line->p, ':', (size_t)(line->end - line->p));
	if (colon == NULL)
		return false;
	len = (size_t)(colon - line->p);
	if (len == 0 || len >= size)
		return false;
	memcpy(name, line->p, len);
	name[len] = '\0';
	line->p = colon + 1;
	return true;
}

/* False: fewer than sixteen numbers.  *used: one of them is not zero. */
static bool
fields_parse(struct sample_scan *line, uint64_t field[NET_FIELDS], bool *used)
{
	*used = false;
	for (unsigned i = 0; i < NET_FIELDS; i++) {
		if (!sample_scan_u64(line, &field[i]))
			return false;
		*used = *used || field[i] != 0;
	}
	return true;
}

/* ---- who it is ---- */

/* 0: not known. */
static unsigned
index_of(const struct network *n, const char *name)
{
	struct ifreq ask = { 0 };
	char path[512], text[16];
	int len;

	if (n->root[0] == '\0') {
		(void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", name);
		return n->ask >= 0 && ioctl(n->ask, SIOCGIFINDEX, &ask) == 0
			   ? (unsigned)ask.ifr_ifindex
			   : 0;
	}
	len = snprintf(path, sizeof(path), "%s/sys/class/net/%s/ifindex", n->root, name);
	if (len < 0 || (size_t)len >= sizeof(path) || !sample_text_read(path, text, sizeof(text)))
		return 0;
	return (unsigned)strtoul(text, NULL, 10);
}

static bool
higher(const struct sample_slot *slot, const double value[NET_SERIES])
{
	for (unsigned i = 0; i < NET_SERIES; i++)
		if (value[i] > slot->counter[i])
			return true;
	return false;
}

/* Another interface has the name now. */
static void
begin_anew(struct sample_slot *slot, const double value[NET_SERIES], uint32_t interval_ms)
{
	const int64_t pair_ms = interval_ms > PAIR_MS / 5 ? (int64_t)interval_ms * 5 : PAIR_MS;

	if (higher(slot, value))
		slot->who.quiet_boot_ms = slot->who.known_boot_ms + pair_ms;
	memset(slot->counter, 0, sizeof(slot->counter));
}

static void
counters_put(struct network *n, struct sample_slot *slot, const uint64_t field[NET_FIELDS],
    const struct sample_to *to, int64_t boot_ms)
{
	const unsigned index = index_of(n, slot->name);
	double value[NET_SERIES];

	for (unsigned i = 0; i < NET_SERIES; i++)
		value[i] = (double)field[field_of[i]];
	if (index != 0 && slot->who.index != 0 && index != slot->who.index)
		begin_anew(slot, value, n->interval_ms);
	slot->who.index = index != 0 ? index : slot->who.index;
	if (slot->who.quiet_boot_ms >= boot_ms) {
		sample_table_unknown(&n->table, slot, to, BL_UNKNOWN_UNREADABLE);
		return;
	}
	slot->who.known_boot_ms = boot_ms;
	for (unsigned i = 0; i < NET_SERIES; i++)
		sample_put(to, &slot->handle[i], &spec[i], slot->name,
		    sample_counter(&slot->counter[i], value[i]));
}

static void
line_sample(
    struct network *n, struct sample_scan *line, const struct sample_to *to, int64_t boot_ms)
{
	uint64_t field[NET_FIELDS];
	char name[32]; /* IFNAMSIZ is 16 */
	struct sample_slot *slot;
	bool whole;
	bool used;

	if (!name_parse(line, name, sizeof(name)) || !wanted(n->conf, name))
		return;
	whole = fields_parse(line, field, &used);
	if ((!whole || !used) && sample_table_find(&n->table, name) == NULL)
		return;
	if ((slot = sample_table_take(&n->table, name)) == NULL)
		return;
	if (!whole) {
		sample_table_unknown(&n->table, slot, to, BL_UNKNOWN_UNREADABLE);
		return;
	}
	counters_put(n, slot, field, to, boot_ms);
}

static int
network_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct network *n = (struct network *)s;
	const struct sample_to to = { sink, n->interval_ms };
	struct sample_scan text;
	struct sample_scan line;
	bool cut;
	int rc;

	if (!n->conf->enabled)
		return BL_OK;
	rc = sample_file_read(&n->dev, n->buf, NET_BYTES, &cut, err);
	if (rc < 0) {
		sample_table_unreadable(&n->table, &to);
		return rc;
	}
	sample_table_begin(&n->table);
	text = (struct sample_scan){ n->buf, n->buf + rc };
	while (sample_scan_line(&text, &line))
		line_sample(n, &line, &to, boot_ms);
	sample_table_end(&n->table, &to, boot_ms);
	if (cut)
		return bl_fail(err, BL_EFULL,
		    "network: %s is longer than %d bytes; the rest is not sampled", n->dev.path,
		    NET_BYTES);
	return BL_OK;
}

const struct sampler_ops sampler_network = { "network", &network_section, network_open,
	network_sample, network_close };
