/*
 * Units of systemd: is each of the configured ones up, how often was it
 * started, what does it use.
 *
 * Asked of files, not of systemd: in /run/systemd/units it keeps a link
 * `invocation:NAME` for as long as a unit is active (since 236), which leads to
 * an id that is new with every start.  So nothing waits for a bus that hangs
 * when systemd does, no library is loaded, and a look costs some microseconds.
 * What it does not tell: how often a unit was started between two looks (that counts
 * once), and whether one that is down failed, was stopped or does not exist.  That
 * is asked over the bus beside it, without waiting (sample_units_bus.c): unit_state.
 *
 * CPU, memory and tasks are those of the unit's control group (version 2).
 */
#include "sample_units_internal.h"
#include "sample_watch_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNITS_MAX  64
#define UNIT_NAME  (BL_LABEL_VALUE_MAX + 1)
#define FOLDER     "/run/systemd/units"
#define CGROUP     "/sys/fs/cgroup/system.slice"
#define INVOCATION 64 /* an id has 32 digits */

enum { UNIT_UP, UNIT_STARTS, UNIT_CPU, UNIT_MEMORY, UNIT_TASKS, UNIT_SERIES };

static const struct sample_spec spec[UNIT_SERIES] = {
	{ "unit_up", "1", BL_GAUGE, "unit" },
	{ "unit_starts_total", "1", BL_COUNTER, "unit" },
	{ "unit_cpu_ms_total", "ms", BL_COUNTER, "unit" },
	{ "unit_memory_bytes", "bytes", BL_GAUGE, "unit" },
	{ "unit_tasks", "1", BL_GAUGE, "unit" },
};

static const struct sample_spec state_spec = { "unit_state", "1", BL_GAUGE, "unit" };

struct unit {
	char name[UNIT_NAME];
	char invocation[INVOCATION]; /* at the last look; empty: it was down */
	bool looked;
	uint64_t starts;
	int32_t handle[UNIT_SERIES];
	int32_t state_handle;
};

struct units {
	const struct sample_units_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	char *root;        /* owned */
	struct unit *unit; /* owned */
	unsigned n;
	struct units_bus *bus; /* NULL: not to be asked */
};

/* Whether it ends in a kind of unit that systemd knows. */
static bool
has_kind(const char *name)
{
	static const char *const kinds[] = { ".service", ".socket", ".target", ".device", ".mount",
		".automount", ".swap", ".timer", ".path", ".slice", ".scope" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(dot, kinds[i]) == 0)
			return true;
	return false;
}

/*
 * What systemd takes for the name of a unit, or of an instance of a template: one that it does not
 * would spoil its answer for all of them.
 */
static bool
is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789:-_.\\@";
	const char *at = strchr(name, '@');

	return name[0] != '.' && name[strspn(name, allowed)] == '\0' &&
	       (at == NULL || (at > name && at + 1 != strrchr(name, '.')));
}

/* "cups" is cups.service. */
static bool
full_name(const char *name, char out[UNIT_NAME])
{
	const int n = snprintf(out, UNIT_NAME, "%s%s", name, has_kind(name) ? "" : ".service");

	return name[0] != '\0' && n > 0 && (size_t)n < UNIT_NAME && is_name(out);
}

static const char *
names_check(const void *value)
{
	const struct bl_conf_strlist *list = value;
	char a[UNIT_NAME];
	char b[UNIT_NAME];

	for (size_t i = 0; i < list->n; i++) {
		if (!full_name(list->item[i], a))
			return "names of units, like cups.service or getty@tty1";
		for (size_t k = 0; k < i; k++)
			if (full_name(list->item[k], b) && strcmp(a, b) == 0)
				return "every unit once";
	}
	return NULL;
}

static const struct bl_conf_key units_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_units_conf, enabled),
	    .help = "sample the units of systemd that are named" },
	{ .name = "watch",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct sample_units_conf, watch),
	    .max = UNITS_MAX,
	    .help = "units to watch (cups.service, or cups alone)",
	    .check = names_check },
	{ .name = "bus",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_units_conf, bus),
	    .help = "also ask systemd, over the system bus, whether a unit failed, was stopped or "
		    "does not exist (unit_state)" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = offsetof(struct sample_units_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between two looks, in whole intervals" },
	{ 0 },
};

