/*
 * The agent's configuration.
 *
 * The table of the section `samplers` is put together at run time from the
 * samplers there are, each bringing its own; so a new sampler needs no change
 * here.  Their structs lie behind struct config_values in one allocation.
 */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mbedtls/sha256.h>

#include "branchline/topic.h"
#include "branchline/wire.h"

#include "probe.h"
#include "sample.h"

struct config_schema {
	struct bl_conf_key samplers[CONFIG_SAMPLERS_MAX + 1];
	struct bl_conf_section samplers_section;
	struct bl_conf_key root[16];
	struct bl_conf_section root_section;
	size_t sampler_offset[CONFIG_SAMPLERS_MAX]; /* from the start of struct config_values */
	size_t sampler_of[CONFIG_SAMPLERS_MAX];     /* table's place -> samplers[] */
};

static const char *
check_id(const void *value)
{
	return bl_id_text_valid(*(char *const *)value)
		   ? NULL
		   : "an id of lower-case letters, digits and hyphens, at most 63";
}

static const struct bl_conf_key device_keys[] = {
	{ .name = "id",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_device, id),
	    .help = "the device's id, the common name of its certificate",
	    .check = check_id },
	{ .name = "site",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_device, site),
	    .help = "the id of the site where it stands",
	    .check = check_id },
	{ .name = "part",
	    .type = BL_CONF_INT,
	    .offset = offsetof(struct config_device, part),
	    .min = 0,
	    .max = BL_PARTS - 1,
	    .help = "the site's part of the fleet, as `branchline device add` wrote it" },
	{ 0 },
};

static const struct bl_conf_section device_section = { "device", sizeof(struct config_device),
	device_keys, NULL };

static const struct bl_conf_key spool_keys[] = {
	{ .name = "max_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = offsetof(struct config_spool, max_bytes),
	    .min = 1 << 20,
	    .max = 1ll << 40,
	    .help = "the spool file with its log never grows beyond" },
	{ .name = "memory",
	    .type = BL_CONF_SIZE,
	    .dflt = "512KiB",
	    .offset = offsetof(struct config_spool, memory_bytes),
	    .min = 16 << 10,
	    .max = 64 << 20,
	    .help = "how much waits in memory while the disk is full or read-only" },
	{ .name = "keep_receipted",
	    .type = BL_CONF_DURATION,
	    .dflt = "72h",
	    .offset = offsetof(struct config_spool, keep_receipted_ms),
	    .min = 0,
	    .max = 365ll * 86400000,
	    .help = "how long delivered data stays while there is room; longer than the centre's "
		    "backup interval" },
	{ 0 },
};

static const struct bl_conf_section spool_section = { "spool", sizeof(struct config_spool),
	spool_keys, NULL };

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

const char *
config_check_mode(const void *value)
{
	const char *text = *(char *const *)value;

	if (strlen(text) == 4 && text[0] == '0' && strspn(text, "01234567") == 4 &&
	    (strtoul(text, NULL, 8) & 0600) == 0600)
		return NULL;
	return "permissions in octal, like \"0660\"; the owner's own (6) must be among them";
}

static const struct bl_conf_key steps_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "yes",
	    .offset = offsetof(struct config_steps, enabled),
	    .help = "take steps of business processes from programs of this machine" },
	{ .name = "socket",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_steps, socket),
	    .max = 4000,
	    .help = "its Unix socket; none: steps.sock in the state folder, which only the agent's "
		    "user and root can enter" },
	{ .name = "mode",
	    .type = BL_CONF_STR,
	    .dflt = "0660",
	    .offset = offsetof(struct config_steps, mode),
	    .min = 1,
	    .max = 4,
	    .help = "permissions of the socket: who may write to it may report",
	    .check = config_check_mode },
	{ .name = "group",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_steps, group),
	    .max = 32,
	    .help = "group of the socket; none: the agent's own" },
	{ 0 },
};

static const struct bl_conf_section steps_section = { "steps", sizeof(struct config_steps),
	steps_keys, NULL };

static const struct bl_conf_key inlets_keys[] = {
	{ .name = "steps",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_inlets, steps),
	    .help = "steps of business processes, a line each",
	    .section = &steps_section },
	{ 0 },
};

static const struct bl_conf_section inlets_section = { "inlets", sizeof(struct config_inlets),
	inlets_keys, NULL };

static const struct bl_conf_key root_keys[] = {
	{ .name = "device",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_values, device),
	    .help = "who this is",
	    .section = &device_section },
	{ .name = "broker",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_values, broker),
	    .help = "where data goes, and with which identity",
	    .section = &config_broker_section },
	{ .name = "state_dir",
	    .type = BL_CONF_STR,
	    .dflt = CONFIG_STATE_DEFAULT,
	    .offset = offsetof(struct config_values, state_dir),
	    .min = 1,
	    .max = 4000,
	    .help = "folder of the spool, the saved time and the control socket" },
	{ .name = "spool",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, spool),
	    .help = "the durable queue",
	    .section = &spool_section },
	{ .name = "interval",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = offsetof(struct config_values, interval_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between samples of this machine" },
	{ .name = "max_series",
	    .type = BL_CONF_INT,
	    .dflt = "5000",
	    .offset = offsetof(struct config_values, max_series),
	    .min = 10,
	    .max = BL_DICT_ENTRIES_MAX,
	    .help = "series of samplers and probes since the start; further ones are refused, "
		    "counted and named in the ledger" },
	{ .name = "log_level",
	    .type = BL_CONF_ENUM,
	    .dflt = "info",
	    .offset = offsetof(struct config_values, log_level),
	    .help = "what goes to standard error",
	    .choices = log_levels },
	{ .name = "probes",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct config_values, probes),
	    .max = PROBES_MAX,
	    .help = "HTTP and HTTPS services to check",
	    .section = &probe_conf_section,
	    .check = probe_list_check },
	{ .name = "inlets",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, inlets),
	    .help = "what programs of this machine may report",
	    .section = &inlets_section },
	{ .name = "metered",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, metered),
	    .help = "what the link may carry, where it is paid for by the byte",
	    .section = &config_metered_section },
	{ .name = "local",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_values, local),
	    .help = "what people and programs at this machine see: a status page, /metrics",
	    .section = &config_local_section },
	{ 0 },
};

