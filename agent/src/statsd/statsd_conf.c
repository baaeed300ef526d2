/* The table of `inlets.statsd`. */
#include <stddef.h>

#include "branchline/wire.h"

#include "inlet_socket.h"
#include "statsd_internal.h"

static const char *
check_listen(const void *value)
{
	const struct bl_conf_strlist *listen = value;
	const char *wrong = NULL;

	for (size_t i = 0; i < listen->n && wrong == NULL; i++)
		wrong = statsd_socket_check(listen->item[i]);
	return wrong;
}

static const char *
check_prefix(const void *value)
{
	const char *prefix = *(char *const *)value;
	char clean[BL_NAME_MAX + 1];

	return intake_clean_name(prefix, (struct bl_str){ "a", 1 }, clean)
		   ? NULL
		   : "letters, digits and _ that can stand before a name";
}

static const char *const signs[] = { "change", "value", NULL };

static const struct bl_conf_key keys[] = {
	{ .name = "listen",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct statsd_conf, listen),
	    .max = STATSD_SOCKETS,
	    .help =
		"where StatsD and DogStatsD are taken: 127.0.0.1:8125, [::1]:8125 (UDP), paths of "
		"Unix datagram sockets, unixstream:///PATH (a stream socket, as DogStatsD clients "
		"call it); none: nowhere",
	    .check = check_listen },
	{ .name = "mode",
	    .type = BL_CONF_STR,
	    .dflt = "0660",
	    .offset = offsetof(struct statsd_conf, mode),
	    .min = 1,
	    .max = 4,
	    .help = "permissions of Unix sockets; a port is open to everybody on this machine",
	    .check = inlet_mode_check },
	{ .name = "group",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct statsd_conf, group),
	    .max = 32,
	    .help = "group of Unix sockets; none: the agent's own" },
	{ .name = "prefix",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct statsd_conf, prefix),
	    .max = 32,
	    .help = "stands before each name",
	    .check = check_prefix },
	{ .name = "max_series",
	    .type = BL_CONF_INT,
	    .dflt = "1000",
	    .offset = offsetof(struct statsd_conf, max_series),
	    .min = 1,
	    .max = 10000,
	    .help = "of this inlet; a timer has seven. Further ones are refused and counted" },
	{ .name = "hold",
	    .type = BL_CONF_DURATION,
	    .dflt = "5m",
	    .offset = offsetof(struct statsd_conf, hold_ms),
	    .min = 1000,
	    .max = 30ll * 86400000,
	    .help = "a gauge that nobody sends any more stands for so long, then it is unknown" },
	{ .name = "signed_gauges",
	    .type = BL_CONF_ENUM,
	    .dflt = "change",
	    .offset = offsetof(struct statsd_conf, sign),
	    .help = "a gauge of +3 or -3 changes it by that (StatsD), or is its value (DogStatsD)",
	    .choices = signs },
	{ .name = "drop_tags",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct statsd_conf, drop_tags),
	    .max = 32,
	    .help = "keys of tags that are left out: one that has many values makes many series" },
	{ .name = "receive_buffer",
	    .type = BL_CONF_SIZE,
	    .dflt = "4MiB",
	    .offset = offsetof(struct statsd_conf, receive_buffer_bytes),
	    .min = 65536,
	    .max = 256 << 20,
	    .help = "how much of a burst the kernel keeps of each socket, as far as it allows it" },
	{ 0 },
};

const struct bl_conf_section statsd_conf_section = { "statsd", sizeof(struct statsd_conf), keys,
	NULL };
