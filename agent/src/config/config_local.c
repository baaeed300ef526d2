/* The table of `local`: the page for people at this machine. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "http_head.h"
#include "http_listen.h"
#include "inlet_socket.h"

static const char *
check_listen(const void *value)
{
	return http_listen_check(*(char *const *)value);
}

static const struct bl_conf_key local_keys[] = {
	{ .name = "listen",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_local, listen),
	    .max = 107,
	    .help = "where the status page and /metrics are: 127.0.0.1:PORT, [::1]:PORT, or the "
		    "path of a Unix socket; none: nowhere",
	    .check = check_listen },
	{ .name = "mode",
	    .type = BL_CONF_STR,
	    .dflt = "0660",
	    .offset = offsetof(struct config_local, mode),
	    .min = 1,
	    .max = 4,
	    .help = "permissions of a Unix socket; a port is open to everybody on this machine",
	    .check = inlet_mode_check },
	{ .name = "hosts",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct config_local, hosts),
	    .max = 16,
	    .help = "further names under which a browser may ask for it; localhost and the "
		    "loopback addresses always may",
	    .check = http_hosts_check },
	{ 0 },
};

const struct bl_conf_section config_local_section = { "local", sizeof(struct config_local),
	local_keys, NULL };
