/*
 * Reading the agent's status (JSON), as whoever shows it to people does: what is
 * missing or of another type reads as nothing.
 */
#ifndef STATUS_READ_H
#define STATUS_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Borrowed from o; "" when there is no text. */
static inline const char *
status_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static inline int64_t
status_number(const json_t *o, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(o, key));
}

static inline bool
status_has(const json_t *o, const char *key)
{
	return json_is_integer(json_object_get(o, key));
}

#endif