static const struct bl_conf_section units_section = { "units", sizeof(struct sample_units_conf),
	units_keys, NULL };

static void
units_close(struct sampler *s)
{
	struct units *u = (struct units *)s;

	if (u == NULL)
		return;
	units_bus_free(u->bus);
	free(u->root);
	free(u->unit);
	free(u);
}

static int
units_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct units *u = calloc(1, sizeof(*u));
	int rc;

	*out = NULL;
	if (u == NULL)
		return bl_fail(err, BL_ENOMEM, "units: out of memory");
	u->conf = conf;
	u->interval_ms = sample_every_init(&u->every, u->conf->every_ms, interval_ms);
	u->root = strdup(root);
	u->unit = calloc(u->conf->watch.n + 1, sizeof(*u->unit));
	if (u->root == NULL || u->unit == NULL) {
		units_close((struct sampler *)u);
		return bl_fail(err, BL_ENOMEM, "units: out of memory");
	}
	for (size_t i = 0; i < u->conf->watch.n; i++) {
		if (!full_name(u->conf->watch.item[i], u->unit[u->n].name))
			continue; /* the check of the options lets none through */
		for (unsigned k = 0; k < UNIT_SERIES; k++)
			u->unit[u->n].handle[k] = SAMPLE_NEW;
		u->unit[u->n++].state_handle = SAMPLE_NEW;
	}
	if (u->conf->enabled && u->conf->bus && u->n > 0 &&
	    (rc = units_bus_create(&u->bus, root, u->n, err)) < 0) {
		units_close((struct sampler *)u);
		return rc;
	}
	*out = (struct sampler *)u;
	return BL_OK;
}

/* ---- its control group ---- */

/* Instances of foo-bar@.service live in system-foo\x2dbar.slice. */
static void
slice_of(const char *name, char slice[2 * UNIT_NAME])
{
	const char *at = strchr(name, '@');
	size_t n = 0;

	slice[0] = '\0';
	if (at == NULL)
		return;
	n = (size_t)snprintf(slice, 2 * UNIT_NAME, "/system-");
	for (const char *p = name; p < at && n < 2 * UNIT_NAME - 16; p++)
		n += (size_t)snprintf(slice + n, 2 * UNIT_NAME - n, *p == '-' ? "\\x2d" : "%c", *p);
	(void)snprintf(slice + n, 2 * UNIT_NAME - n, ".slice");
}

/* The number behind word (may be "") in a file of the unit's control group.  NaN: there is none. */
static double
cgroup_number(const struct units *u, const struct unit *unit, const char *file, const char *word)
{
	char slice[2 * UNIT_NAME];
	char path[2048];
	char text[1024];
	struct sample_scan scan;
	struct sample_scan line;
	uint64_t v;
	int n;

	slice_of(unit->name, slice);
	n = snprintf(path, sizeof(path), "%s" CGROUP "%s/%s/%s", u->root, slice, unit->name, file);
	if (n < 0 || (size_t)n >= sizeof(path) || !sample_text_read(path, text, sizeof(text)))
		return NAN;
	scan = (struct sample_scan){ text, text + strlen(text) };
	while (sample_scan_line(&scan, &line))
		if (sample_scan_skip(&line, word) && sample_scan_u64(&line, &v))
			return (double)v;
	return NAN;
}

/* ---- one of them ---- */

/* The id of its start, "" when it is down.  False: cannot be told. */
static bool
invocation_read(const struct units *u, const struct unit *unit, char id[INVOCATION])
{
	char path[2048];
	const int n =
	    snprintf(path, sizeof(path), "%s" FOLDER "/invocation:%s", u->root, unit->name);
	ssize_t len;

	id[0] = '\0';
	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	len = readlink(path, id, INVOCATION - 1);
	if (len < 0)
		return errno == ENOENT;
	id[len] = '\0';
	return true;
}

