/* The machine's clocks and ids; see the header. */
#include "branchline/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timex.h>
#include <time.h>

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		abort(); /* these clocks exist on every kernel we run on */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
real_boot_ms(void *ctx)
{
	(void)ctx;
	return read_ms(CLOCK_BOOTTIME);
}

static int64_t
real_mono_ms(void *ctx)
{
	(void)ctx;
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t
real_unix_ms(void *ctx)
{
	(void)ctx;
	return read_ms(CLOCK_REALTIME);
}

static void
real_random(void *ctx, void *out, size_t len)
{
	uint8_t *p = out;

	(void)ctx;
	while (len > 0) {
		const ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			abort(); /* ids and keys without randomness would be worse */
		p += n;
		len -= (size_t)n;
	}
}

static bool
real_synced(void *ctx)
{
	struct timex tx = { 0 };

	(void)ctx;
	return adjtimex(&tx) != TIME_ERROR && (tx.status & STA_UNSYNC) == 0;
}

const struct bl_clock *
bl_clock_real(void)
{
	static const struct bl_clock real = {
		.boot_ms = real_boot_ms,
		.mono_ms = real_mono_ms,
		.unix_ms = real_unix_ms,
		.random = real_random,
		.synced = real_synced,
	};

	return &real;
}

struct bl_id
bl_id_random(const struct bl_clock *c)
{
	struct bl_id id;

	do {
		c->random(c->ctx, id.b, sizeof(id.b));
	} while (bl_id_is_zero(&id));
	return id;
}

uint64_t
bl_random_below(const struct bl_clock *c, uint64_t bound)
{
	uint64_t r, limit;

	if (bound == 0)
		return 0;
	/* Reject the tail so that every value is equally likely. */
	limit = UINT64_MAX - UINT64_MAX % bound;
	do {
		c->random(c->ctx, &r, sizeof(r));
	} while (r >= limit);
	return r % bound;
}

static int
hex_digit(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	if (ch >= 'a' && ch <= 'f')
		return ch - 'a' + 10;
	if (ch >= 'A' && ch <= 'F')
		return ch - 'A' + 10;
	return -1;
}

bool
bl_id_parse(const char *hex, struct bl_id *out)
{
	struct bl_id id;

	if (strlen(hex) != BL_ID_HEX_SIZE - 1)
		return false;
	for (size_t i = 0; i < BL_ID_BYTES; i++) {
		const int hi = hex_digit(hex[2 * i]);
		const int lo = hex_digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		id.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*out = id;
	return true;
}

struct bl_id
bl_boot_id(const struct bl_clock *c)
{
	struct bl_id id;
	char text[64] = "", hex[BL_ID_HEX_SIZE] = "";
	size_t n = 0;
	FILE *f;

	if ((f = fopen("/proc/sys/kernel/random/boot_id", "re")) != NULL) {
		if (fgets(text, sizeof(text), f) == NULL)
			text[0] = '\0';
		(void)fclose(f); /* read-only: nothing can be lost */
	}
	for (const char *p = text; *p != '\0' && n < sizeof(hex) - 1; p++)
		if (hex_digit(*p) >= 0)
			hex[n++] = *p;
	hex[n] = '\0';
	return bl_id_parse(hex, &id) ? id : bl_id_random(c);
}

bool
bl_id_equal(const struct bl_id *a, const struct bl_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
bl_id_is_zero(const struct bl_id *id)
{
	static const struct bl_id zero;

	return bl_id_equal(id, &zero);
}

void
bl_id_hex(const struct bl_id *id, char out[BL_ID_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < BL_ID_BYTES; i++) {
		out[2 * i] = digits[id->b[i] >> 4];
		out[2 * i + 1] = digits[id->b[i] & 15];
	}
	out[BL_ID_HEX_SIZE - 1] = '\0';
}

void
bl_time_utc(int64_t unix_ms, char out[BL_TIME_SIZE])
{
	int64_t sec = unix_ms / 1000, ms = unix_ms % 1000;
	struct tm tm;
	time_t t;

	if (ms < 0) {
		ms += 1000;
		sec--;
	}
	t = (time_t)sec;
	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		memcpy(out, "?", 2);
		return;
	}
	(void)snprintf(out, BL_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000u, (unsigned)(tm.tm_mon + 1) % 100u,
	    (unsigned)tm.tm_mday % 100u, (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
	    (unsigned)tm.tm_sec % 100u, (unsigned)ms % 1000u);
}
