/* branchline user: who may sign in to the board. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "branchline/clock.h"

#include "client.h"
#include "commands.h"

#define USER_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-"

static int
add(const struct org *o, int argc, char **argv, const struct command *self)
{
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "role", required_argument, NULL, 'r' },
		{ "language", required_argument, NULL, 'l' },
		{ 0 },
	};
	const char *role = "viewer", *language = NULL, *password;
	json_t *body, *answer = NULL;
	struct bl_err err = { 0 };
	int c, rc;

	argv[0] = (char *)"branchline user add"; /* for getopt's messages */
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			role = optarg;
		else if (c == 'l')
			language = optarg;
		else if (c != 's')
			return 2;
	}
	if (optind + 1 != argc)
		return command_usage(self, "expected: user add NAME");
	body =
	    json_pack("{s:s, s:s, s:s*}", "name", argv[optind], "role", role, "language", language);
	if (body == NULL)
		return command_usage(self, "the name is not UTF-8 text");
	rc = client_call(o, "POST", "/users", body, &answer, &err);
	json_decref(body);
	if (rc < 0)
		return command_failed(&err);
	password = client_text(answer, "initial_password");
	(void)printf("user %s, %s\npassword %s\n", argv[optind], role, password);
	(void)fprintf(
	    stderr, "The password is shown this once; it can be changed after signing in.\n");
	json_decref(answer);
	return 0;
}

static int
new_password(const struct org *o, const char *name)
{
	json_t *body = NULL, *answer = NULL;
	char path[160], password[33];
	struct bl_err err = { 0 };
	struct bl_id id;
	int rc;

	if (strlen(name) > 64 || strspn(name, USER_CHARS) != strlen(name)) {
		(void)bl_fail(&err, BL_EINVAL, "\"%.64s\" is not a user's name", name);
		return command_failed(&err);
	}
	/* 128 random bits as text: nobody types it twice. */
	id = bl_id_random(bl_clock_real());
	bl_id_hex(&id, password);
	(void)snprintf(path, sizeof(path), "/users/%s", name);
	body = json_pack("{s:s}", "password", password);
	if (body == NULL)
		rc = bl_fail(&err, BL_ENOMEM, "user %s: out of memory", name);
	else
		rc = client_call(o, "PATCH", path, body, &answer, &err);
	json_decref(body);
	json_decref(answer);
	if (rc < 0)
		return command_failed(&err);
	(void)printf("user %s\npassword %s\n", name, password);
	(void)fprintf(
	    stderr, "The password is shown this once; it can be changed after signing in.\n");
	return 0;
}

static int
list(const struct org *o)
{
	struct bl_err err = { 0 };
	json_t *answer = NULL;
	const json_t *u;
	size_t i;

	if (client_call(o, "GET", "/users?limit=1000", NULL, &answer, &err) < 0)
		return command_failed(&err);
	json_array_foreach(json_object_get(answer, "items"), i, u)
	{
		(void)printf("%-24s %-14s %s\n", client_text(u, "name"), client_text(u, "role"),
		    json_is_true(json_object_get(u, "disabled")) ? "disabled" : "");
	}
	if (i == 0)
		(void)printf("nobody can sign in yet; `branchline user add NAME` changes that\n");
	json_decref(answer);
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct bl_err err = { 0 };
	struct org o;

	if (argc < 2)
		return command_usage(self, "expected add, password or list");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	if (strcmp(argv[1], "add") == 0)
		return add(&o, argc - 1, argv + 1, self);
	if (strcmp(argv[1], "list") == 0)
		return command_no_more(argc - 1, argv + 1, self) != 0 ? 2 : list(&o);
	if (strcmp(argv[1], "password") == 0 && argc > 2 && argv[2][0] != '-')
		return command_no_more(argc - 2, argv + 2, self) != 0 ? 2
								      : new_password(&o, argv[2]);
	return command_usage(self, "expected add NAME, password NAME or list");
}

const struct command command_user = {
	.name = "user",
	.summary = "add and list the people who may sign in, give them new passwords",
	.help =
	    "usage: branchline user add NAME [--role administrator|operator|viewer]\n"
	    "                               [--language zh-CN|en]\n"
	    "       branchline user password NAME\n"
	    "       branchline user list\n\n"
	    "add makes a user with a random password, which is printed once; password gives a new "
	    "one\n"
	    "in place of one that was lost.\n\n"
	    "  --role ROLE       administrator, operator or viewer (default: viewer)\n"
	    "  --language LANG   zh-CN or en (default: zh-CN)\n"
	    "  --state DIR       the organisation's state folder\n",
	.run = run,
};
