/* Files of definitions; see the header. */
#include "define_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "branchline/buf.h"

#include "commands.h"
#include "files.h"

const char *const define_file_plural[FILE_KINDS] = { "channels", "processes", "kpis", "rules" };
const char *const define_file_singular[FILE_KINDS] = { "channel", "process", "kpi", "rule" };

static unsigned fault(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static unsigned
fault(const char *path, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	command_write(stderr, path);
	(void)fputs(": ", stderr);
	command_write(stderr, line);
	(void)fputc('\n', stderr);
	return 1;
}

static json_t *
load(const char *path)
{
	struct bl_err err = { 0 };
	json_error_t why;
	struct bl_buf b;
	json_t *whole = NULL;

	bl_buf_init(&b, DEFINE_FILE_BYTES);
	if (files_read(path, &b, &err) < 0)
		(void)fault(path, "%s", err.msg);
	else if ((whole = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, &why)) ==
		 NULL)
		(void)fault(path, "line %d, column %d: %s", why.line, why.column, why.text);
	bl_buf_free(&b);
	return whole;
}

static bool
id_plain(const char *id)
{
	const size_t len = strlen(id);

	return len >= 1 && len <= 63 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static unsigned
add(struct define_file_set *set, enum define_file_kind kind, const char *path, size_t at,
    json_t *body)
{
	const char *id = json_string_value(json_object_get(body, "id"));

	if (!json_is_object(body))
		return fault(path, "%s[%zu]: expected an object", define_file_plural[kind], at);
	if (id == NULL || !id_plain(id))
		return fault(path, "%s[%zu]: id: expected 1 to 63 of a-z, 0-9 and -, got %s%.80s",
		    define_file_plural[kind], at, id != NULL ? "" : "none", id != NULL ? id : "");
	for (size_t i = 0; i < set->n; i++)
		if (set->item[i].kind == kind && strcmp(set->item[i].id, id) == 0)
			return fault(path, "%s %s: stands in %s already",
			    define_file_singular[kind], id, set->item[i].file);
	if (set->n == DEFINE_FILE_ITEMS)
		return fault(path, "%s %s: more than %u definitions at once",
		    define_file_singular[kind], id, DEFINE_FILE_ITEMS);
	set->item[set->n++] = (struct define_file_item){ kind, path, id, json_incref(body) };
	return 0;
}

static unsigned
add_list(struct define_file_set *set, const char *path, const char *member, json_t *list)
{
	unsigned faults = 0;
	json_t *body;
	size_t at;

	for (int k = 0; k < FILE_KINDS; k++) {
		if (strcmp(member, define_file_plural[k]) != 0)
			continue;
		if (!json_is_array(list))
			return fault(path, "%s: expected a list", member);
		json_array_foreach(list, at, body) faults +=
		    add(set, (enum define_file_kind)k, path, at, body);
		return faults;
	}
	return fault(path, "%.64s: unknown; expected channels, processes, kpis or rules", member);
}

unsigned
define_file_read(struct define_file_set *set, const char *path)
{
	json_t *whole = load(path), *list;
	unsigned faults = 0;
	const char *member;

	if (whole == NULL)
		return 1;
	if (!json_is_object(whole))
		faults =
		    fault(path, "expected an object of lists: channels, processes, kpis, rules");
	else
		json_object_foreach(whole, member, list) faults +=
		    add_list(set, path, member, list);
	json_decref(whole);
	return faults;
}

void
define_file_free(struct define_file_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		json_decref(set->item[i].body);
	set->n = 0;
}
