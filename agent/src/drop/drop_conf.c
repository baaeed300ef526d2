/* The section `inlets.drop` as a table. */
#include "drop.h"

#include <stddef.h>
#include <string.h>

#include "branchline/charset.h"
#include "branchline/rowmap.h"
#include "branchline/topic.h"

#define AT(field) offsetof(struct drop_folder_conf, field)

static const char *const formats[] = { "csv", "jsonl", NULL };

static const char *
check_name(const void *value)
{
	return bl_id_text_valid(*(char *const *)value)
		   ? NULL
		   : "a name of lower-case letters, digits and hyphens, at most 63";
}

static const char *
check_path(const void *value)
{
	return (*(char *const *)value)[0] == '/' ? NULL : "an absolute path";
}

static const char *
check_separator(const void *value)
{
	const char *text = *(char *const *)value;

	if (strcmp(text, "tab") == 0 ||
	    (strlen(text) == 1 && strchr("\"\r\n", text[0]) == NULL && (text[0] & 0x80) == 0))
		return NULL;
	return "one character, or tab";
}

static const char *
check_marker(const void *value)
{
	const char *text = *(char *const *)value;

	return strchr(text, '/') == NULL ? NULL : "an ending of a name, like \".done\"";
}

static const struct bl_conf_key folder_keys[] = {
	{ .name = "name",
	    .type = BL_CONF_STR,
	    .offset = AT(name),
	    .min = 1,
	    .max = 63,
	    .help = "its name: in the log, and of what is kept about it",
	    .check = check_name },
	{ .name = "path",
	    .type = BL_CONF_STR,
	    .offset = AT(path),
	    .min = 1,
	    .max = 1000,
	    .help = "the folder, absolute; the agent's user must be able to write there, since "
		    "finished files go to done/ and what was not taken to bad/ in it",
	    .check = check_path },
	{ .name = "files",
	    .type = BL_CONF_STRLIST,
	    .dflt = "[*]",
	    .offset = AT(files),
	    .max = 16,
	    .help = "names of files to take, wildcards allowed; never those that begin with a dot "
		    "or end with .tmp, .part, .filepart, .crdownload, .swp or ~" },
	{ .name = "format",
	    .type = BL_CONF_ENUM,
	    .dflt = "csv",
	    .offset = AT(format),
	    .choices = formats,
	    .help = "rows of CSV (RFC 4180), or a JSON object a line" },
	{ .name = "encoding",
	    .type = BL_CONF_ENUM,
	    .dflt = "utf-8",
	    .offset = AT(encoding),
	    .choices = bl_charset_names,
	    .help = "of the text; Excel's \"CSV\" is gbk in China. A byte order mark in a file "
		    "counts more" },
	{ .name = "separator",
	    .type = BL_CONF_STR,
	    .dflt = ",",
	    .offset = AT(separator),
	    .min = 1,
	    .max = 3,
	    .help = "csv: what stands between two columns, or tab",
	    .check = check_separator },
	{ .name = "columns",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = AT(columns),
	    .max = 256,
	    .help = "csv: names of the columns, when the first row does not hold them" },
	{ .name = "settle",
	    .type = BL_CONF_DURATION,
	    .dflt = "2s",
	    .offset = AT(settle_ms),
	    .min = 0,
	    .max = 3600000,
	    .help = "a file that did not change for so long is complete; 0s: only where files are "
		    "moved into the folder whole" },
	{ .name = "marker",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = AT(marker),
	    .max = 32,
	    .help = "a file is complete when one of its name and this ending (.done) lies beside "
		    "it, and not before; it is removed with it",
	    .check = check_marker },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "10s",
	    .offset = AT(every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between two looks where the kernel tells of no change" },
	{ .name = "keep",
	    .type = BL_CONF_DURATION,
	    .dflt = "7d",
	    .offset = AT(keep_ms),
	    .min = 0,
	    .max = 366ll * 86400000,
	    .help = "how long files stay in done/ and bad/" },
	{ .name = "keep_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = AT(keep_bytes),
	    .min = 0,
	    .max = 1ll << 40,
	    .help = "how much stays in each of the two, at most; the oldest go first" },
	{ .name = "types",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = AT(types),
	    .max = 16,
	    .help = "further file systems to count as local, although they may hang (nfs4, fuse)" },
	{ .name = "reports",
	    .type = BL_CONF_LIST,
	    .offset = AT(reports),
	    .min = 1,
	    .max = DROP_REPORTS_MAX,
	    .help = "what a row means; each of these whose `when` holds makes a report of it",
	    .section = &bl_rowmap_section },
	{ 0 },
};

static const char *
check_folder(const void *section, const char **key)
{
	const struct drop_folder_conf *c = section;
	const struct bl_rowmap_conf *maps = c->reports.item;

	*key = "columns";
	if (c->format == DROP_JSONL && c->columns.n > 0)
		return "JSON lines name their fields themselves";
	*key = "reports";
	for (size_t i = 0; i < c->reports.n; i++)
		for (size_t k = 0; k < i; k++)
			if (maps[i].id != NULL && maps[k].id != NULL && maps[i].when.n == 0 &&
			    strcmp(maps[i].id, maps[k].id) == 0)
				return "two reports of one row need two ids: the second would be a "
				       "repetition of the first";
	return NULL;
}

static const struct bl_conf_section folder_section = { "folder", sizeof(struct drop_folder_conf),
	folder_keys, check_folder };

static const struct bl_conf_key drop_keys[] = {
	{ .name = "folders",
	    .type = BL_CONF_LIST,
	    .dflt = "",
	    .offset = offsetof(struct drop_conf, folders),
	    .max = DROP_FOLDERS_MAX,
	    .help = "folders whose files are read; none: off",
	    .section = &folder_section,
	    .unique = "name" },
	{ 0 },
};

const struct bl_conf_section drop_conf_section = { "drop", sizeof(struct drop_conf), drop_keys,
	NULL };
