/* Finding a row of the route table.  Pure. */
#include "route_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const verbs[VERBS] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

const char *
verb_name(enum verb v)
{
	return verbs[v];
}

bool
verb_parse(const char *method, enum verb *out)
{
	if (strcmp(method, "HEAD") == 0) {
		*out = VERB_GET;
		return true;
	}
	for (int i = 0; i < VERBS; i++) {
		if (strcmp(method, verbs[i]) == 0) {
			*out = (enum verb)i;
			return true;
		}
	}
	return false;
}

/* Segment by segment; {name} takes one that is not empty. */
static bool
match(const char *pattern, const char *path, char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE])
{
	size_t n = 0;

	while (*pattern == '/' && *path == '/') {
		const size_t want = strcspn(++pattern, "/");
		const size_t have = strcspn(++path, "/");
		if (*pattern == '{') {
			if (n == ROUTE_PARAMS_MAX || have == 0 || have >= ROUTE_PARAM_SIZE)
				return false;
			memcpy(param[n], path, have);
			param[n++][have] = '\0';
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
	return *pattern == '\0' && *path == '\0';
}

static void
allow_add(char *allow, size_t size, enum verb v)
{
	const size_t n = strlen(allow);

	(void)snprintf(allow + n, size - n, "%s%s", n > 0 ? ", " : "",
	    v == VERB_GET ? "GET, HEAD" : verb_name(v));
}

enum route_match
route_find(const struct route *routes, size_t n, const char *method, const char *path,
    const struct route **out, char param[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE], char *allow,
    size_t allow_size)
{
	enum verb v;
	const bool known = verb_parse(method, &v);
	bool path_found = false;

	allow[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!match(routes[i].pattern, path, param))
			continue;
		if (known && routes[i].verb == v) {
			*out = &routes[i];
			return ROUTE_FOUND;
		}
		path_found = true;
		allow_add(allow, allow_size, routes[i].verb);
	}
	return path_found ? ROUTE_NO_VERB : ROUTE_NO_PATH;
}
