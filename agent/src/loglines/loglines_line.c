/*
 * A line, its groups, a row, reports.  Pure.
 */
#include "loglines.h"

#include <stdlib.h>
#include <string.h>

#include "branchline/regex_groups.h"

#define NO_GROUP (-1)

struct pattern {
	struct bl_regex_groups *groups; /* owned, like the others */
	struct bl_regex_finder *finder;
	struct bl_rowmap *map;
	unsigned n_fields;
	int group[BL_ROWMAP_FIELDS_MAX]; /* that a field of the mapping is */
};

struct loglines_patterns {
	unsigned n;
	struct pattern pattern[LOGLINES_PATTERNS_MAX];
};

static int
group_of(const struct bl_regex_groups *g, const char *name)
{
	for (unsigned i = 0; i < bl_regex_groups_count(g); i++)
		if (strcmp(bl_regex_groups_name(g, i), name) == 0)
			return (int)i;
	return NO_GROUP;
}

static int
pattern_open(struct pattern *p, const struct loglines_pattern *conf, struct bl_err *err)
{
	const char *field;
	int rc;

	if ((rc = bl_regex_groups_compile(&p->groups, conf->match, err)) < 0 ||
	    (rc = bl_regex_finder_create(&p->finder, p->groups, err)) < 0 ||
	    (rc = bl_rowmap_create(&p->map, &conf->map, err)) < 0)
		return rc;
	while ((field = bl_rowmap_field(p->map, p->n_fields)) != NULL) {
		const int group = group_of(p->groups, field);

		if (group == NO_GROUP)
			return bl_fail(err, BL_EINVAL,
			    "{%s} is in the mapping, but the expression has no group (?<%s>...)",
			    field, field);
		p->group[p->n_fields++] = group;
	}
	return BL_OK;
}

int
loglines_patterns_open(
    struct loglines_patterns **out, const struct bl_conf_list *patterns, struct bl_err *err)
{
	struct loglines_patterns *p = calloc(1, sizeof(*p));
	const struct loglines_pattern *conf = patterns->item;
	int rc = p != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "loglines: out of memory");

	*out = NULL;
	for (size_t i = 0; rc == BL_OK && i < patterns->n && i < LOGLINES_PATTERNS_MAX; i++) {
		p->n++; /* also what was opened by half is closed */
		rc = pattern_open(&p->pattern[i], &conf[i], err);
	}
	if (rc < 0) {
		loglines_patterns_close(p);
		return rc;
	}
	*out = p;
	return BL_OK;
}

void
loglines_patterns_close(struct loglines_patterns *p)
{
	for (unsigned i = 0; p != NULL && i < p->n; i++) {
		bl_rowmap_free(p->pattern[i].map);
		bl_regex_finder_free(p->pattern[i].finder);
		bl_regex_groups_free(p->pattern[i].groups);
	}
	free(p);
}

unsigned
loglines_patterns_count(const struct loglines_patterns *p)
{
	return p->n;
}

int
loglines_patterns_ask(struct loglines_patterns *all, unsigned i, const char *line, size_t len,
    struct bl_str id, int64_t now_unix_ms, struct bl_rowmap_out *out, struct bl_err *err)
{
	const struct pattern *p = &all->pattern[i];
	struct bl_regex_span span[BL_REGEX_GROUPS_MAX];
	struct bl_rowmap_value row[BL_ROWMAP_FIELDS_MAX];
	int rc = bl_regex_find(p->finder, line, len, span);

	if (rc < 0)
		return bl_fail(err, rc, "the expression would take too long on this line");
	if (rc == 0)
		return LOGLINES_NO_MATCH;
	for (unsigned k = 0; k < p->n_fields; k++) {
		const struct bl_regex_span *s = &span[p->group[k]];

		row[k] = (struct bl_rowmap_value){ .type = BL_ROWMAP_ABSENT };
		if (s->begin < 0)
			continue;
		row[k].type = BL_ROWMAP_BARE;
		row[k].text = (struct bl_str){ line + s->begin, (size_t)(s->end - s->begin) };
	}
	rc = bl_rowmap_apply(p->map, row, id, now_unix_ms, out, err);
	return rc < 0 ? rc : out->n > 0 ? LOGLINES_REPORTS : LOGLINES_NOT_WANTED;
}
