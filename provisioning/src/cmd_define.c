/* branchline define: processes, KPIs, rules and channels from files, and what there is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"
#include "define_file.h"

/* "FILE: rule r1: " at the begin of a line on standard error. */
static void
told_of(const struct define_file_item *i)
{
	command_write(stderr, i->file);
	(void)fprintf(stderr, ": %s %s: ", define_file_singular[i->kind], i->id);
}

static void
print_field(const struct define_file_item *i, const json_t *e)
{
	const json_int_t column = json_integer_value(json_object_get(e, "column"));

	told_of(i);
	command_write(stderr, client_text(e, "field"));
	if (column > 0)
		(void)fprintf(stderr, ", column %" JSON_INTEGER_FORMAT, column);
	(void)fputs(": expected ", stderr);
	command_write(stderr, client_text(e, "expected"));
	(void)fputs(", got ", stderr);
	command_write(stderr, client_text(e, "got"));
	if (client_text(e, "suggestion")[0] != '\0') {
		(void)fputs("; did you mean \"", stderr);
		command_write(stderr, client_text(e, "suggestion"));
		(void)fputs("\"?", stderr);
	}
	(void)fputc('\n', stderr);
}

/* Every fault of one definition, a line each; false. */
static bool
refused(const struct define_file_item *i, long status, const json_t *problem)
{
	const json_t *errors = json_object_get(problem, "errors"), *e;
	const char *detail = client_text(problem, "detail");
	size_t at;

	json_array_foreach(errors, at, e) print_field(i, e);
	if (json_array_size(errors) > 0)
		return false;
	told_of(i);
	if (detail[0] != '\0')
		command_write(stderr, detail);
	else
		(void)fprintf(stderr, "the collector answered %ld", status);
	(void)fputc('\n', stderr);
	return false;
}

enum applied { APPLIED_CREATED = 0, APPLIED_CHANGED, APPLIED_SAME, APPLIED_KINDS };

/* Creates, or gives the members of the file to what is there; false: refused, said; < 0: no
 * collector. */
static int
apply_one(const struct org *o, const struct define_file_item *i, enum applied *out,
    json_int_t *version, struct bl_err *err)
{
	json_t *body = json_copy(i->body), *before = NULL, *after = NULL;
	char list[32], one[112];
	long status = 0;
	int rc = BL_ENOMEM;

	(void)snprintf(list, sizeof(list), "/%s", define_file_plural[i->kind]);
	(void)snprintf(one, sizeof(one), "/%s/%s", define_file_plural[i->kind], i->id);
	if (body == NULL) {
		(void)bl_fail(err, BL_ENOMEM, "%s %s: out of memory", list, i->id);
		goto out;
	}
	if ((rc = client_ask(o, "GET", one, NULL, &status, &before, err)) < 0)
		goto out;
	if (status == 200) {
		(void)json_object_del(body, "id");
		rc = client_ask(o, "PATCH", one, body, &status, &after, err);
	} else if (status == 404) {
		rc = client_ask(o, "POST", list, body, &status, &after, err);
	} else {
		rc = refused(i, status, before);
		goto out;
	}
	if (rc < 0)
		goto out;
	if (status < 200 || status > 299) {
		rc = refused(i, status, after);
		goto out;
	}
	*version = json_integer_value(json_object_get(after, "version"));
	if (status == 201)
		*out = APPLIED_CREATED;
	else
		*out = *version == json_integer_value(json_object_get(before, "version"))
			   ? APPLIED_SAME
			   : APPLIED_CHANGED;
	rc = 1;
out:
	json_decref(body);
	json_decref(before);
	json_decref(after);
	return rc;
}

static int
apply_all(const struct org *o, const struct define_file_set *set)
{
	static const char *const words[APPLIED_KINDS] = { "created", "changed", "unchanged" };
	unsigned count[APPLIED_KINDS] = { 0 }, failed = 0;
	enum applied what = APPLIED_SAME;
	struct bl_err err = { 0 };
	json_int_t version = 0;

	for (int kind = 0; kind < FILE_KINDS; kind++) {
		for (size_t i = 0; i < set->n; i++) {
			const struct define_file_item *item = &set->item[i];
			int rc;

			if ((int)item->kind != kind)
				continue;
			if ((rc = apply_one(o, item, &what, &version, &err)) < 0)
				return command_failed(&err);
			if (rc == 0) {
				failed++;
				continue;
			}
			count[what]++;
			(void)printf("%-9s %-8s %s, version %" JSON_INTEGER_FORMAT "\n",
			    words[what], define_file_singular[item->kind], item->id, version);
		}
	}
	(void)printf("%u created, %u changed, %u unchanged, %u refused\n", count[APPLIED_CREATED],
	    count[APPLIED_CHANGED], count[APPLIED_SAME], failed);
	return failed == 0 ? 0 : 1;
}

