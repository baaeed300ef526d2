/* What the subcommands share, and the small ones about the configuration. */
#include "commands.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "check_machine.h"
#include "config.h"

/* The option of this name, or NULL; *value points behind "=" when the word has one. */
static const struct cmd_option *
find(const struct cmd_option *options, const char *word, const char **value)
{
	const size_t len = strcspn(word, "=");

	*value = word[len] == '=' ? word + len + 1 : NULL;
	for (; options->name != NULL; options++)
		if (strlen(options->name) == len && strncmp(options->name, word, len) == 0)
			return options;
	return NULL;
}

static int
mistake(const char *what, const char *word)
{
	(void)fprintf(
	    stderr, "branchline-agent: %s \"%s\"; --help tells what there is\n", what, word);
	return 2;
}

/* What is not in the help is not in the man page, either, which is made of it. */
static void
assert_told(const struct cmd_option *options, const char *help)
{
	for (; options->name != NULL; options++)
		assert(strstr(help, options->name) != NULL);
	(void)help;
}

int
cmd_options_read(int argc, char **argv, const struct cmd_option *options, const char **words,
    int max_words, const char *help)
{
	const struct cmd_option *o;
	const char *value;
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			assert_told(options, help);
			(void)fputs(help, stdout);
			return 1;
		}
		/* A number is none of our options. */
		if (argv[i][0] != '-' || (argv[i][1] >= '0' && argv[i][1] <= '9')) {
			if (n == max_words)
				return mistake("unexpected argument", argv[i]);
			words[n++] = argv[i];
			continue;
		}
		if ((o = find(options, argv[i], &value)) == NULL)
			return mistake("unknown option", argv[i]);
		if (o->flag != NULL && value != NULL)
			return mistake("no value belongs to option", argv[i]);
		if (o->flag != NULL) {
			*o->flag = 1;
			continue;
		}
		if (value == NULL && ++i == argc)
			return mistake("a value is missing after option", argv[i - 1]);
		*o->value = value != NULL ? value : argv[i];
	}
	return 0;
}

static struct config *
load(const char *path, struct bl_conf_sources *sources, int *exit_code)
{
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct config *c;
	const int rc = config_load_from(&c, path, sources, &errors, &err);

	for (size_t i = 0; i < errors.n_kept; i++)
		(void)fprintf(stderr, "%s\n", errors.line[i]);
	if (errors.n > errors.n_kept)
		(void)fprintf(stderr, "%s: and %zu more\n", path, errors.n - errors.n_kept);
	if (rc < 0)
		(void)fprintf(stderr, "branchline-agent: %s\n", err.msg);
	if (rc == BL_ENOTFOUND)
		(void)fprintf(stderr, "  `branchline-agent setup FILE` writes it; --config FILE "
				      "names another one\n");
	bl_conf_errors_free(&errors);
	/* A file that is missing or unreadable is a configuration error, too: a restart is in vain.
	 */
	*exit_code = rc == BL_OK ? 0 : rc == BL_ENOMEM ? 1 : CONFIG_EXIT_REFUSED;
	return rc == BL_OK ? c : NULL;
}

struct config *
cmd_config(const char *path, int *exit_code)
{
	return load(path, NULL, exit_code);
}

int
cmd_state_dir(const char *config_path, const char **dir, struct config **c)
{
	int code = 0;

	*c = NULL;
	if (*dir != NULL)
		return 0;
	if ((*c = cmd_config(config_path, &code)) == NULL) {
		(void)fprintf(stderr, "  --state DIR asks the agent without its configuration\n");
		return code;
	}
	*dir = (*c)->v->state_dir;
	return 0;
}

static int
read_config_option(int argc, char **argv, const char **path, const char *help)
{
	const struct cmd_option options[] = { { "--config", path, NULL }, { NULL, NULL, NULL } };

	*path = CONFIG_FILE_DEFAULT;
	return cmd_options_read(argc, argv, options, path, 1, help);
}

int
cmd_check_config(int argc, char **argv)
{
	const char *path;
	struct config *c;
	unsigned lacks;
	int code = read_config_option(argc, argv, &path,
	    "usage: branchline-agent check-config [--config FILE]\n\n"
	    "Reads the configuration and prints every error with file, line, column, what was\n"
	    "expected and what stands there; those of included files, too. Where there is none, "
	    "it\n"
	    "warns of what the configuration names and this machine lacks (groups, folders, "
	    "files),\n"
	    "and says what comes of it; for root as the service's user would find it.\n\n"
	    "Exit code 0: it is good, whatever was warned of; 78: it is not.\n");

	if (code != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if ((c = cmd_config(path, &code)) == NULL)
		return code;
	lacks = check_machine(c);
	(void)printf("%s: good (device %s, site %s, %zu probes)", path, c->v->device.id,
	    c->v->device.site, c->v->probes.n);
	if (lacks > 0)
		(void)printf(", with %u warning%s", lacks, lacks == 1 ? "" : "s");
	(void)printf("\n");
	config_free(c);
	return 0;
}

int
cmd_print_config(int argc, char **argv)
{
	static const char help[] =
	    "usage: branchline-agent print-config [--config FILE] [--plain] [--secrets]\n\n"
	    "Prints the configuration in force as YAML, with every default and with file names\n"
	    "made absolute, and behind each value where it comes from: a file with its line, or\n"
	    "\"default\". What it prints can be read back.\n\n"
	    "  --plain      without where values come from\n"
	    "  --secrets    with the texts that may hold secrets (headers, bodies and queries of\n"
	    "               probes), which are *** otherwise\n";
	const char *path = CONFIG_FILE_DEFAULT;
	int plain = 0, secrets = 0, code;
	const struct cmd_option options[] = { { "--config", &path, NULL },
		{ "--plain", NULL, &plain }, { "--secrets", NULL, &secrets },
		{ NULL, NULL, NULL } };
	struct bl_conf_sources sources = { 0 };
	struct config *c;

	if ((code = cmd_options_read(argc, argv, options, &path, 1, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if ((c = load(path, &sources, &code)) != NULL)
		code = config_print_for_people(c, plain ? NULL : &sources, secrets != 0, stdout) ==
			       BL_OK
			   ? 0
			   : 1;
	bl_conf_sources_free(&sources);
	config_free(c);
	return code;
}

int
cmd_options(int argc, char **argv)
{
	static const struct cmd_option none[] = { { NULL, NULL, NULL } };
	const int code = cmd_options_read(argc, argv, none, NULL, 0,
	    "usage: branchline-agent options\n\n"
	    "Prints every key of the configuration with its meaning, bounds and default.\n");

	if (code != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	return config_print_options(stdout) == BL_OK ? 0 : 1;
}
