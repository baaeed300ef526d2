/*
 * branchline requeue: what the collector set aside is tried again, after an upgrade or
 * when a device was added that it did not know.  The collector does it; here it is
 * asked for and waited for.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "commands.h"

#define LOOK_AGAIN_MS 200

struct requeue_args {
	const char *reason, *device;
	bool dry_run;
};

static json_int_t
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int
parse(int argc, char **argv, struct requeue_args *a)
{
	static const struct option options[] = { { "reason", required_argument, NULL, 'r' },
		{ "device", required_argument, NULL, 'd' }, { "dry-run", no_argument, NULL, 'n' },
		{ "state", required_argument, NULL, 's' }, { 0 } };
	int c;

	argv[0] = (char *)"branchline requeue"; /* for getopt's messages */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			a->reason = optarg;
		else if (c == 'd')
			a->device = optarg;
		else if (c == 'n')
			a->dry_run = true;
		else if (c != 's')
			return 2;
	}
	return 0;
}

static json_t *
body_of(const struct requeue_args *a, char **ids, int n)
{
	json_t *body = json_pack("{s:s*, s:s*, s:b}", "reason", a->reason, "device", a->device,
	    "dry_run", (int)a->dry_run);
	json_t *list = n > 0 ? json_array() : NULL;

	for (int i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(ids[i]));
	if (list != NULL)
		(void)json_object_set_new(body, "ids", list);
	return body;
}

/* Until it has ended; *state is replaced. */
static int
wait_for_end(const struct org *o, json_t **state, struct bl_err *err)
{
	const struct timespec pause = { 0, LOOK_AGAIN_MS * 1000000L };
	int rc;

	while (json_is_true(json_object_get(*state, "running"))) {
		(void)nanosleep(&pause, NULL);
		json_decref(*state);
		*state = NULL;
		if ((rc = client_call(o, "GET", "/set-aside/requeue", NULL, state, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static void
print_end(const json_t *s)
{
	(void)printf("tried %" JSON_INTEGER_FORMAT "\ntaken %" JSON_INTEGER_FORMAT
		     "\nkept %" JSON_INTEGER_FORMAT "\nexpired %" JSON_INTEGER_FORMAT
		     "\nlater %" JSON_INTEGER_FORMAT "\n",
	    number(s, "tried"), number(s, "taken"), number(s, "kept"), number(s, "expired"),
	    number(s, "later"));
	if (number(s, "kept") > 0)
		(void)fprintf(
		    stderr, "What was kept is still bad; the list says what is wrong with it.\n");
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct requeue_args a = { 0 };
	struct bl_err err = { 0 };
	json_t *body, *state = NULL;
	struct org o;
	int rc;

	if (parse(argc, argv, &a) != 0)
		return 2;
	for (int i = optind; i < argc; i++)
		if (argv[i][0] == '\0' || strspn(argv[i], "0123456789") != strlen(argv[i]))
			return command_usage(self, "\"%.40s\" is not an id of the list", argv[i]);
	if ((body = body_of(&a, argv + optind, argc - optind)) == NULL) {
		(void)bl_fail(&err, BL_EINVAL, "an argument is not UTF-8 text");
		return command_failed(&err);
	}
	rc = command_org(argc, argv, &o, &err);
	if (rc == BL_OK)
		rc = client_call(&o, "POST", "/set-aside/requeue", body, &state, &err);
	json_decref(body);
	if (rc == BL_OK && a.dry_run)
		(void)printf("would try %" JSON_INTEGER_FORMAT "\n", number(state, "matching"));
	else if (rc == BL_OK && (rc = wait_for_end(&o, &state, &err)) == BL_OK)
		print_end(state);
	json_decref(state);
	return rc < 0 ? command_failed(&err) : 0;
}

const struct command command_requeue = {
	.name = "requeue",
	.summary = "try again what was set aside",
	.help =
	    "usage: branchline requeue [--reason R] [--device ID] [--dry-run] [ID ...]\n\n"
	    "Messages that could not be taken in are kept. After an upgrade of the collector, or\n"
	    "when a device was added that it did not know, they are decoded again: what is good\n"
	    "now is stored, exactly once, and leaves the list; what is still bad stays, with what\n"
	    "is wrong with it now. Doing it again changes nothing.\n\n"
	    "  --reason R    only set aside for this: undecodable, unknown_device, wrong_part,\n"
	    "                foreign_identity, conflict, retired, retained, oversized, not_ours\n"
	    "  --device ID   only of this device\n"
	    "  --dry-run     only say how many would be tried\n"
	    "  ID ...        only these of the list (GET /set-aside)\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
