/*
 * Mosquitto's and the collector's configuration.  The broker is a lossy pipe:
 * it keeps nothing on disk, and its limits are set so that it drops rather
 * than grows.
 */
#include "render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

static int
save(const struct org *o, const char *relative, FILE *f, char **text, size_t *len, mode_t mode,
    struct bl_err *err)
{
	char path[ORG_PATH_MAX];
	int rc;

	if (fclose(f) != 0) {
		free(*text);
		return bl_fail(err, BL_ENOMEM, "write %s: out of memory", relative);
	}
	org_path(o, relative, path);
	rc = files_write(path, *text, *len, mode, err);
	free(*text);
	return rc;
}

/*
 * The plugin that looks at the CA's list: beside this program as it was built, or
 * as `cmake --install` put it.
 */
static int
find_plugin(char out[ORG_PATH_MAX], struct bl_err *err)
{
	static const char *const places[] = { "../broker", "../" BRANCHLINE_LIBDIR "/branchline" };
	char exe[ORG_PATH_MAX], path[2 * ORG_PATH_MAX], *real;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	while (n > 0 && exe[n - 1] != '/')
		n--;
	for (size_t i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		(void)snprintf(
		    path, sizeof(path), "%.*s%s/branchline-revoked.so", (int)n, exe, places[i]);
		if ((real = realpath(path, NULL)) == NULL)
			continue;
		(void)snprintf(out, ORG_PATH_MAX, "%s", real);
		free(real);
		return BL_OK;
	}
	return bl_fail(err, BL_ENOTFOUND,
	    "a WebSocket listener needs branchline-revoked.so, which is not beside this program: "
	    "`cmake --install` puts it there");
}

/* One list file at least: an empty one until something is revoked. */
static int
ensure_revoked(const struct org *o, struct bl_err *err)
{
	char path[ORG_PATH_MAX];

	org_path(o, "ca/revoked", path);
	return files_exists(path) ? BL_OK : files_write(path, "", 0, 0644, err);
}

static void
print_listener(const struct org *o, int64_t port, FILE *f)
{
	const char *d = o->dir;

	(void)fprintf(f,
	    "\nlistener %" PRId64 " %s\n"
	    "require_certificate true\n"
	    "use_identity_as_username true\n"
	    "use_username_as_clientid true\n"
	    "tls_version tlsv1.2\n"
	    "# The first that both have: a record takes 21 bytes more than what is in it, with GCM "
	    "29.\n"
	    "ciphers ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE+AESGCM\n"
	    "cafile %s/ca/ca.pem\n"
	    "crlfile %s/ca/crl.pem\n"
	    "certfile %s/broker/server.pem\n"
	    "keyfile %s/broker/server.key\n"
	    "max_connections 20000\n",
	    port, o->listen, d, d, d, d);
}

static void
print_broker(const struct org *o, const char *plugin, FILE *f)
{
	const char *d = o->dir;

	(void)fprintf(f,
	    "# Written by `branchline init`; run it again instead of editing.\n"
	    "per_listener_settings false\n"
	    "%s"
	    "pid_file %s/broker/mosquitto.pid\n"
	    "log_dest stderr\n"
	    "log_type error\nlog_type warning\nlog_type notice\n"
	    "connection_messages true\n"
	    "# Nothing is kept: agents and collector offer again whatever is not receipted.\n"
	    "persistence false\n"
	    "allow_anonymous false\n"
	    "acl_file %s/broker/acl\n"
	    "# A batch is at most 256 KiB; the rest is topic and properties.\n"
	    "max_packet_size 270336\n"
	    "max_keepalive 120\n"
	    "max_inflight_messages 20\n"
	    "max_queued_messages 2000\n"
	    "max_queued_bytes 67108864\n"
	    "set_tcp_nodelay true\n",
	    /* Started as root it would become another user, who may not read these keys. */
	    geteuid() == 0 ? "user root\n" : "", d, d);
	if (o->websocket_port != 0)
		(void)fprintf(f,
		    "\n# Mosquitto checks no crlfile for WebSocket; this does, for every listener "
		    "and for\n"
		    "# connections that are open. With a WebSocket listener, never send this "
		    "broker SIGHUP\n"
		    "# (reload): 2.0 frees what the listener goes on using. Restart it instead.\n"
		    "plugin %s\nplugin_opt_revoked %s/ca/revoked\n",
		    plugin, d);
	print_listener(o, o->broker_port, f);
	if (o->websocket_port == 0)
		return;
	print_listener(o, o->websocket_port, f);
	(void)fprintf(f, "protocol websockets\n");
	/* Without it the listener takes every address of this machine, whatever stands above. */
	if (strchr(o->listen, ':') == NULL)
		(void)fprintf(f, "socket_domain ipv4\n");
}

