/*
 * The Unix socket of an inlet: its address, who may use it, and what lies in its place.  For every
 * inlet that has one.  Any thread; nothing waits.
 */
#ifndef INLET_SOCKET_H
#define INLET_SOCKET_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "branchline/err.h"

struct inlet_socket {
	const char *path;  /* its folder is made when that one's parent is there */
	int type;          /* SOCK_STREAM, SOCK_DGRAM ... */
	unsigned mode;     /* who may write to it may report */
	const char *group; /* NULL or empty: as it comes */
	const char *key;   /* of the configuration, for advice: "inlets.steps.socket" */
};

/*
 * Makes and binds it, listening where it has a type that does; *fd does not block.  It has mode
 * 0600 until group and mode are right.  A socket that a dead program left there is replaced.
 * BL_EBUSY: another program listens there; BL_EEXIST: what lies there is no socket; BL_ENOTFOUND:
 * no such group or folder; BL_EDENIED, BL_EIO.
 */
int inlet_socket_open(int *fd, const struct inlet_socket *s, struct bl_err *err);
/* Out of its folder; the descriptor is the caller's to close. */
void inlet_socket_remove(const char *path);

/*
 * The address of a socket at path, which may be longer than an address holds:
 * then it goes through *dir_fd (else -1), which the caller closes after use.
 */
int inlet_address(const char *path, struct sockaddr_un *out, int *dir_fd, struct bl_err *err);

/*
 * "127.0.0.1:PORT" or "[::1]:PORT" as an address; its length, or 0: it is none that only this
 * machine can reach.
 */
socklen_t inlet_loopback(const char *listen, struct sockaddr_storage *out);

/*
 * Whose program connected: its uid when it did, + 1; 0: not known (no Unix stream socket).
 */
uint32_t inlet_user(int fd);

/* For tables: permissions in octal, like "0660"; and as a number. */
const char *inlet_mode_check(const void *value);
unsigned inlet_mode(const char *text);

#endif