static size_t
aligned(size_t n)
{
	const size_t to = _Alignof(max_align_t);

	return (n + to - 1) / to * to;
}

/* The tables: the fixed keys, and one section of the samplers' own. */
static struct config_schema *
schema_create(void)
{
	struct config_schema *s = calloc(1, sizeof(*s));
	const size_t n_root = sizeof(root_keys) / sizeof(root_keys[0]) - 1;
	size_t at = 0, n = 0;

	if (s == NULL)
		return NULL;
	for (size_t i = 0; samplers[i] != NULL && n < CONFIG_SAMPLERS_MAX; i++) {
		if (samplers[i]->options == NULL)
			continue;
		s->samplers[n] = (struct bl_conf_key){ .name = samplers[i]->kind,
			.type = BL_CONF_SECTION,
			.dflt = "",
			.offset = at,
			.section = samplers[i]->options };
		s->sampler_of[n] = i;
		s->sampler_offset[n] = aligned(sizeof(struct config_values)) + at;
		at += aligned(samplers[i]->options->size);
		n++;
	}
	s->samplers_section =
	    (struct bl_conf_section){ "samplers", at == 0 ? 1 : at, s->samplers, NULL };
	memcpy(s->root, root_keys, n_root * sizeof(root_keys[0]));
	s->root[n_root] = (struct bl_conf_key){ .name = "samplers",
		.type = BL_CONF_SECTION,
		.dflt = "",
		.offset = aligned(sizeof(struct config_values)),
		.help = "what is sampled of this machine",
		.section = &s->samplers_section };
	s->root_section = (struct bl_conf_section){ "agent",
		aligned(sizeof(struct config_values)) + s->samplers_section.size, s->root, NULL };
	return s;
}

const void *
config_sampler(const struct config *c, size_t i)
{
	for (size_t n = 0; n < CONFIG_SAMPLERS_MAX && c->schema->samplers[n].name != NULL; n++)
		if (c->schema->sampler_of[n] == i)
			return (const char *)c->v + c->schema->sampler_offset[n];
	return NULL;
}

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

static int
place_steps(struct config_values *v, const char *base)
{
	char **socket = &v->inlets.steps.socket;

	if (*socket != NULL)
		return make_absolute(socket, base);
	if (asprintf(socket, "%s/%s", v->state_dir, CONFIG_STEPS_SOCKET) >= 0)
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
	    make_absolute(&v->broker.proxy.password_file, base) < 0 || place_steps(v, base) < 0 ||
	    place_sampler_state(c, v) < 0)
		rc = BL_ENOMEM;
	for (size_t i = 0; i < v->probes.n; i++) {
		struct probe_conf *p = &((struct probe_conf *)v->probes.item)[i];

		if (make_absolute(&p->ca_file, base) < 0 ||
		    make_absolute(&p->secret_file, base) < 0)
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

static int
load(struct config **out, const char *path, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	struct config *c = calloc(1, sizeof(*c));
	struct config_values *v = NULL;
	int rc;

	*out = NULL;
	memset(errors, 0, sizeof(*errors));
	if (c == NULL || (c->schema = schema_create()) == NULL ||
	    (v = calloc(1, c->schema->root_section.size)) == NULL) {
		config_free(c);
		return bl_fail(err, BL_ENOMEM, "read %s: out of memory", path);
	}
	c->v = v;
	if (text == NULL)
		rc = bl_conf_load(path, &c->schema->root_section, v, errors, err);
	else
		rc = bl_conf_parse(path, text, len, &c->schema->root_section, v, errors, err);
	if (rc == BL_OK)
		rc = resolve(c, v, path, err);
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
	return load(out, path, NULL, 0, errors, err);
}

int
config_parse(struct config **out, const char *name, const char *text, size_t len,
    struct bl_conf_errors *errors, struct bl_err *err)
{
	return load(out, name, text, len, errors, err);
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
static bool
same_text(const struct bl_conf_section *s, const void *x, const void *y)
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

	return s == NULL || same_text(s, config_sampler(a, i), config_sampler(b, i));
}

bool
config_local_same(const struct config *a, const struct config *b)
{
	return same_text(&config_local_section, &a->v->local, &b->v->local);
}

bool
config_probes_same(const struct config *a, const struct config *b)
{
	const struct bl_conf_list *x = &a->v->probes, *y = &b->v->probes;

	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (!same_text(&probe_conf_section,
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

unsigned
config_steps_mode(const struct config_steps *s)
{
	return (unsigned)strtoul(s->mode, NULL, 8);
}

int
config_print(const struct config *c, FILE *to)
{
	return bl_conf_print(&c->schema->root_section, c->v, to);
}

int
config_print_options(FILE *to)
{
	struct config_schema *s = schema_create();

	if (s == NULL)
		return BL_ENOMEM;
	bl_conf_print_options(&s->root_section, to);
	free(s);
	return BL_OK;
}
