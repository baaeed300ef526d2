/* What the commands on one device and those on a list of them share. */
#ifndef CMD_DEVICE_H
#define CMD_DEVICE_H

#include <jansson.h>
#include <stdbool.h>

#include "branchline/err.h"

#include "org.h"

struct device_args {
	const char *id, *file, *out, *proxy, *proxy_user;
	int days;
	bool websocket;
};

/* The broker knows the collector's connections by such names. */
bool device_reserved(const char *id);

/* A new key and certificate for a registered device; writes its set-up file and says where. */
int device_issue(const struct org *o, const json_t *device, const struct device_args *a,
    char out[ORG_PATH_MAX], struct bl_err *err);

/* `device add --file`; the exit code. */
int device_add_list(const struct org *o, const struct device_args *a);

#endif