int
render_broker(const struct org *o, struct bl_err *err)
{
	static const char acl[] =
	    "# Written by `branchline init`. A device writes below its own name and reads what is\n"
	    "# addressed to it; %u is the common name of its certificate.\n"
	    "pattern write bl/1/up/+/%u/#\n"
	    "pattern read bl/1/down/%u/#\n"
	    "# A pattern, because plain topics before a user line are for anonymous clients only.\n"
	    "pattern read bl/1/centre\n\n"
	    "user collector-live\n"
	    "topic read bl/1/up/#\n"
	    "topic write bl/1/down/#\n"
	    "topic write bl/1/centre\n"
	    "topic read $SYS/broker/#\n\n"
	    "user collector-past\n"
	    "topic read bl/1/up/#\n";
	char path[ORG_PATH_MAX], plugin[ORG_PATH_MAX] = "", *text = NULL;
	size_t len = 0;
	FILE *f;
	int rc;

	if (o->websocket_port != 0 &&
	    ((rc = find_plugin(plugin, err)) < 0 || (rc = ensure_revoked(o, err)) < 0))
		return rc;
	org_path(o, "broker/acl", path);
	if ((rc = files_write(path, acl, sizeof(acl) - 1, 0600, err)) < 0)
		return rc;
	if ((f = open_memstream(&text, &len)) == NULL)
		return bl_fail_errno(err, BL_ENOMEM, "write mosquitto.conf");
	print_broker(o, plugin, f);
	return save(o, "broker/mosquitto.conf", f, &text, &len, 0600, err);
}

/* A YAML double-quoted scalar. */
static void
quoted(FILE *f, const char *s)
{
	(void)fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			(void)fputc('\\', f);
		(void)fputc(*s, f);
	}
	(void)fputc('"', f);
}

static void
path_line(FILE *f, const struct org *o, const char *key, const char *relative)
{
	char path[ORG_PATH_MAX];

	org_path(o, relative, path);
	(void)fprintf(f, "%s: ", key);
	quoted(f, path);
	(void)fputc('\n', f);
}

static void
text_line(FILE *f, const char *key, const char *value)
{
	if (value[0] == '\0')
		return;
	(void)fprintf(f, "%s: ", key);
	quoted(f, value);
	(void)fputc('\n', f);
}

static void
print_messages(const struct org *o, FILE *f)
{
	char url[sizeof(o->board_url) + 16];

	org_board_url(o, url, sizeof(url));
	text_line(f, "board_url", url);
	if (o->mail_host[0] == '\0')
		return;
	(void)fprintf(f, "mail:\n");
	text_line(f, "  host", o->mail_host);
	(void)fprintf(f, "  port: %" PRId64 "\n  security: %s\n", o->mail_port,
	    org_mail_securities[o->mail_security]);
	text_line(f, "  from", o->mail_from);
	text_line(f, "  user", o->mail_user);
	text_line(f, "  password_file", o->mail_password_file);
}

int
render_collector(const struct org *o, struct bl_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return bl_fail_errno(err, BL_ENOMEM, "write collector.yaml");
	(void)fprintf(f, "# Written by `branchline init`; run it again instead of editing.\n");
	path_line(f, o, "state_dir", "collector");
	(void)fprintf(f, "zone: ");
	quoted(f, o->zone);
	(void)fprintf(f, "\nbroker:\n  host: ");
	quoted(f, org_local_host(o));
	(void)fprintf(
	    f, "\n  port: %" PRId64 "\n  verify_name: %s\n", o->broker_port, ORG_BROKER_NAME);
	path_line(f, o, "  ca", "ca/ca.pem");
	path_line(f, o, "  crl", "ca/crl.pem");
	(void)fprintf(f, "  live:\n");
	path_line(f, o, "    certificate", "collector/live.pem");
	path_line(f, o, "    key", "collector/live.key");
	(void)fprintf(f, "  past:\n");
	path_line(f, o, "    certificate", "collector/past.pem");
	path_line(f, o, "    key", "collector/past.key");
	(void)fprintf(f, "web:\n  listen: ");
	quoted(f, o->listen);
	(void)fprintf(f, "\n  port: %" PRId64 "\n", o->board_port);
	path_line(f, o, "  certificate", "collector/web.pem");
	path_line(f, o, "  key", "collector/web.key");
	path_line(f, o, "  admin_socket", "collector/admin.sock");
	text_line(f, "  root", o->web_root);
	print_messages(o, f);
	return save(o, "collector/collector.yaml", f, &text, &len, 0600, err);
}
