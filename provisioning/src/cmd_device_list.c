/*
 * branchline device add --file: hundreds of devices from a list that somebody keeps.
 *
 * The whole list is looked at before anything is changed.  Then device by device as
 * `device add` does it; what is there already (the same id, or without one the same site and
 * name) is left alone, so that a list can be run again after a failure, or when it has
 * grown.  A device that is there and whose set-up file is missing, because the run before was
 * stopped between the two, gets one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/topic.h"

#include "client.h"
#include "cmd_device.h"
#include "commands.h"
#include "csv.h"
#include "files.h"

#define NAME_MAX_BYTES 128 /* the collector's */

enum column { SITE, NAME, ID, COLUMNS };

static const char *const columns[COLUMNS] = { "site", "name", "id" };

struct list {
	const struct org *o;
	const struct device_args *a;
	struct csv *csv;
	json_t *items;   /* all that was registered before */
	json_t *by_id;   /* id -> device */
	json_t *by_name; /* "site/name" -> device */
	json_t *sites;   /* what a line may call a site -> id; null: several are called so */
	size_t added, there;
};

static int
no_memory(struct bl_err *err)
{
	return bl_fail(err, BL_ENOMEM, "the list of devices: out of memory");
}

/* "site/name"; an id has no slash. */
static void
name_key(const char *site, const char *name, char out[400])
{
	(void)snprintf(out, 400, "%s/%s", site, name);
}

static int
load_sites(struct list *l, struct bl_err *err)
{
	json_t *items = NULL;
	const json_t *s;
	size_t i;
	int rc;

	if ((rc = client_list(l->o, "/sites", &items, err)) < 0)
		return rc;
	json_array_foreach(items, i, s)
	{
		const char *name = client_text(s, "name");
		json_t *id = json_object_get(l->sites, name) == NULL
				 ? json_string(client_text(s, "id"))
				 : json_null();

		(void)json_object_set_new(l->sites, name, id);
	}
	/* An id wins over a name. */
	json_array_foreach(items, i, s)
	{
		const char *id = client_text(s, "id");

		(void)json_object_set_new(l->sites, id, json_string(id));
	}
	json_decref(items);
	return BL_OK;
}

static int
load_devices(struct list *l, struct bl_err *err)
{
	char key[400];
	json_t *d;
	size_t i;
	int rc;

	if ((rc = client_list(l->o, "/devices", &l->items, err)) < 0)
		return rc;
	json_array_foreach(l->items, i, d)
	{
		name_key(client_text(d, "site"), client_text(d, "name"), key);
		if (json_object_set(l->by_id, client_text(d, "id"), d) != 0 ||
		    json_object_set(l->by_name, key, d) != 0)
			return no_memory(err);
	}
	return BL_OK;
}

static const char *
site_of(const struct list *l, size_t row)
{
	return json_string_value(json_object_get(l->sites, csv_field(l->csv, row, SITE)));
}

/* The device of a line, when it is there; NULL. */
static const json_t *
device_of(const struct list *l, size_t row)
{
	const char *id = csv_field(l->csv, row, ID);
	char key[400];

	if (id[0] != '\0')
		return json_object_get(l->by_id, id);
	name_key(site_of(l, row), csv_field(l->csv, row, NAME), key);
	return json_object_get(l->by_name, key);
}

/* ---- before anything is changed ---- */

static bool
is_utf8(const char *text)
{
	json_t *j = json_string(text);

	json_decref(j);
	return j != NULL;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* What the collector would refuse, when devices of the lines above are registered already. */
static int
check_texts(const char *site, const char *name, const char *id, struct bl_err *err)
{
	if (!is_utf8(site) || !is_utf8(name) || !is_utf8(id))
		return bl_fail(err, BL_EINVAL, "the site, name or id is not UTF-8 text");
	if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES)
		return bl_fail(
		    err, BL_EINVAL, "a name is missing, or longer than %d bytes", NAME_MAX_BYTES);
	if (has_control(name))
		return bl_fail(err, BL_EINVAL, "a name holds a control character");
	if (id[0] != '\0' && !bl_id_text_valid(id))
		return bl_fail(err, BL_EINVAL,
		    "an id is 1 to 63 of a-z, 0-9 and -, beginning with a letter or digit");
	return BL_OK;
}

