/* The set-up file of a device; see the header.  It holds a private key. */
#include "setup_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/platform_util.h>

#include "ca.h"
#include "files.h"

/* A literal block: every line of the PEM text indented by two. */
static void
block(FILE *f, const char *key, const struct bl_buf *pem)
{
	bool line_start = true;

	(void)fprintf(f, "%s: |\n", key);
	for (size_t i = 0; i < pem->len; i++) {
		if (line_start)
			(void)fputs("  ", f);
		(void)fputc(pem->data[i], f);
		line_start = pem->data[i] == '\n';
	}
	if (!line_start)
		(void)fputc('\n', f);
}

int
setup_file_write(
    const struct org *o, const struct setup_file *s, const char *path, struct bl_err *err)
{
	char ca_path[ORG_PATH_MAX], *text = NULL;
	struct bl_buf ca;
	size_t len = 0;
	FILE *f;
	int rc;

	bl_buf_init(&ca, CA_PEM_MAX);
	org_path(o, "ca/ca.pem", ca_path);
	if ((rc = files_read(ca_path, &ca, err)) < 0)
		goto out;
	if ((f = open_memstream(&text, &len)) == NULL) {
		rc = bl_fail_errno(err, BL_ENOMEM, "write %s", path);
		goto out;
	}
	(void)fprintf(f,
	    "# The identity of one device, with its private key: hand it to that machine only,\n"
	    "# run `branchline-agent setup FILE` there, then delete it.\n"
	    "version: 1\ndevice: \"%s\"\nsite: \"%s\"\npart: %" PRId64 "\n"
	    "broker:\n  host: \"%s\"\n  port: %" PRId64 "\n  verify_name: \"%s\"\n",
	    s->device, s->site, s->part, o->host, s->websocket ? o->websocket_port : o->broker_port,
	    ORG_BROKER_NAME);
	if (s->websocket)
		(void)fprintf(f, "  transport: websocket\n");
	if (s->proxy != NULL)
		(void)fprintf(f, "  proxy:\n    url: \"%s\"\n", s->proxy);
	if (s->proxy != NULL && s->proxy_user != NULL)
		(void)fprintf(
		    f, "    user: \"%s\"\n    password_file: proxy-password\n", s->proxy_user);
	block(f, "ca", &ca);
	block(f, "certificate", s->cert_pem);
	block(f, "key", s->key_pem);
	if (fclose(f) != 0) {
		rc = bl_fail(err, BL_ENOMEM, "write %s: out of memory", path);
		goto out;
	}
	rc = files_write(path, text, len, 0600, err);
out:
	if (text != NULL)
		mbedtls_platform_zeroize(text, len);
	free(text);
	bl_buf_free(&ca);
	return rc;
}
