/* What is remembered of the last starts; no clock, no file. */
#include "safe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "branchline-agent starts 1"

static void
forget_oldest(struct safe_record *r)
{
	memmove(
	    &r->at_boot_ms[0], &r->at_boot_ms[1], sizeof(r->at_boot_ms) - sizeof(r->at_boot_ms[0]));
	r->n--;
}

bool
safe_start(struct safe_record *r, const struct bl_id *boot, int64_t now_boot_ms)
{
	bool safe;

	if (!bl_id_equal(&r->boot, boot))
		*r = (struct safe_record){ .boot = *boot };
	while (r->n > 0 &&
	       (r->at_boot_ms[0] > now_boot_ms || now_boot_ms - r->at_boot_ms[0] > SAFE_WINDOW_MS))
		forget_oldest(r);
	safe = r->n == SAFE_STARTS;
	if (safe)
		forget_oldest(r);
	r->at_boot_ms[r->n++] = now_boot_ms;
	return safe;
}

void
safe_healthy(struct safe_record *r)
{
	r->n = 0;
	r->tries = 0;
}

void
safe_stopped(struct safe_record *r)
{
	if (r->n > 0)
		r->n--;
}

void
safe_forgive(struct safe_record *r)
{
	r->n = 0;
}

void
safe_try(struct safe_record *r, int64_t now_boot_ms)
{
	for (r->n = 0; r->n < SAFE_STARTS; r->n++)
		r->at_boot_ms[r->n] = now_boot_ms;
	if (r->tries < SAFE_TRIES_MAX)
		r->tries++;
}

int64_t
safe_wait_ms(const struct safe_record *r)
{
	return (int64_t)SAFE_WAIT_MS << (r->tries < SAFE_TRIES_MAX ? r->tries : SAFE_TRIES_MAX);
}

bool
safe_sampler(const char *kind)
{
	static const char *const kinds[] = { "cpu", "memory", "uptime", "self" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

void
safe_write(const struct safe_record *r, char out[SAFE_TEXT_MAX])
{
	char boot[BL_ID_HEX_SIZE];
	int len;

	bl_id_hex(&r->boot, boot);
	memset(out, '\n', SAFE_TEXT_MAX);
	len = snprintf(out, SAFE_TEXT_MAX, FORMAT "\nboot %s\ntries %u\n", boot, r->tries);
	for (unsigned i = 0; i < r->n; i++)
		len += snprintf(out + len, SAFE_TEXT_MAX - (size_t)len, "start %" PRId64 "\n",
		    r->at_boot_ms[i]);
	out[len] = '\n'; /* snprintf's end */
}

/* The line behind *text, which is moved on; false: there is none. */
static bool
next_line(const char **text, const char *end, char line[80])
{
	const char *nl = memchr(*text, '\n', (size_t)(end - *text));

	if (nl == NULL || nl - *text >= 80 || nl == *text)
		return false;
	memcpy(line, *text, (size_t)(nl - *text));
	line[nl - *text] = '\0';
	*text = nl + 1;
	return true;
}

/* A number after a word; false: it is none. */
static bool
number_after(const char *line, const char *word, int64_t max, int64_t *out)
{
	const size_t len = strlen(word);
	char *end;

	if (strncmp(line, word, len) != 0 || line[len] < '0' || line[len] > '9' ||
	    strlen(line + len) > 18)
		return false;
	*out = strtoll(line + len, &end, 10);
	return *end == '\0' && *out <= max;
}

static bool
read_record(struct safe_record *r, const char *text, const char *end)
{
	char line[80];
	int64_t v;

	if (!next_line(&text, end, line) || strcmp(line, FORMAT) != 0 ||
	    !next_line(&text, end, line) || strncmp(line, "boot ", 5) != 0 ||
	    !bl_id_parse(line + 5, &r->boot) || !next_line(&text, end, line) ||
	    !number_after(line, "tries ", SAFE_TRIES_MAX, &v))
		return false;
	r->tries = (unsigned)v;
	while (next_line(&text, end, line)) {
		if (r->n == SAFE_STARTS || !number_after(line, "start ", INT64_MAX, &v) ||
		    (r->n > 0 && v < r->at_boot_ms[r->n - 1]))
			return false;
		r->at_boot_ms[r->n++] = v;
	}
	return true;
}

void
safe_read(struct safe_record *r, const char *text, size_t len)
{
	*r = (struct safe_record){ 0 };
	if (!read_record(r, text, text + len))
		*r = (struct safe_record){ 0 };
}
