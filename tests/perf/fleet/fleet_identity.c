/*
 * Set-up files are YAML of a fixed form (provisioning/src/setup_file.c): scalars by
 * line, PEM texts as literal blocks indented by two.  Only that form is read.
 */
#include "fleet_identity.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX 16384u

/* `  key: "value"` or `key: 7`; false: another line. */
static bool
scalar(const char *line, const char *key, char *out, size_t size)
{
	const size_t n = strlen(key);
	size_t len;

	while (*line == ' ')
		line++;
	if (strncmp(line, key, n) != 0 || strncmp(line + n, ": ", 2) != 0)
		return false;
	line += n + 2;
	if (*line == '"')
		line++;
	len = strcspn(line, "\"");
	if (len >= size)
		len = size - 1;
	memcpy(out, line, len);
	out[len] = '\0';
	return true;
}

/* Which block begins with this line. */
static char **
block_of(const char *line, struct fleet_identity *id)
{
	if (strcmp(line, "ca: |") == 0)
		return &id->ca;
	if (strcmp(line, "certificate: |") == 0)
		return &id->certificate;
	return strcmp(line, "key: |") == 0 ? &id->key : NULL;
}

static void
append(char *block, const char *line)
{
	const size_t len = strlen(block), more = strlen(line);

	if (len + more + 2 > FLEET_PEM_MAX)
		return; /* cut off: the TLS library will not take it */
	memcpy(block + len, line, more);
	memcpy(block + len + more, "\n", 2);
}

static void
read_scalar(const char *line, struct fleet_identity *id)
{
	char number[16];

	(void)scalar(line, "device", id->device, sizeof(id->device));
	(void)scalar(line, "host", id->host, sizeof(id->host));
	(void)scalar(line, "verify_name", id->verify_name, sizeof(id->verify_name));
	if (scalar(line, "part", number, sizeof(number)))
		id->part = (unsigned)strtoul(number, NULL, 10);
	if (scalar(line, "port", number, sizeof(number)))
		id->port = (unsigned)strtoul(number, NULL, 10);
}

static void
identity_free(struct fleet_identity *id)
{
	free(id->ca);
	free(id->certificate);
	free(id->key);
	memset(id, 0, sizeof(*id));
}

int
fleet_identity_parse(char *text, struct fleet_identity *out, struct bl_err *err)
{
	char *save = NULL, **block = NULL, **begins;

	memset(out, 0, sizeof(*out));
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (block != NULL && strncmp(line, "  ", 2) == 0) {
			append(*block, line + 2);
			continue;
		}
		block = NULL;
		if ((begins = block_of(line, out)) == NULL) {
			read_scalar(line, out);
			continue;
		}
		free(*begins);
		if ((*begins = calloc(1, FLEET_PEM_MAX)) == NULL) {
			identity_free(out);
			return bl_fail(err, BL_ENOMEM, "read a set-up file: out of memory");
		}
		block = begins;
	}
	if (!bl_id_text_valid(out->device) || out->part >= BL_PARTS || out->port == 0 ||
	    out->host[0] == '\0' || out->verify_name[0] == '\0' || out->ca == NULL ||
	    out->certificate == NULL || out->key == NULL) {
		identity_free(out);
		return bl_fail(err, BL_EINVAL, "not a set-up file of `branchline device add`");
	}
	return BL_OK;
}

static int
read_file(const char *folder, const char *name, struct fleet_identity *out, struct bl_err *err)
{
	char path[1024], text[FILE_MAX];
	size_t len;
	FILE *f;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if ((f = fopen(path, "r")) == NULL)
		return bl_fail_errno(err, BL_ENOTFOUND, "open %s", path);
	len = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[len] = '\0';
	if ((rc = fleet_identity_parse(text, out, err)) < 0)
		bl_err_prefix(err, "%s", path);
	return rc;
}

static int
is_setup(const struct dirent *e)
{
	const size_t len = strlen(e->d_name);

	return len > 5 && strcmp(e->d_name + len - 5, ".yaml") == 0;
}

int
fleet_identities_read(
    const char *folder, size_t max, struct fleet_identity **ids, size_t *n, struct bl_err *err)
{
	struct dirent **entry = NULL;
	const int found = scandir(folder, &entry, is_setup, alphasort);
	int rc = BL_OK;

	*n = 0;
	*ids = NULL;
	if (found < 0)
		return bl_fail_errno(err, BL_ENOTFOUND, "read the folder %s", folder);
	if ((*ids = calloc((size_t)found + 1, sizeof(**ids))) == NULL)
		rc = bl_fail(err, BL_ENOMEM, "read %s: out of memory", folder);
	for (int i = 0; i < found; i++) {
		if (rc == BL_OK && *n < max &&
		    (rc = read_file(folder, entry[i]->d_name, &(*ids)[*n], err)) == BL_OK)
			(*n)++;
		free(entry[i]);
	}
	free(entry);
	if (rc < 0) {
		fleet_identities_free(*ids, *n);
		*ids = NULL;
		*n = 0;
	}
	return rc;
}

void
fleet_identities_free(struct fleet_identity *ids, size_t n)
{
	for (size_t i = 0; ids != NULL && i < n; i++)
		identity_free(&ids[i]);
	free(ids);
}
