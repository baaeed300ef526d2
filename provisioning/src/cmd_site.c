/* branchline site: the places where devices stand. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "commands.h"

static int
add(const struct org *o, int argc, char **argv, const struct command *self)
{
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "id", required_argument, NULL, 'i' },
		{ "zone", required_argument, NULL, 'z' },
		{ "region", required_argument, NULL, 'r' },
		{ 0 },
	};
	const char *id = NULL, *zone = NULL, *region = NULL;
	json_t *body, *answer = NULL;
	struct bl_err err = { 0 };
	int c, rc;

	argv[0] = (char *)"branchline site add"; /* for getopt's messages */
	optind = 0; /* 0: glibc forgets the scan that looked for --state */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'i')
			id = optarg;
		else if (c == 'z')
			zone = optarg;
		else if (c == 'r')
			region = optarg;
		else if (c != 's')
			return 2;
	}
	if (optind + 1 != argc)
		return command_usage(self, "expected: site add NAME");
	/* The starred members are left out when NULL. */
	body = json_pack("{s:s, s:s*, s:s*, s:s*}", "name", argv[optind], "id", id, "zone", zone,
	    "region", region);
	if (body == NULL)
		return command_usage(self, "the name is not UTF-8 text");
	rc = client_call(o, "POST", "/sites", body, &answer, &err);
	json_decref(body);
	if (rc < 0)
		return command_failed(&err);
	(void)printf("site %s added (", client_text(answer, "id"));
	command_print(client_text(answer, "name"));
	(void)printf(", %s)\n", client_text(answer, "zone"));
	json_decref(answer);
	return 0;
}

static int
list(const struct org *o)
{
	struct bl_err err = { 0 };
	json_t *answer = NULL;
	const json_t *site;
	size_t i;

	if (client_call(o, "GET", "/sites?limit=1000", NULL, &answer, &err) < 0)
		return command_failed(&err);
	json_array_foreach(json_object_get(answer, "items"), i, site)
	{
		(void)printf("%-24s %-20s ", client_text(site, "id"), client_text(site, "zone"));
		command_print(client_text(site, "name"));
		(void)putchar('\n');
	}
	if (i == 0)
		(void)printf("no sites yet; `branchline site add NAME` makes one\n");
	json_decref(answer);
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct bl_err err = { 0 };
	struct org o;

	if (argc < 2)
		return command_usage(self, "expected add or list");
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	if (strcmp(argv[1], "add") == 0)
		return add(&o, argc - 1, argv + 1, self);
	if (strcmp(argv[1], "list") == 0)
		return command_no_more(argc - 1, argv + 1, self) != 0 ? 2 : list(&o);
	return command_usage(self, "expected add or list, got \"%.40s\"", argv[1]);
}

const struct command command_site = {
	.name = "site",
	.summary = "add and list sites",
	.help =
	    "usage: branchline site add NAME [--id ID] [--zone ZONE] [--region PATH]\n"
	    "       branchline site list\n\n"
	    "A site is a branch or place where devices stand. Its id is made from its name unless\n"
	    "given; its zone is the organisation's unless given.\n\n"
	    "  --id ID         a-z, 0-9 and -, at most 63 characters\n"
	    "  --zone ZONE     IANA time zone, such as Asia/Shanghai\n"
	    "  --region PATH   such as east/shanghai\n"
	    "  --state DIR     the organisation's state folder\n",
	.run = run,
};
