/* The one file that carries a device's identity to its machine. */
#ifndef SETUP_FILE_H
#define SETUP_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/buf.h"
#include "branchline/err.h"

#include "org.h"

struct setup_file {
	const char *device;
	const char *site;
	int64_t part;
	bool websocket;         /* by the broker's WebSocket port */
	const char *proxy;      /* http://HOST:PORT, or NULL */
	const char *proxy_user; /* or NULL; its password stays on the device, in a file */
	const struct bl_buf *key_pem;
	const struct bl_buf *cert_pem;
};

/*
 * Writes PATH (0600): YAML with the identity, the CA, the way to the broker and
 * a configuration, as `branchline-agent setup` takes it in.
 */
int setup_file_write(
    const struct org *o, const struct setup_file *s, const char *path, struct bl_err *err);

#endif
