/*
 * Names for ids.  An answer has many rows of few rules, channels and sites: the
 * last ones are kept for as long as it is being written.
 */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

static bool
take_definition(void *ctx, const struct define_row *row)
{
	struct api_definition_name *d = ctx;

	(void)snprintf(d->name, sizeof(d->name), "%s", row->head.name);
	if (row->kind == DEFINE_CHANNEL)
		member_text(row->body, "language", d->language, sizeof(d->language));
	return false;
}

int
api_name_definition(struct api_names *names, struct sqlite3 *db, enum define_kind kind,
    const char *id, const struct api_definition_name **out, struct bl_err *err)
{
	struct api_definition_name *d;
	int rc;

	for (unsigned i = 0; i < names->n_definitions && i < API_NAMES; i++) {
		*out = &names->definition[i];
		if ((*out)->kind == kind && strcmp((*out)->id, id) == 0)
			return BL_OK;
	}
	d = &names->definition[names->n_definitions++ % API_NAMES];
	*d = (struct api_definition_name){ .kind = kind, .language = "zh-CN" };
	(void)snprintf(d->id, sizeof(d->id), "%s", id);
	(void)snprintf(d->name, sizeof(d->name), "%s", id);
	*out = d;
	rc = define_get(db, kind, id, 0, take_definition, d, err);
	return rc == BL_ENOTFOUND ? BL_OK : rc;
}

int
api_name_site(struct api_names *names, struct sqlite3 *db, const char *id,
    const struct api_site_name **out, struct bl_err *err)
{
	struct api_site_name *s;
	struct fleet_site site;
	int rc;

	for (unsigned i = 0; i < names->n_sites && i < API_NAMES; i++) {
		*out = &names->site[i];
		if (strcmp((*out)->id, id) == 0)
			return BL_OK;
	}
	if ((rc = fleet_site_get(db, id, &site, err)) < 0)
		return rc;
	s = &names->site[names->n_sites++ % API_NAMES];
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	(void)snprintf(s->name, sizeof(s->name), "%s", rc == FLEET_KNOWN ? site.name : id);
	(void)snprintf(s->zone, sizeof(s->zone), "%s", rc == FLEET_KNOWN ? site.zone : "UTC");
	*out = s;
	return BL_OK;
}

static bool
it_is_there(void *ctx, const struct define_row *row)
{
	(void)ctx;
	(void)row;
	return false;
}

int
api_definition_there(struct api_req *r, enum define_kind kind, const char *id, struct bl_err *err)
{
	const int rc = define_get(r->db, kind, id, 0, it_is_there, NULL, err);

	if (rc == BL_ENOTFOUND)
		api_problem(
		    r, 404, "not_found", "There is no %s \"%s\".", define_kind_name(kind), id);
	return rc;
}
