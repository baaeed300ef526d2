/*
 * The agent's configuration: reading it, paths made absolute, its hash, and
 * whether two are the same.
 */
#include "config_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#include "probe.h"
#include "sample.h"

/* ---- paths ---- */

static int
make_absolute(char **path, const char *base)
{
	char *full;

	if (*path == NULL || (*path)[0] == '/')
		return 0;
	if (asprintf(&full, "%s/%s", base, *path) < 0)
		return -1;
	free(*path);
	*path = full;
	return 0;
}

static bool
ends_in(const char *name, const char *end)
{
	const size_t len = strlen(name), n = strlen(end);

	return len >= n && strcmp(name + len - n, end) == 0;
}

/* Of the inlets: what a text key of these names says is relative to the folder of the file. */
static bool
is_path(const char *name)
{
	return strcmp(name, "folder") == 0 || strcmp(name, "path") == 0 ||
	       ends_in(name, "socket") || ends_in(name, "file");
}

static int
place_paths(const struct bl_conf_section *s, void *values, const char *base)
{
	for (const struct bl_conf_key *k = s->keys; k->name != NULL; k++) {
		void *field = (char *)values + k->offset;
		struct bl_conf_list *list = field;
		int rc = 0;

		if (k->type == BL_CONF_SECTION)
			rc = place_paths(k->section, field, base);
		else if (k->type == BL_CONF_STR && is_path(k->name))
			rc = make_absolute(field, base);
		for (size_t i = 0; k->type == BL_CONF_LIST && i < list->n && rc == 0; i++)
			rc = place_paths(
			    k->section, (char *)list->item + i * k->section->size, base);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
place_inlets(struct config_values *v, const char *base)
{
	char **socket = &v->inlets.steps.socket;

	if (place_paths(&config_inlets_section, &v->inlets, base) < 0)
		return -1;
	if (*socket != NULL || asprintf(socket, "%s/%s", v->state_dir, CONFIG_STEPS_SOCKET) >= 0)
		return 0;
	*socket = NULL;
	return -1;
}

/* What samplers keep: a text key of this name in their tables is a file of the state folder. */
static int
place_sampler_state(const struct config *c, struct config_values *v)
{
	for (size_t n = 0; c->schema->samplers[n].name != NULL; n++)
		for (const struct bl_conf_key *k = c->schema->samplers[n].section->keys;
		     k->name != NULL; k++) {
			char **file =
			    (void *)((char *)v + c->schema->sampler_offset[n] + k->offset);

			if (strcmp(k->name, "state_file") == 0 && k->type == BL_CONF_STR &&
			    make_absolute(file, v->state_dir) < 0)
				return -1;
		}
	return 0;
}

/* The folder of the file, absolute; relative paths inside it start there. */
static char *
base_of(const char *path)
{
	char cwd[CONFIG_PATH_MAX] = "", *base;
	const char *slash = strrchr(path, '/');
	const int len = slash == NULL ? 0 : (int)(slash - path);

	if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return NULL;
	if (path[0] == '/' && len == 0)
		return strdup("/");
	if (asprintf(&base, "%s%s%.*s", cwd, cwd[0] != '\0' && len > 0 ? "/" : "", len, path) < 0)
		return NULL;
	return base;
}

static int
resolve(struct config *c, struct config_values *v, const char *path, struct bl_err *err)
{
	char *base = base_of(path);
	const char *slash = strrchr(path, '/');
	int rc = BL_OK;

	if (base == NULL)
		return bl_fail_errno(err, BL_EIO, "find the folder of %s", path);
	if (asprintf(&c->path, "%s/%s", base, slash != NULL ? slash + 1 : path) < 0) {
		c->path = NULL;
		rc = BL_ENOMEM;
	}
	if (make_absolute(&v->state_dir, base) < 0 || make_absolute(&v->broker.ca, base) < 0 ||
	    make_absolute(&v->broker.certificate, base) < 0 ||
	    make_absolute(&v->broker.key, base) < 0 || make_absolute(&v->broker.crl, base) < 0 ||
	    make_absolute(&v->broker.proxy.password_file, base) < 0 || place_inlets(v, base) < 0 ||
	    place_sampler_state(c, v) < 0)
		rc = BL_ENOMEM;
	for (size_t i = 0; i < v->probes.n; i++) {
		struct probe_conf *p = &((struct probe_conf *)v->probes.item)[i];

		if (make_absolute(&p->ca_file, base) < 0 ||
		    make_absolute(&p->secret_file, base) < 0 ||
		    make_absolute(&p->proxy.secret_file, base) < 0)
			rc = BL_ENOMEM;
	}
	free(base);
	return rc < 0 ? bl_fail(err, rc, "read %s: out of memory", path) : BL_OK;
}

static int
hash(struct config *c, struct bl_err *err)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[32];
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (f == NULL)
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", c->path);
	rc = config_print(c, f);
	if (fclose(f) != 0)
		rc = BL_ENOMEM;
	if (rc == BL_OK && mbedtls_sha256_ret((const unsigned char *)text, len, sum, 0) != 0)
		rc = BL_EIO;
	free(text);
	if (rc < 0)
		return bl_fail(err, rc, "read %s: its hash could not be computed", c->path);
	for (size_t i = 0; i < sizeof(sum); i++) {
		c->hash[2 * i] = digits[sum[i] >> 4];
		c->hash[2 * i + 1] = digits[sum[i] & 15];
	}
	return BL_OK;
}

/* ---- loading ---- */

/* What reads into the struct. */
struct source {
	const char *path, *text; /* text NULL: the file is read */
	size_t len;
	bool includes;                   /* with text */
	struct bl_conf_sources *sources; /* without; may be NULL */
};

static int
fill(const struct source *from, const struct bl_conf_section *root, void *v,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	if (from->text == NULL)
		return bl_conf_load_from(from->path, root, v, from->sources, errors, err);
	if (from->includes)
		return bl_conf_parse_file(from->path, from->text, from->len, root, v, errors, err);
	return bl_conf_parse(from->path, from->text, from->len, root, v, errors, err);
}

static int
create(struct config **out, struct config_values **values, const char *path, struct bl_err *err)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->schema = config_schema_create()) == NULL ||
	    (*values = calloc(1, c->schema->root_section.size)) == NULL) {
		config_free(c);
		*out = NULL;
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	}
	c->v = *values;
	*out = c;
	return BL_OK;
}

