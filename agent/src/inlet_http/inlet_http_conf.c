/* The inlet's table. */
#include <stddef.h>

#include "http_head.h"
#include "http_listen.h"
#include "inlet_http.h"
#include "inlet_socket.h"

static const char *
check_listen(const void *value)
{
	return http_listen_check(*(char *const *)value);
}

static const struct bl_conf_key keys[] = {
	{ .name = "listen",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct inlet_http_conf, listen),
	    .max = 107,
	    .help =
		"where programs of this machine may report by HTTP: 127.0.0.1:PORT, [::1]:PORT, "
		"or the path of a Unix socket; none: nowhere",
	    .check = check_listen },
	{ .name = "mode",
	    .type = BL_CONF_STR,
	    .dflt = "0660",
	    .offset = offsetof(struct inlet_http_conf, mode),
	    .min = 1,
	    .max = 4,
	    .help = "permissions of a Unix socket; a port is open to everybody on this machine",
	    .check = inlet_mode_check },
	{ .name = "group",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct inlet_http_conf, group),
	    .help = "group of a Unix socket; none: the agent's own" },
	{ .name = "token_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct inlet_http_conf, token_file),
	    .help = "file with a token that senders must give (Authorization: Bearer ...); mode "
		    "0600, read anew for every request" },
	{ .name = "max_body",
	    .type = BL_CONF_SIZE,
	    .dflt = "256KiB",
	    .offset = offsetof(struct inlet_http_conf, max_body),
	    .min = 1024,
	    .max = 1 << 20,
	    .help = "a larger request is refused" },
	{ .name = "hosts",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct inlet_http_conf, hosts),
	    .max = 16,
	    .help = "further names under which it may be asked; localhost and the loopback "
		    "addresses always may",
	    .check = http_hosts_check },
	{ 0 },
};

const struct bl_conf_section inlet_http_conf_section = { "http", sizeof(struct inlet_http_conf),
	keys, NULL };
