/*
 * Errors as values.
 *
 * Expected outcomes of a function are non-negative enum values of its own.
 * Failures are negative enum bl_code plus a caller-owned struct bl_err, filled
 * by the lowest layer that knows the object's name; upper layers pass it on
 * untouched, and the one that stops the propagation logs it once.
 *
 * Nothing here allocates, nothing is thread-local.
 */
#ifndef BRANCHLINE_ERR_H
#define BRANCHLINE_ERR_H

#include <stdarg.h>
#include <stddef.h>

enum bl_code {
	BL_OK = 0,
	BL_EINVAL = -1,    /* an argument or an input is wrong */
	BL_ENOMEM = -2,    /* out of memory */
	BL_EIO = -3,       /* disk or descriptor failed */
	BL_EFULL = -4,     /* a cap was reached, or the disk is full */
	BL_ECORRUPT = -5,  /* stored or received bytes do not decode */
	BL_ENOTFOUND = -6, /* the named thing does not exist */
	BL_EEXIST = -7,    /* the named thing exists already */
	BL_EDENIED = -8,   /* a permission is missing */
	BL_ENET = -9,      /* the network or the peer failed */
	BL_ETIMEDOUT = -10,
	BL_ENEWER = -11,   /* written by a newer version: refused, left untouched */
	BL_EBUSY = -12,    /* somebody else holds it */
	BL_EUNSUPPORTED = -13,
};

struct bl_err {
	int code;      /* enum bl_code of the first failure, 0 when none */
	int os_errno;  /* errno at that moment, or 0 */
	char msg[256]; /* "open spool /var/lib/x: Permission denied"; cut, never overrun */
};

/* Fills err (may be NULL) and returns code.  os_errno becomes 0. */
int bl_fail(struct bl_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with errno kept and ": strerror(errno)" appended to the message. */
int bl_fail_errno(struct bl_err *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the message that err holds.  NULL is fine. */
void bl_err_prefix(struct bl_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A short stable name of a code: "ok", "invalid", "full" ...; never NULL. */
const char *bl_code_name(int code);

#endif
