/* The table of `local`: the page for people at this machine. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "http_listen.h"
#include "inlet_socket.h"

static const char *
check_listen(const void *value)
{
	return http_listen_check(*(char *const *)value);
}

/* What stands in a request's Host, which http_head.c compares: without brackets and port. */
static const char *
check_hosts(const void *value)
{
	static const char of_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.-_";
	const struct bl_conf_strlist *hosts = value;
	struct in6_addr v6;

	for (size_t i = 0; i < hosts->n; i++) {
		const char *name = hosts->item[i];

		if (inet_pton(AF_INET6, name, &v6) != 1 &&
		    (name[0] == '\0' || name[strspn(name, of_names)] != '\0'))
			return "names or addresses alone, such as till-7.shop.example: their port "
			       "does not matter";
	}
	return NULL;
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
	    .check = check_hosts },
	{ 0 },
};

const struct bl_conf_section config_local_section = { "local", sizeof(struct config_local),
	local_keys, NULL };
