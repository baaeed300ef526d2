/*
 * Where a server for programs of this machine listens: a loopback address or a
 * Unix socket, and nothing else.
 */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include "branchline/err.h"

/* NULL, or what listen should have been.  For the configuration. */
const char *http_listen_check(const char *listen);

struct http_listen {
	const char *listen; /* "127.0.0.1:9480", "[::1]:9480", "/run/..." */
	unsigned mode;      /* of a Unix socket: inlet_socket.h */
	const char *group;  /* of a Unix socket; NULL or empty: as it comes */
	const char *key;    /* of the configuration, for advice: "local.listen" */
};

/*
 * *fd listens, without waiting; *path is the Unix socket's, for http_unlisten, or NULL.
 * Codes as of inlet_socket_open; *fd is then -1.
 */
int http_listen(int *fd, char **path, const struct http_listen *o, struct bl_err *err);
/* Closes, removes the socket, frees path.  -1 and NULL are fine. */
void http_unlisten(int fd, char *path);

#endif