static int
check_row(const struct list *l, size_t row, json_t *seen, struct bl_err *err)
{
	const char *site = csv_field(l->csv, row, SITE), *name = csv_field(l->csv, row, NAME);
	const char *id = csv_field(l->csv, row, ID);
	const json_t *known = json_object_get(l->sites, site), *there;
	char key[400];
	int rc;

	if ((rc = check_texts(site, name, id, err)) < 0)
		return rc;
	if (known == NULL || json_is_null(known))
		return bl_fail(err, BL_ENOTFOUND, "%s site has the id or name \"%.64s\"",
		    known == NULL ? "no" : "more than one", site);
	if (device_reserved(id))
		return bl_fail(
		    err, BL_EINVAL, "ids that begin with collector- are reserved: \"%.64s\"", id);
	if (id[0] != '\0')
		(void)snprintf(key, sizeof(key), "%.64s", id);
	else
		name_key(site_of(l, row), name, key);
	if (json_object_get(seen, key) != NULL)
		return bl_fail(err, BL_EEXIST, "\"%.100s\" stands in the list twice", key);
	there = device_of(l, row);
	if (there != NULL && (strcmp(client_text(there, "site"), site_of(l, row)) != 0 ||
				 strcmp(client_text(there, "name"), name) != 0))
		return bl_fail(err, BL_EEXIST,
		    "the device %.64s is there already, at site %.64s with the name \"%.64s\"", id,
		    client_text(there, "site"), client_text(there, "name"));
	return json_object_set_new(seen, key, json_true()) == 0 ? BL_OK : no_memory(err);
}

static int
check_rows(const struct list *l, struct bl_err *err)
{
	json_t *seen = json_object();
	int rc = seen != NULL ? BL_OK : no_memory(err);

	for (size_t i = 0; i < csv_rows(l->csv) && rc == BL_OK; i++)
		if ((rc = check_row(l, i, seen, err)) < 0)
			bl_err_prefix(err, "%s, line %zu", l->a->file, csv_line(l->csv, i));
	json_decref(seen);
	return rc;
}

/* ---- one line ---- */

static int
register_device(const struct list *l, size_t row, json_t **device, struct bl_err *err)
{
	const char *id = csv_field(l->csv, row, ID);
	json_t *body = json_pack("{s:s, s:s, s:s*}", "site", site_of(l, row), "name",
	    csv_field(l->csv, row, NAME), "id", id[0] != '\0' ? id : NULL);
	int rc;

	if (body == NULL)
		return bl_fail(err, BL_EINVAL, "the name is not UTF-8 text");
	rc = client_call(l->o, "POST", "/devices", body, device, err);
	json_decref(body);
	return rc;
}

static bool
has_file(const struct list *l, const json_t *device)
{
	char relative[128], path[ORG_PATH_MAX];

	(void)snprintf(relative, sizeof(relative), "devices/%.63s.yaml", client_text(device, "id"));
	org_path(l->o, relative, path);
	return files_exists(path);
}

/* Whether it ever had a certificate: then its file was handed over, and is not missing. */
static bool
handed_over(const struct list *l, const json_t *device)
{
	return has_file(l, device) ||
	       client_text(json_object_get(device, "certificate"), "serial")[0] != '\0';
}

static int
add_row(struct list *l, size_t row, struct bl_err *err)
{
	const json_t *there = device_of(l, row);
	char path[ORG_PATH_MAX];
	json_t *device = NULL;
	int rc = BL_OK;

	if (there != NULL && handed_over(l, there)) {
		l->there++;
		return BL_OK;
	}
	if (there != NULL)
		device = json_incref((json_t *)there);
	else
		rc = register_device(l, row, &device, err);
	if (rc == BL_OK && (rc = device_issue(l->o, device, l->a, path, err)) == BL_OK) {
		(void)printf("device %s\n%s\n", client_text(device, "id"), path);
		l->added++;
	}
	json_decref(device);
	return rc;
}

static int
add_rows(struct list *l, struct bl_err *err)
{
	int rc = BL_OK;

	for (size_t i = 0; i < csv_rows(l->csv) && rc == BL_OK; i++)
		if ((rc = add_row(l, i, err)) < 0)
			bl_err_prefix(err, "%s, line %zu", l->a->file, csv_line(l->csv, i));
	return rc;
}

int
device_add_list(const struct org *o, const struct device_args *a)
{
	struct list l = { .o = o,
		.a = a,
		.by_id = json_object(),
		.by_name = json_object(),
		.sites = json_object() };
	struct bl_err err = { 0 };
	int rc;

	if (l.by_id == NULL || l.by_name == NULL || l.sites == NULL)
		rc = no_memory(&err);
	else if ((rc = csv_read(&l.csv, a->file, columns, COLUMNS, ID, &err)) == BL_OK &&
		 (rc = load_sites(&l, &err)) == BL_OK && (rc = load_devices(&l, &err)) == BL_OK &&
		 (rc = check_rows(&l, &err)) == BL_OK)
		rc = add_rows(&l, &err);
	if (rc < 0)
		(void)command_failed(&err);
	if (rc == BL_OK || l.added > 0)
		(void)fprintf(stderr, "%zu devices added, %zu were there already.%s\n", l.added,
		    l.there,
		    l.added == 0 ? ""
				 : " Each file holds a private key: bring it\nto its machine, and "
				   "there, as root: branchline-agent setup FILE");
	if (rc < 0)
		(void)fprintf(stderr, "%s\n",
		    l.added > 0 ? "When that is mended, run it again: what is there stays."
				: "Nothing was changed.");
	csv_free(l.csv);
	json_decref(l.items);
	json_decref(l.by_id);
	json_decref(l.by_name);
	json_decref(l.sites);
	return rc < 0 ? 1 : 0;
}
