/* The table of `metered`: what a site pays for by the byte. */
#include <stddef.h>

#include "branchline/tz.h"

#include "budget.h"
#include "config.h"

static const char *
check_hours(const void *value)
{
	const char *const *text = value;
	struct budget_hours h;

	return *text == NULL || budget_hours_parse(*text, &h)
		   ? NULL
		   : "hours like \"22:00-06:00\", up to four with commas between";
}

static const char *
check_zone(const void *value)
{
	const char *const *name = value;
	struct bl_err err = { 0 };
	struct bl_tz *tz;

	if (*name == NULL || (*name)[0] == '\0')
		return NULL;
	if (bl_tz_load(&tz, *name, NULL, &err) < 0)
		return "a time zone that this machine knows, like \"Asia/Shanghai\"";
	bl_tz_free(tz);
	return NULL;
}

static const struct bl_conf_key class_keys[] = {
	{ .name = "bytes_per_hour",
	    .type = BL_CONF_SIZE,
	    .dflt = "0",
	    .offset = offsetof(struct config_metered_class, bytes_per_hour),
	    .max = 1ll << 50,
	    .help = "what messages of this class may take of the link; 0: no limit of its own" },
	{ .name = "hours",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_metered_class, hours),
	    .max = 63,
	    .help = "hours of the day in which it may go, \"22:00-06:00\"; none: at any time",
	    .check = check_hours },
	{ 0 },
};

static const struct bl_conf_section class_section = { "class", sizeof(struct config_metered_class),
	class_keys, NULL };

static const struct bl_conf_key classes_keys[] = {
	{ .name = "events",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_metered_classes, events),
	    .help = "steps, state changes, the ledger",
	    .section = &class_section },
	{ .name = "probes",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_metered_classes, probes),
	    .help = "results of probes",
	    .section = &class_section },
	{ .name = "host",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_metered_classes, host),
	    .help = "samples of this machine",
	    .section = &class_section },
	{ 0 },
};

static const struct bl_conf_section classes_section = { "classes",
	sizeof(struct config_metered_classes), classes_keys, NULL };

static const struct bl_conf_key metered_keys[] = {
	{ .name = "bytes_per_hour",
	    .type = BL_CONF_SIZE,
	    .dflt = "0",
	    .offset = offsetof(struct config_metered, bytes_per_hour),
	    .max = 1ll << 50,
	    .help = "what the link may carry, both ways, with all headers; 0: no limit" },
	{ .name = "window",
	    .type = BL_CONF_DURATION,
	    .dflt = "1h",
	    .offset = offsetof(struct config_metered, window_ms),
	    .min = 10000,
	    .max = 3600000,
	    .help = "over how long that is kept: a shorter one has its part of the hour's bytes "
		    "and spreads "
		    "them more evenly" },
	{ .name = "zone",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_metered, zone),
	    .max = 63,
	    .help = "time zone of the hours and of the months that usage is counted by; none: this "
		    "machine's",
	    .check = check_zone },
	{ .name = "classes",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_metered, classes),
	    .help = "limits of one class of data",
	    .section = &classes_section },
	{ 0 },
};

/* Both hold the smallest message that is cut for a metered link, beside a handshake or two. */
#define WINDOW_LEAST 24576
#define CLASS_LEAST  8192

static bool
too_little(long long bytes_per_hour, const struct config_metered *m, long long least)
{
	return bytes_per_hour > 0 &&
	       (double)bytes_per_hour * (double)m->window_ms / 3600000 < (double)least;
}

/* What has no room in a whole window waits for ever, and nobody is told why. */
static const char *
check_metered(const void *section, const char **key_out)
{
	const struct config_metered *m = section;
	const char *const said = "a window has room for no message: at least 24 KiB in a window "
				 "(8 KiB of a class), or 0 for no limit";

	*key_out = NULL;
	if (too_little(m->bytes_per_hour, m, WINDOW_LEAST))
		*key_out = "bytes_per_hour";
	else if (too_little(m->classes.events.bytes_per_hour, m, CLASS_LEAST))
		*key_out = "classes.events.bytes_per_hour";
	else if (too_little(m->classes.probes.bytes_per_hour, m, CLASS_LEAST))
		*key_out = "classes.probes.bytes_per_hour";
	else if (too_little(m->classes.host.bytes_per_hour, m, CLASS_LEAST))
		*key_out = "classes.host.bytes_per_hour";
	return *key_out != NULL ? said : NULL;
}

const struct bl_conf_section config_metered_section = { "metered", sizeof(struct config_metered),
	metered_keys, check_metered };
