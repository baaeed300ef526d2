/* What every metric of the agent is, in words: the same for all, however many devices there are. */
#include "api_internal.h"

#include "branchline/catalogue.h"

static void
write_text(struct jsonw *w, const char *key, const char *en, const char *zh)
{
	jsonw_object(w, key);
	jsonw_str(w, "en", en);
	jsonw_str(w, "zh", zh);
	jsonw_object_end(w);
}

static void
write_units(struct jsonw *w)
{
	jsonw_array(w, "units");
	for (const struct bl_unit *u = bl_catalogue_units; u->name != NULL; u++) {
		jsonw_object(w, NULL);
		jsonw_str(w, "name", u->name);
		write_text(w, "text", u->en, u->zh);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

int
get_metrics_catalogue(struct api_req *r, struct bl_err *err)
{
	struct jsonw *w = &r->w;

	(void)err;
	jsonw_object(w, NULL);
	write_units(w);
	jsonw_array(w, "items");
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++)
		for (const struct bl_metric *m = a->row; m->name != NULL; m++) {
			jsonw_object(w, NULL);
			jsonw_str(w, "name", m->name);
			jsonw_str(w, "area", a->name);
			jsonw_str(w, "kind", m->kind == BL_COUNTER ? "counter" : "gauge");
			jsonw_str(w, "unit", m->unit);
			write_text(w, "description", m->en, m->zh);
			jsonw_object_end(w);
		}
	jsonw_array_end(w);
	jsonw_object_end(w);
	return api_json_send(r, 200);
}
