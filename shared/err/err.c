/* Errors as values; see the header for the contract. */
#include "branchline/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void err_format(struct bl_err *err, int code, int os_errno, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static void
err_format(struct bl_err *err, int code, int os_errno, const char *fmt, va_list ap)
{
	err->code = code;
	err->os_errno = os_errno;
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

int
bl_fail(struct bl_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	va_start(ap, fmt);
	err_format(err, code, 0, fmt, ap);
	va_end(ap);
	return code;
}

int
bl_fail_errno(struct bl_err *err, int code, const char *fmt, ...)
{
	const int saved = errno;
	char reason[96];
	va_list ap;
	size_t len;

	if (err == NULL)
		return code;
	va_start(ap, fmt);
	err_format(err, code, saved, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	(void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
	    strerror_r(saved, reason, sizeof(reason)));
	return code;
}

void
bl_err_prefix(struct bl_err *err, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;
	size_t len;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	if (len < sizeof(text) - 1)
		(void)snprintf(text + len, sizeof(text) - len, ": %s", err->msg);
	memcpy(err->msg, text, sizeof(text));
}

const char *
bl_code_name(int code)
{
	switch (code) {
	case BL_OK:
		return "ok";
	case BL_EINVAL:
		return "invalid";
	case BL_ENOMEM:
		return "out_of_memory";
	case BL_EIO:
		return "io";
	case BL_EFULL:
		return "full";
	case BL_ECORRUPT:
		return "corrupt";
	case BL_ENOTFOUND:
		return "not_found";
	case BL_EEXIST:
		return "exists";
	case BL_EDENIED:
		return "denied";
	case BL_ENET:
		return "network";
	case BL_ETIMEDOUT:
		return "timeout";
	case BL_ENEWER:
		return "newer_version";
	case BL_EBUSY:
		return "busy";
	case BL_EUNSUPPORTED:
		return "unsupported";
	default:
		return "unknown";
	}
}
