/* See dns_kit.h. */
#include "dns_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void
put(struct msg *m, const void *p, size_t len)
{
	assert_true(m->len + len <= sizeof(m->b));
	memcpy(m->b + m->len, p, len);
	m->len += len;
}

void
put16(struct msg *m, unsigned v)
{
	const uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(m, b, 2);
}

void
put_name(struct msg *m, const char *text)
{
	while (*text != '\0') {
		const uint8_t len = (uint8_t)strcspn(text, ".");

		put(m, &len, 1);
		put(m, text, len);
		text += len + (text[len] == '.');
	}
	put(m, "", 1);
}

void
put_record(
    struct msg *m, const char *name, unsigned type, unsigned ttl, const void *data, size_t len)
{
	if (strcmp(name, HERE) == 0)
		put(m, HERE, 2);
	else
		put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put16(m, 0);
	put16(m, ttl);
	put16(m, (unsigned)len);
	put(m, data, len);
	m->b[7]++;
}
