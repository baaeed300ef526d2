/* From a section of the configuration to a mapping: fields, templates, the zone. */
#include "rowmap_internal.h"

#include <stdlib.h>
#include <string.h>

static int
compare_pairs(const void *a, const void *b)
{
	const struct rowmap_pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static bool
listed(const struct bl_conf_strlist *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->item[i], text) == 0)
			return true;
	return false;
}

static int
take_pairs(struct bl_rowmap *m, const struct bl_conf_strmap *map, struct rowmap_pairs *out,
    struct bl_err *err)
{
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < map->n && i < ROWMAP_PAIRS_MAX; i++) {
		struct rowmap_pair *p = &out->pair[out->n++];

		p->key = map->key[i];
		p->as_text = listed(&m->conf->as_text, p->key);
		rc = rowmap_template_parse(
		    &p->value, p->key, map->value[i], &m->parts, &m->fields, err);
	}
	return rc;
}

static int
take_when(struct bl_rowmap *m, struct bl_err *err)
{
	const struct bl_conf_strmap *map = &m->conf->when;

	for (size_t i = 0; i < map->n && i < ROWMAP_PAIRS_MAX; i++) {
		const int field =
		    rowmap_field(&m->fields, "when", map->key[i], strlen(map->key[i]), err);

		if (field < 0)
			return field;
		m->when[m->n_when++] = (struct rowmap_condition){ field, map->value[i] };
	}
	return BL_OK;
}

static int
take_texts(struct bl_rowmap *m, struct bl_err *err)
{
	const struct bl_rowmap_conf *c = m->conf;
	const struct {
		struct rowmap_template *to;
		const char *key, *source;
	} all[] = { { &m->process, "process", c->process }, { &m->case_id, "case", c->case_id },
		{ &m->step, "step", c->step }, { &m->phase, "phase", c->phase },
		{ &m->status, "status", c->status }, { &m->type, "type", c->type },
		{ &m->name, "name", c->name }, { &m->value, "value", c->value },
		{ &m->unit, "unit", c->unit }, { &m->id, "id", c->id },
		{ &m->time, "time", c->time }, { &m->begin, "begin", c->begin },
		{ &m->end, "end", c->end } };
	int rc = BL_OK;

	for (size_t i = 0; rc == BL_OK && i < sizeof(all) / sizeof(all[0]); i++)
		rc = rowmap_template_parse(
		    all[i].to, all[i].key, all[i].source, &m->parts, &m->fields, err);
	return rc;
}

static int
take_names(struct bl_rowmap *m, struct bl_err *err)
{
	int rc;

	if ((rc = take_pairs(m, &m->conf->attributes, &m->attributes, err)) < 0 ||
	    (rc = take_pairs(m, &m->conf->labels, &m->labels, err)) < 0)
		return rc;
	qsort(m->labels.pair, m->labels.n, sizeof(m->labels.pair[0]), compare_pairs);
	return take_when(m, err);
}

int
bl_rowmap_create(struct bl_rowmap **out, const struct bl_rowmap_conf *conf, struct bl_err *err)
{
	struct bl_rowmap *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (m == NULL)
		return bl_fail(err, BL_ENOMEM, "mapping: out of memory");
	m->conf = conf;
	rc = conf->zone != NULL ? bl_tz_load(&m->tz, conf->zone, NULL, err)
				: bl_tz_machine(&m->tz, err);
	if (rc < 0)
		bl_err_prefix(err, "zone");
	if (rc < 0 || (rc = take_texts(m, err)) < 0 || (rc = take_names(m, err)) < 0) {
		bl_rowmap_free(m);
		return rc;
	}
	*out = m;
	return BL_OK;
}

void
bl_rowmap_free(struct bl_rowmap *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < m->fields.n; i++)
		free(m->fields.name[i]);
	bl_tz_free(m->tz);
	free(m);
}

const char *
bl_rowmap_field(const struct bl_rowmap *m, size_t i)
{
	return i < m->fields.n ? m->fields.name[i] : NULL;
}