/* argv: the files and --state anywhere between them. */
static int
apply(const struct org *o, int argc, char **argv, const struct command *self)
{
	struct define_file_set *set = calloc(1, sizeof(*set));
	struct bl_err err = { 0 };
	unsigned faults = 0;
	int rc = command_arguments(&argc, argv, self);

	if (set == NULL) {
		(void)bl_fail(&err, BL_ENOMEM, "define apply: out of memory");
		return command_failed(&err);
	}
	if (rc == 0 && argc == 0)
		rc = command_usage(self, "expected: define apply FILE ...");
	for (int i = 0; rc == 0 && i < argc; i++)
		faults += define_file_read(set, argv[i]);
	if (rc == 0 && faults > 0) {
		(void)fprintf(stderr, "branchline: nothing was sent: %u %s in the files\n", faults,
		    faults == 1 ? "fault" : "faults");
		rc = 1;
	}
	if (rc == 0)
		rc = apply_all(o, set);
	define_file_free(set);
	free(set);
	return rc;
}

static int
list_kind(const struct org *o, enum define_file_kind kind, size_t *n, struct bl_err *err)
{
	char path[64];
	json_t *answer = NULL;
	const json_t *d;
	size_t i;
	int rc;

	(void)snprintf(path, sizeof(path), "/%s?limit=1000", define_file_plural[kind]);
	if ((rc = client_call(o, "GET", path, NULL, &answer, err)) < 0)
		return rc;
	json_array_foreach(json_object_get(answer, "items"), i, d)
	{
		(void)printf("%-8s %-28s %-3s version %-3" JSON_INTEGER_FORMAT " ",
		    define_file_singular[kind], client_text(d, "id"),
		    json_is_true(json_object_get(d, "enabled")) ? "on" : "off",
		    json_integer_value(json_object_get(d, "version")));
		command_print(client_text(d, "name"));
		(void)putchar('\n');
	}
	*n += i;
	json_decref(answer);
	return BL_OK;
}

static int
list(const struct org *o, int argc, char **argv, const struct command *self)
{
	struct bl_err err = { 0 };
	bool known = false;
	size_t n = 0;

	if (command_arguments(&argc, argv, self) != 0)
		return 2;
	if (argc > 1)
		return command_usage(self, "unexpected argument \"%.40s\"", argv[1]);
	for (int k = 0; k < FILE_KINDS; k++) {
		if (argc == 1 && strcmp(argv[0], define_file_plural[k]) != 0 &&
		    strcmp(argv[0], define_file_singular[k]) != 0)
			continue;
		known = true;
		if (list_kind(o, (enum define_file_kind)k, &n, &err) < 0)
			return command_failed(&err);
	}
	if (!known)
		return command_usage(
		    self, "expected processes, kpis, rules or channels, got \"%.40s\"", argv[0]);
	if (n == 0)
		(void)printf(
		    "nothing is defined yet; `branchline define apply FILE` changes that\n");
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct bl_err err = { 0 };
	struct org o;

	if (argc < 2)
		return command_usage(self, "expected apply or list");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	if (strcmp(argv[1], "apply") == 0)
		return apply(&o, argc - 1, argv + 1, self);
	if (strcmp(argv[1], "list") == 0)
		return list(&o, argc - 1, argv + 1, self);
	return command_usage(self, "expected apply or list, got \"%.40s\"", argv[1]);
}

const struct command command_define = {
	.name = "define",
	.summary = "apply and list processes, KPIs, rules and channels",
	.help =
	    "usage: branchline define apply FILE ...\n"
	    "       branchline define list [processes|kpis|rules|channels]\n\n"
	    "apply brings the definitions of JSON files to the collector: one that is not there "
	    "is\n"
	    "created; one that is there gets the members that the file gives, as a new version if\n"
	    "anything differs. What a file does not name stays as it is. A file is\n\n"
	    "  {\"processes\": [...], \"kpis\": [...], \"rules\": [...], \"channels\": [...]}\n\n"
	    "each definition with its \"id\" and the fields that the API has. Every fault is told "
	    "with\n"
	    "file, kind, id and field; a file that cannot be read stops all of them, a definition "
	    "that\n"
	    "the collector refuses only itself and what names it. Examples come with the product, "
	    "in\n"
	    "provisioning/templates or share/branchline/templates.\n\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
