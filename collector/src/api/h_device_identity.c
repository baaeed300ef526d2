/*
 * Machines that take turns with one device's identity: on the device with their addresses, on the
 * overview by name.  Told for a day after the last of them came.
 */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

#define CONFLICTS_MAX 100 /* on the overview */

struct parties {
	struct jsonw *w;
	unsigned n;
	int64_t since_unix_ms, last_unix_ms;
	uint64_t returns;
};

static bool
write_party(void *ctx, const struct store_party_row *p)
{
	struct parties *to = ctx;
	char hex[BL_ID_HEX_SIZE];

	if (to->n++ == 0) {
		jsonw_object(to->w, "identity_conflict");
		jsonw_array(to->w, "machines");
		to->since_unix_ms = p->first_unix_ms;
		to->last_unix_ms = p->last_unix_ms;
	}
	if (p->first_unix_ms < to->since_unix_ms)
		to->since_unix_ms = p->first_unix_ms;
	to->returns += p->returns;
	jsonw_object(to->w, NULL);
	if (p->address[0] != '\0')
		jsonw_str(to->w, "address", p->address);
	else
		jsonw_null(to->w, "address");
	jsonw_str(to->w, "software", p->software);
	bl_id_hex(&p->boot, hex);
	jsonw_str(to->w, "boot", hex);
	bl_id_hex(&p->spool, hex);
	jsonw_str(to->w, "spool", hex);
	api_time(to->w, "last_unix_ms", p->last_unix_ms);
	jsonw_int(to->w, "returns", (int64_t)p->returns);
	jsonw_object_end(to->w);
	return true;
}

int
api_identity_member(struct jsonw *w, struct store_read *reader, const char *device,
    int64_t now_unix_ms, struct bl_err *err)
{
	struct parties to = { .w = w };
	const int rc = store_read_parties(
	    reader, device, now_unix_ms - STORE_RIVALS_MS, write_party, &to, err);

	if (rc < 0)
		return rc;
	if (to.n == 0) {
		jsonw_null(w, "identity_conflict");
		return BL_OK;
	}
	jsonw_array_end(w);
	api_time(w, "since_unix_ms", to.since_unix_ms);
	api_time(w, "last_unix_ms", to.last_unix_ms);
	jsonw_int(w, "returns", (int64_t)to.returns);
	jsonw_object_end(w);
	return BL_OK;
}

struct conflicts {
	struct jsonw *w;
	struct sqlite3 *db;
	struct bl_err *err;
	int rc;
	unsigned n;
	char last[BL_DEVICE_ID_MAX + 1];
};

static bool
write_conflict(void *ctx, const struct store_party_row *p)
{
	struct conflicts *to = ctx;
	struct fleet_device d;

	if (strcmp(to->last, p->device) == 0)
		return true;
	(void)snprintf(to->last, sizeof(to->last), "%s", p->device);
	if ((to->rc = fleet_device_get(to->db, p->device, &d, to->err)) < 0)
		return false;
	if (to->rc == FLEET_UNKNOWN || d.retired)
		return true;
	if (to->n++ == CONFLICTS_MAX)
		return false;
	jsonw_object(to->w, NULL);
	jsonw_str(to->w, "device", d.id);
	jsonw_str(to->w, "name", d.name);
	jsonw_str(to->w, "site", d.site);
	api_time(to->w, "last_unix_ms", p->last_unix_ms);
	jsonw_object_end(to->w);
	return true;
}

int
api_identity_conflicts(struct jsonw *w, struct store_read *reader, struct sqlite3 *db,
    int64_t now_unix_ms, struct bl_err *err)
{
	struct conflicts to = { .w = w, .db = db, .err = err };
	int rc;

	jsonw_array(w, "identity_conflicts");
	rc = store_read_parties(
	    reader, NULL, now_unix_ms - STORE_RIVALS_MS, write_conflict, &to, err);
	jsonw_array_end(w);
	return rc < 0 ? rc : to.rc < 0 ? to.rc : BL_OK;
}