static void
unit_sample(struct units *u, struct unit *unit, const struct sample_to *to)
{
	char id[INVOCATION];
	double value[UNIT_SERIES];

	if (!invocation_read(u, unit, id)) {
		sample_put_unknown(
		    to, &unit->handle[UNIT_UP], &spec[UNIT_UP], unit->name, BL_UNKNOWN_UNREADABLE);
		for (unsigned i = UNIT_STARTS; i < UNIT_SERIES; i++)
			sample_put_lost(to, unit->handle[i]);
		return;
	}
	if (unit->looked && id[0] != '\0' && strcmp(id, unit->invocation) != 0)
		unit->starts++;
	unit->looked = true;
	memcpy(unit->invocation, id, sizeof(id));

	value[UNIT_UP] = id[0] != '\0' ? 1 : 0;
	value[UNIT_STARTS] = (double)unit->starts;
	value[UNIT_CPU] = sample_round3(cgroup_number(u, unit, "cpu.stat", "usage_usec ") / 1e3);
	value[UNIT_MEMORY] = cgroup_number(u, unit, "memory.current", "");
	value[UNIT_TASKS] = cgroup_number(u, unit, "pids.current", "");
	for (unsigned i = 0; i < UNIT_SERIES; i++) {
		if (isnan(value[i]))
			sample_put_lost(to, unit->handle[i]);
		else
			sample_put(to, &unit->handle[i], &spec[i], unit->name, value[i]);
	}
}

static int
no_systemd(struct units *u, const struct sample_to *to, struct bl_err *err)
{
	for (unsigned i = 0; i < u->n; i++) {
		sample_put_unknown(to, &u->unit[i].handle[UNIT_UP], &spec[UNIT_UP], u->unit[i].name,
		    BL_UNKNOWN_UNSUPPORTED);
		for (unsigned k = UNIT_STARTS; k < UNIT_SERIES; k++)
			sample_put_lost(to, u->unit[i].handle[k]);
	}
	return bl_fail(err, BL_ENOTFOUND,
	    "units: there is no %s" FOLDER " here: no systemd, or one before 236; the units that "
	    "samplers.units.watch names are unknown",
	    u->root);
}

/* ---- what systemd says of them ---- */

static const char *
name_of(const void *ctx, unsigned i)
{
	return ((const struct units *)ctx)->unit[i].name;
}

static int
states_sample(struct units *u, const struct sample_to *to, struct bl_err *err)
{
	enum unit_state state[UNITS_MAX];
	struct bl_err why = { 0 };
	int rc;

	if (u->bus == NULL)
		return BL_OK;
	rc = units_bus_look(u->bus, name_of, u, state, &why);
	for (unsigned i = 0; i < u->n; i++) {
		struct unit *unit = &u->unit[i];

		if (rc == UNITS_BUS_KNOWN)
			sample_put(to, &unit->state_handle, &state_spec, unit->name, state[i]);
		else
			sample_put_lost(to, unit->state_handle);
	}
	/* A machine without a bus has no such series. */
	if (rc >= 0 || rc == BL_ENOTFOUND)
		return BL_OK;
	if (err != NULL)
		*err = why;
	return rc;
}

static int
units_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct units *u = (struct units *)s;
	const struct sample_to to = { sink, u->interval_ms };
	char path[1280];
	int n;

	if (!u->conf->enabled || u->n == 0 || !sample_every_due(&u->every, boot_ms))
		return BL_OK;
	n = snprintf(path, sizeof(path), "%s" FOLDER, u->root);
	if (n < 0 || (size_t)n >= sizeof(path) || access(path, X_OK) < 0)
		return no_systemd(u, &to, err);
	for (unsigned i = 0; i < u->n; i++)
		unit_sample(u, &u->unit[i], &to);
	return states_sample(u, &to, err);
}

const struct sampler_ops sampler_units = { "units", &units_section, units_open, units_sample,
	units_close };
