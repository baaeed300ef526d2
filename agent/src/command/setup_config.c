/* The agent.yaml that `setup` writes: short, with what the set-up file says and no more. */
#include "setup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
quoted(FILE *f, const char *key, const char *text)
{
	(void)fprintf(f, "%s: \"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', f);
		(void)fputc(*text, f);
	}
	(void)fputs("\"\n", f);
}

/* key: with a newline before and a colon behind it. */
static bool
says(const char *fragment, const char *key)
{
	return fragment != NULL &&
	       (strncmp(fragment, key + 1, strlen(key + 1)) == 0 || strstr(fragment, key) != NULL);
}

static void
print_way(FILE *f, const struct config_broker *b)
{
	if (b->transport == CONFIG_WEBSOCKET) {
		(void)fprintf(f, "  transport: %s\n", config_transports[b->transport]);
		quoted(f, "  path", b->path);
	}
	if (b->proxy.url == NULL)
		return;
	(void)fputs("  proxy:\n", f);
	quoted(f, "    url", b->proxy.url);
	if (b->proxy.user != NULL)
		quoted(f, "    user", b->proxy.user);
	if (b->proxy.password_file != NULL)
		quoted(f, "    password_file", b->proxy.password_file);
}

char *
setup_config(const struct file *in, const char *dir)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	(void)fputs("# Written by `branchline-agent setup`. `branchline-agent options` lists what "
		    "can be set here.\n",
	    f);
	/* What lies there stays when a later set-up writes this file anew. */
	if (!says(in->agent, "\ninclude:"))
		(void)fputs("include: conf.d/*.yaml\n", f);
	(void)fputs("\ndevice:\n", f);
	quoted(f, "  id", in->device);
	quoted(f, "  site", in->site);
	(void)fprintf(f, "  part: %" PRId64 "\n\nbroker:\n", in->part);
	quoted(f, "  host", in->broker.host);
	(void)fprintf(f, "  port: %" PRId64 "\n", in->broker.port);
	if (in->broker.verify_name != NULL)
		quoted(f, "  verify_name", in->broker.verify_name);
	print_way(f, &in->broker);
	(void)fputs("  ca: ca.pem\n  certificate: certificate.pem\n  key: key.pem\n", f);
	if (in->crl != NULL)
		(void)fputs("  crl: crl.pem\n", f);
	if (strcmp(dir, "/etc/branchline-agent") != 0 && !says(in->agent, "\nstate_dir:"))
		(void)fputs("\nstate_dir: state\n", f);
	if (in->agent != NULL)
		(void)fprintf(f, "\n%s\n", in->agent);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
