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
	{ .name = "organisation",
	    .type = BL_CONF_STR,
	    .offset = FIELD(organisation),
	    .min = 1,
	    .max = 64,
	    .help = "name of the organisation, as it stands in certificates" },
	{ .name = "listen",
	    .type = BL_CONF_STR,
	    .dflt = "127.0.0.1",
	    .offset = FIELD(listen),
	    .min = 1,
	    .max = 63,
	    .help = "address on which broker and board listen" },
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .dflt = "127.0.0.1",
	    .offset = FIELD(host),
	    .min = 1,
	    .max = 253,
	    .help = "host name or address by which devices find the broker" },
	{ .name = "broker_port",
	    .type = BL_CONF_INT,
	    .dflt = "8883",
	    .offset = FIELD(broker_port),
	    .min = 1,
	    .max = 65535,
	    .help = "TLS port of the broker" },
	{ .name = "websocket_port",
	    .type = BL_CONF_INT,
	    .dflt = "0",
	    .offset = FIELD(websocket_port),
	    .max = 65535,
	    .help = "TLS port of the broker for MQTT over WebSocket; 0: none" },
	{ .name = "board_port",
	    .type = BL_CONF_INT,
	    .dflt = "8443",
	    .offset = FIELD(board_port),
	    .min = 1,
	    .max = 65535,
	    .help = "HTTPS port of the board" },
	{ .name = "zone",
	    .type = BL_CONF_STR,
	    .dflt = "UTC",
	    .offset = FIELD(zone),
	    .min = 1,
	    .max = 63,
	    .help = "IANA time zone of new sites" },
	{ .name = "web_root",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(web_root),
	    .help = "folder of the built web app" },
	{ .name = "board_url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(board_url),
	    .max = 511,
	    .help = "address of the board in messages; absent: made from host and port",
	    .check = check_plain },
	{ .name = "mail_host",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(mail_host),
	    .max = 253,
	    .help = "mail server that e-mails are handed to; absent: they wait",
	    .check = check_plain },
	{ .name = "mail_port",
	    .type = BL_CONF_INT,
	    .dflt = "587",
	    .offset = FIELD(mail_port),
	    .min = 1,
	    .max = 65535,
	    .help = "its port" },
	{ .name = "mail_security",
	    .type = BL_CONF_ENUM,
	    .dflt = "starttls",
	    .offset = FIELD(mail_security),
	    .help = "plain only for a server on this machine",
	    .choices = org_mail_securities },
	{ .name = "mail_from",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(mail_from),
	    .max = 254,
	    .help = "sender's address",
	    .check = check_plain },
	{ .name = "mail_user",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(mail_user),
	    .max = 254,
	    .help = "to sign in with; absent: without signing in",
	    .check = check_plain },
	{ .name = "mail_password_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = FIELD(mail_password_file),
	    .max = ORG_PATH_MAX - 1,
	    .help = "file with the password alone, readable by the collector only" },
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
		return "mail_host needs the sender's address: mail_from (--mail-from)";
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