static int
load(struct config **out, const struct source *from, struct bl_conf_errors *errors,
    struct bl_err *err)
{
	struct config_values *v;
	struct config *c;
	int rc;

	*out = NULL;
	memset(errors, 0, sizeof(*errors));
	if ((rc = create(&c, &v, from->path, err)) < 0)
		return rc;
	rc = fill(from, &c->schema->root_section, v, errors, err);
	if (rc == BL_OK)
		rc = resolve(c, v, from->path, err);
	if (rc == BL_OK)
		rc = config_broker_place(c, err);
	if (rc == BL_OK)
		rc = hash(c, err);
	if (rc < 0) {
		config_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

int
config_load(
    struct config **out, const char *path, struct bl_conf_errors *errors, struct bl_err *err)
{
	return config_load_from(out, path, NULL, errors, err);
}

int
config_load_from(struct config **out, const char *path, struct bl_conf_sources *sources,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	const struct source from = { .path = path, .sources = sources };

	return load(out, &from, errors, err);
}

int
config_parse(struct config **out, const char *name, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	const struct source from = { .path = name, .text = text, .len = len };

	return load(out, &from, errors, err);
}

int
config_parse_file(struct config **out, const char *path, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	const struct source from = { .path = path, .text = text, .len = len, .includes = true };

	return load(out, &from, errors, err);
}

/* Neither the broker's part nor the hash is looked at: a report goes to this machine. */
int
config_steps_socket(const char *path, char **socket, bool *enabled, struct bl_conf_errors *errors,
    struct bl_err *err)
{
	struct config_values *v;
	struct config *c;
	int rc;

	*socket = NULL;
	memset(errors, 0, sizeof(*errors));
	if ((rc = create(&c, &v, path, err)) < 0)
		return rc;
	if ((rc = bl_conf_load_some(path, &c->schema->root_section, v, errors, err)) == BL_OK)
		rc = resolve(c, v, path, err);
	if (rc == BL_OK) {
		*enabled = v->inlets.steps.enabled;
		*socket = v->inlets.steps.socket;
		v->inlets.steps.socket = NULL;
	}
	config_free(c);
	return rc;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	if (c->kept > 0) {
		c->kept--;
		return;
	}
	if (c->v != NULL) {
		/* const for its readers; we made it */
		void *v = (void *)(uintptr_t)c->v;

		bl_conf_release(&c->schema->root_section, v);
		free(v);
	}
	free(c->schema);
	free(c->proxy_host);
	free(c->path);
	free(c);
}

struct config *
config_keep(struct config *c)
{
	c->kept++;
	return c;
}

/* Two values of one section, as they would be printed. */
bool
config_section_same(const struct bl_conf_section *s, const void *x, const void *y)
{
	const void *value[2] = { x, y };
	char *text[2] = { NULL, NULL };
	size_t len[2] = { 0, 0 };
	bool same = true;

	for (unsigned i = 0; i < 2; i++) {
		FILE *f = open_memstream(&text[i], &len[i]);

		same = f != NULL && bl_conf_print(s, value[i], f) == BL_OK && same;
		if (f != NULL)
			same = fclose(f) == 0 && same;
	}
	same = same && len[0] == len[1] && memcmp(text[0], text[1], len[0]) == 0;
	free(text[0]);
	free(text[1]);
	return same;
}

bool
config_sampler_same(const struct config *a, const struct config *b, size_t i)
{
	const struct bl_conf_section *s = samplers[i]->options;

	return s == NULL || config_section_same(s, config_sampler(a, i), config_sampler(b, i));
}

bool
config_local_same(const struct config *a, const struct config *b)
{
	return config_section_same(&config_local_section, &a->v->local, &b->v->local);
}

bool
config_spool_same(const struct config *a, const struct config *b)
{
	return config_section_same(&config_spool_section, &a->v->spool, &b->v->spool);
}

bool
config_probes_same(const struct config *a, const struct config *b)
{
	const struct bl_conf_list *x = &a->v->probes, *y = &b->v->probes;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!config_section_same(&probe_conf_section,
			(const char *)x->item + i * probe_conf_section.size,
			(const char *)y->item + i * probe_conf_section.size))
			return false;
	return true;
}

void
config_state_path(const struct config *c, const char *name, char out[CONFIG_PATH_MAX])
{
	const int n = snprintf(out, CONFIG_PATH_MAX, "%s/%s", c->v->state_dir, name);

	if (n < 0 || (size_t)n >= CONFIG_PATH_MAX)
		out[0] = '\0';
}
