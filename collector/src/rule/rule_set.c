/* Rules and their versions in a set: ordered by id, then version.  Pure. */
#include "rule_internal.h"

#include <string.h>

const struct define_rule *
rule_next_version(const struct define_set *s, const struct define_rule *at)
{
	const struct define_rule *next = at + 1;

	if (next == s->rule + s->n_rules || strcmp(next->head.id, at->head.id) != 0)
		return NULL;
	return next;
}

const struct define_rule *
rule_next(const struct define_set *s, const struct define_rule *at)
{
	const struct define_rule *next = at == NULL ? s->rule : at + 1;

	while (at != NULL && next < s->rule + s->n_rules && strcmp(next->head.id, at->head.id) == 0)
		next++;
	return s->n_rules == 0 || next == s->rule + s->n_rules ? NULL : next;
}

const struct define_rule *
rule_first_version(const struct define_set *s, const char *id)
{
	for (const struct define_rule *r = rule_next(s, NULL); r != NULL; r = rule_next(s, r))
		if (strcmp(r->head.id, id) == 0)
			return r;
	return NULL;
}

const struct define_rule *
rule_version(const struct define_set *s, const char *id, int64_t version)
{
	for (const struct define_rule *r = rule_first_version(s, id); r != NULL;
	     r = rule_next_version(s, r))
		if (r->head.version == version)
			return r;
	return NULL;
}

bool
rule_applies(const struct rule_env *e, const struct define_rule *v, const char *site)
{
	const struct roster_site *s = roster_site(e->roster, site);

	return v->head.enabled && s != NULL && define_in_scope(&v->scope, site, s->region);
}

bool
rule_watches(const struct rule_env *e, const struct define_rule *v, const char *site)
{
	return v->kind == DEFINE_THRESHOLD && v->head.from_unix_ms < v->head.until_unix_ms &&
	       rule_applies(e, v, site);
}

int64_t
rule_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}
