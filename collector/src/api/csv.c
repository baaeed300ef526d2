/* CSV cells; see the header. */
#include "csv_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
csv_bom(struct bl_buf *out)
{
	bl_buf_bytes(out, "\xef\xbb\xbf", 3);
}

static void
next_cell(struct csv *c)
{
	if (c->begun)
		bl_buf_u8(c->out, ',');
	c->begun = true;
}

static void
plain(struct csv *c, const char *text)
{
	next_cell(c);
	bl_buf_bytes(c->out, text, strlen(text));
}

/* What begins so is a formula in a spreadsheet, or becomes one when it drops what it trims. */
static bool
is_formula(const char *text)
{
	return text[0] != '\0' && strchr("=+-@\t\r\n", text[0]) != NULL;
}

void
csv_text(struct csv *c, const char *text)
{
	const bool formula = text != NULL && is_formula(text);

	next_cell(c);
	if (text == NULL)
		return;
	if (!formula && strpbrk(text, "\",\r\n") == NULL) {
		bl_buf_bytes(c->out, text, strlen(text));
		return;
	}
	bl_buf_u8(c->out, '"');
	if (formula)
		bl_buf_u8(c->out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			bl_buf_u8(c->out, '"');
		bl_buf_u8(c->out, (uint8_t)*text);
	}
	bl_buf_u8(c->out, '"');
}

void
csv_int(struct csv *c, int64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)v);
	plain(c, text);
}

void
csv_number(struct csv *c, double v)
{
	char text[32];

	if (!isfinite(v)) {
		next_cell(c);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", v);
	if (strtod(text, NULL) != v)
		(void)snprintf(text, sizeof(text), "%.17g", v);
	plain(c, text);
}

void
csv_time(struct csv *c, int64_t unix_ms)
{
	const int64_t ms = (unix_ms % 1000 + 1000) % 1000;
	const time_t s = (time_t)((unix_ms - ms) / 1000);
	char text[40], all[48];
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		next_cell(c); /* no calendar has it */
		return;
	}
	(void)snprintf(all, sizeof(all), "%s.%03dZ", text, (int)ms);
	plain(c, all);
}

void
csv_row(struct csv *c)
{
	bl_buf_bytes(c->out, "\r\n", 2);
	c->begun = false;
}
