/* An organisation's folder and settings; see the header. */
#include "org.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/conf.h"

#include "files.h"

/* What branchline.yaml may say; the struct that bl_conf fills. */
struct org_conf {
	char *organisation;
	char *listen;
	char *host;
	int64_t broker_port;
	int64_t websocket_port;
	int64_t board_port;
	char *zone;
	char *web_root;
	char *board_url;
	char *mail_host;
	int64_t mail_port;
	int mail_security;
	char *mail_from;
	char *mail_user;
	char *mail_password_file;
};

const char *const org_mail_securities[] = { "starttls", "tls", "plain", NULL };

bool
org_plain_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f)
			return false;
	return true;
}

static const char *
check_plain(const void *value)
{
	return org_plain_text(*(char *const *)value) ? NULL : "text without blanks";
}

#define FIELD(name) offsetof(struct org_conf, name)

static const struct bl_conf_key org_keys[] = {
	{ "organisation", BL_CONF_STR, NULL, FIELD(organisation), 1, 64,
	    "name of the organisation, as it stands in certificates", NULL, NULL, NULL },
	{ "listen", BL_CONF_STR, "127.0.0.1", FIELD(listen), 1, 63,
	    "address on which broker and board listen", NULL, NULL, NULL },
	{ "host", BL_CONF_STR, "127.0.0.1", FIELD(host), 1, 253,
	    "host name or address by which devices find the broker", NULL, NULL, NULL },
	{ "broker_port", BL_CONF_INT, "8883", FIELD(broker_port), 1, 65535,
	    "TLS port of the broker", NULL, NULL, NULL },
	{ "websocket_port", BL_CONF_INT, "0", FIELD(websocket_port), 0, 65535,
	    "TLS port of the broker for MQTT over WebSocket; 0: none", NULL, NULL, NULL },
	{ "board_port", BL_CONF_INT, "8443", FIELD(board_port), 1, 65535, "HTTPS port of the board",
	    NULL, NULL, NULL },
	{ "zone", BL_CONF_STR, "UTC", FIELD(zone), 1, 63, "IANA time zone of new sites", NULL, NULL,
	    NULL },
	{ "web_root", BL_CONF_STR, "", FIELD(web_root), 0, 0, "folder of the built web app", NULL,
	    NULL, NULL },
	{ "board_url", BL_CONF_STR, "", FIELD(board_url), 0, 511,
	    "address of the board in messages; absent: made from host and port", NULL, NULL,
	    check_plain },
	{ "mail_host", BL_CONF_STR, "", FIELD(mail_host), 0, 253,
	    "mail server that e-mails are handed to; absent: they wait", NULL, NULL, check_plain },
	{ "mail_port", BL_CONF_INT, "587", FIELD(mail_port), 1, 65535, "its port", NULL, NULL,
	    NULL },
	{ "mail_security", BL_CONF_ENUM, "starttls", FIELD(mail_security), 0, 0,
	    "plain only for a server on this machine", org_mail_securities, NULL, NULL },
	{ "mail_from", BL_CONF_STR, "", FIELD(mail_from), 0, 254, "sender's address", NULL, NULL,
	    check_plain },
	{ "mail_user", BL_CONF_STR, "", FIELD(mail_user), 0, 254,
	    "to sign in with; absent: without signing in", NULL, NULL, check_plain },
	{ "mail_password_file", BL_CONF_STR, "", FIELD(mail_password_file), 0, ORG_PATH_MAX - 1,
	    "file with the password alone, readable by the collector only", NULL, NULL, NULL },
	{ 0 },
};

static const struct bl_conf_section org_section = {
	.name = "branchline", .size = sizeof(struct org_conf), .keys = org_keys
};

static int
default_dir(char out[ORG_PATH_MAX], struct bl_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (geteuid() == 0)
		n = snprintf(out, ORG_PATH_MAX, "/var/lib/branchline");
	else if (state != NULL && state[0] == '/')
		n = snprintf(out, ORG_PATH_MAX, "%s/branchline", state);
	else if (home != NULL && home[0] == '/')
		n = snprintf(out, ORG_PATH_MAX, "%s/.local/state/branchline", home);
	else
		return bl_fail(
		    err, BL_EINVAL, "no state folder: give --state DIR (HOME is not set)");
	return n > ORG_MAX_DIR ? bl_fail(err, BL_EINVAL, "state folder: path too long") : BL_OK;
}

