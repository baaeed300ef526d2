/* The table of options. */
#include "loglines.h"

#include <stdio.h>

#include "branchline/charset.h"
#include "branchline/regex.h"

#include "sample_watch_conf.h"

static const char *
check_pattern(const void *section, const char **key)
{
	static _Thread_local char text[256];
	struct loglines_pattern one = *(const struct loglines_pattern *)section;
	const struct bl_conf_list list = { 1, &one };
	struct loglines_patterns *p;
	struct bl_err err = { 0 };

	*key = "match";
	if (loglines_patterns_open(&p, &list, &err) < 0) {
		(void)snprintf(text, sizeof(text), "%s", err.msg);
		return text;
	}
	loglines_patterns_close(p);
	return NULL;
}

static const char *
check_watch(const void *section, const char **key)
{
	*key = "patterns";
	return ((const struct loglines_watch *)section)->patterns.n > 0
		   ? NULL
		   : "a log without patterns becomes nothing";
}

static const struct bl_conf_key pattern_keys[] = {
	{ .name = "match",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct loglines_pattern, match),
	    .min = 1,
	    .max = BL_REGEX_PATTERN_MAX,
	    .help = "regular expression with named groups, 'order (?<no>\\d+) done'; the groups "
		    "are the fields of the mapping" },
	{ .name = "map",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct loglines_pattern, map),
	    .help = "what a line that matches becomes",
	    .section = &bl_rowmap_section },
	{ 0 },
};

static const struct bl_conf_section pattern_section = { "pattern", sizeof(struct loglines_pattern),
	pattern_keys, check_pattern };

static const char *const from_choices[] = { "end", "beginning", NULL };

static const struct bl_conf_key watch_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct loglines_watch, name),
	    .min = 1,
	    .max = BL_LABEL_VALUE_MAX,
	    .help = "its name here",
	    .check = sample_watch_name_check },
	{ .name = "path",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct loglines_watch, path),
	    .min = 1,
	    .max = 1000,
	    .help = "the log, absolute, on a local file system",
	    .check = sample_watch_path_check },
	{ .name = "encoding",
	    .type = BL_CONF_ENUM,
	    .dflt = "utf-8",
	    .offset = offsetof(struct loglines_watch, encoding),
	    .choices = bl_charset_names,
	    .help = "of the log's text; a byte order mark at its beginning counts more" },
	{ .name = "from",
	    .type = BL_CONF_ENUM,
	    .dflt = "end",
	    .offset = offsetof(struct loglines_watch, from),
	    .choices = from_choices,
	    .help = "where a log that was never read before is begun" },
	{ .name = "patterns",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct loglines_watch, patterns),
	    .max = LOGLINES_PATTERNS_MAX,
	    .help = "what is looked for in each line; all of them are",
	    .section = &pattern_section },
	{ 0 },
};

static const struct bl_conf_section watch_section = { "watch", sizeof(struct loglines_watch),
	watch_keys, check_watch };

static const struct bl_conf_key keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct loglines_conf, enabled),
	    .help = "follow the logs that are watched" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "1s",
	    .offset = offsetof(struct loglines_conf, every_ms),
	    .min = 100,
	    .max = 60000,
	    .help = "how often it is looked for new lines" },
	{ .name = "max_behind",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = offsetof(struct loglines_conf, max_behind),
	    .min = 1 << 20,
	    .max = 1 << 30,
	    .help = "of a log that is longer unread, the older half of this is passed over and "
		    "counted" },
	{ .name = "types",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct loglines_conf, types),
	    .max = 16,
	    .help = "further file systems to count as local, although they may hang (nfs4, fuse)" },
	{ .name = "watch",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct loglines_conf, watch),
	    .max = LOGLINES_WATCHES_MAX,
	    .help = "logs, and what their lines become",
	    .section = &watch_section,
	    .unique = "name" },
	{ 0 },
};

const struct bl_conf_section loglines_conf_section = { "loglines", sizeof(struct loglines_conf),
	keys, NULL };