int
org_dir(const char *dir, char out[ORG_PATH_MAX], struct bl_err *err)
{
	char cwd[ORG_PATH_MAX] = "";
	size_t len;

	if (dir == NULL)
		dir = getenv("BRANCHLINE_STATE");
	if (dir == NULL || dir[0] == '\0')
		return default_dir(out, err);
	if (dir[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return bl_fail_errno(err, BL_EIO, "find the current folder");
	if (dir[0] == '/')
		len = (size_t)snprintf(out, ORG_PATH_MAX, "%s", dir);
	else
		len = (size_t)snprintf(out, ORG_PATH_MAX, "%s/%s", cwd, dir);
	if (len > ORG_MAX_DIR)
		return bl_fail(err, BL_EINVAL, "state folder: path over %d bytes", ORG_MAX_DIR);
	while (len > 1 && out[len - 1] == '/')
		out[--len] = '\0';
	return BL_OK;
}

void
org_path(const struct org *o, const char *relative, char out[ORG_PATH_MAX])
{
	(void)snprintf(out, ORG_PATH_MAX, "%s/%s", o->dir, relative);
}

static void
copy(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text != NULL ? text : "");
}

static void
take_conf(struct org *o, const struct org_conf *c)
{
	(void)snprintf(o->name, sizeof(o->name), "%s", c->organisation);
	(void)snprintf(o->listen, sizeof(o->listen), "%s", c->listen);
	(void)snprintf(o->host, sizeof(o->host), "%s", c->host);
	(void)snprintf(o->zone, sizeof(o->zone), "%s", c->zone);
	copy(o->web_root, sizeof(o->web_root), c->web_root);
	copy(o->board_url, sizeof(o->board_url), c->board_url);
	copy(o->mail_host, sizeof(o->mail_host), c->mail_host);
	copy(o->mail_from, sizeof(o->mail_from), c->mail_from);
	copy(o->mail_user, sizeof(o->mail_user), c->mail_user);
	copy(o->mail_password_file, sizeof(o->mail_password_file), c->mail_password_file);
	o->mail_port = c->mail_port;
	o->mail_security = c->mail_security;
	o->broker_port = c->broker_port;
	o->websocket_port = c->websocket_port;
	o->board_port = c->board_port;
}

int
org_load(struct org *o, const char *dir, struct bl_err *err)
{
	struct bl_conf_errors errors = { 0 };
	struct org_conf conf = { 0 };
	char path[ORG_PATH_MAX];
	int rc;

	memset(o, 0, sizeof(*o));
	if ((rc = org_dir(dir, o->dir, err)) < 0)
		return rc;
	org_path(o, "branchline.yaml", path);
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return bl_fail(err, BL_ENOTFOUND,
		    "%s: no organisation here yet; `branchline init` makes one, --state names "
		    "another "
		    "folder",
		    o->dir);
	rc = bl_conf_load(path, &org_section, &conf, &errors, err);
	for (size_t i = 0; i < errors.n_kept; i++)
		(void)fprintf(stderr, "%s\n", errors.line[i]);
	bl_conf_errors_free(&errors);
	if (rc < 0)
		return rc;
	take_conf(o, &conf);
	bl_conf_release(&org_section, &conf);
	return BL_OK;
}

int
org_save(const struct org *o, struct bl_err *err)
{
	/* Cast away const: bl_conf only reads what it prints. */
	const struct org_conf conf = { .organisation = (char *)o->name,
		.listen = (char *)o->listen,
		.host = (char *)o->host,
		.broker_port = o->broker_port,
		.websocket_port = o->websocket_port,
		.board_port = o->board_port,
		.zone = (char *)o->zone,
		.web_root = (char *)o->web_root,
		.board_url = (char *)o->board_url,
		.mail_host = (char *)o->mail_host,
		.mail_port = o->mail_port,
		.mail_security = o->mail_security,
		.mail_from = (char *)o->mail_from,
		.mail_user = (char *)o->mail_user,
		.mail_password_file = (char *)o->mail_password_file };
	char path[ORG_PATH_MAX], *text = NULL;
	size_t len = 0;
	FILE *f;
	int rc;

	if ((f = open_memstream(&text, &len)) == NULL)
		return bl_fail_errno(err, BL_ENOMEM, "write branchline.yaml");
	rc = bl_conf_print(&org_section, &conf, f);
	if (fclose(f) != 0 || rc < 0) {
		free(text);
		return bl_fail(err, BL_ENOMEM, "write branchline.yaml: out of memory");
	}
	org_path(o, "branchline.yaml", path);
	rc = files_write(path, text, len, 0644, err);
	free(text);
	return rc;
}

const char *
org_local_host(const struct org *o)
{
	if (strcmp(o->listen, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(o->listen, "::") == 0 ? "::1" : o->listen;
}

const char *
org_mail_fault(const struct org *o)
{
	if (o->mail_host[0] != '\0' && o->mail_from[0] == '\0')
		return "mail_host needs the sender's address: mail_from";
	if ((o->mail_user[0] == '\0') != (o->mail_password_file[0] == '\0'))
		return "mail_user and mail_password_file belong together: give both or none";
	return NULL;
}

void
org_board_url(const struct org *o, char *out, size_t size)
{
	const char *name = o->host;
	const bool loopback = strncmp(name, "127.", 4) == 0 || strcmp(name, "::1") == 0;
	const bool v6 = !loopback && strchr(name, ':') != NULL;

	if (o->board_url[0] != '\0')
		(void)snprintf(out, size, "%s", o->board_url);
	else
		(void)snprintf(out, size, "https://%s%s%s:%d", v6 ? "[" : "",
		    loopback ? "localhost" : name, v6 ? "]" : "", (int)o->board_port);
}
