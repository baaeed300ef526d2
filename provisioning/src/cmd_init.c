/*
 * branchline init: brings a state folder to what the settings say.  Keys that
 * exist stay; certificates are renewed when their names change or their end is
 * near; configuration files are written anew each time.  Run it again to
 * change an address or a port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ca.h"
#include "commands.h"
#include "files.h"
#include "org.h"
#include "render.h"

#define SERVER_DAYS 397 /* browsers refuse servers' certificates of longer life */

struct init_args {
	const char *state, *organisation, *listen, *host, *zone, *web_root;
	const char *board_url, *mail_host, *mail_security, *mail_from, *mail_user,
	    *mail_password_file;
	long port, broker_port, websocket_port, mail_port; /* 0: not given; -1: taken back */
};

static bool
numeric_address(const char *s)
{
	unsigned char a[16];

	return inet_pton(AF_INET, s, a) == 1 || inet_pton(AF_INET6, s, a) == 1;
}

/* That an address can be bound here; port 0 disturbs nobody. */
static bool
address_is_ours(const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found = NULL;
	bool ours = true;
	int fd;

	if (getaddrinfo(address, "0", &hints, &found) != 0)
		return false;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Any other error will be named by whoever listens there. */
	if (fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) != 0)
		ours = errno != EADDRNOTAVAIL;
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(found);
	return ours;
}

/* Names and addresses as they may stand in configuration files and certificates. */
static bool
host_is_plain(const char *s)
{
	return s[0] != '\0' && s[0] != '-' && strlen(s) <= 253 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-") ==
		   strlen(s);
}

static bool
wildcard(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static bool
zone_exists(const char *zone)
{
	char path[512];

	if (zone[0] == '/' || strstr(zone, "..") != NULL)
		return false;
	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	return files_exists(path);
}

/* This machine's zone: TZ, /etc/timezone, the target of /etc/localtime; else UTC. */
static void
system_zone(char *out, size_t size)
{
	static const char marker[] = "/zoneinfo/";
	char link[512] = "", *at;
	const char *tz = getenv("TZ");
	struct bl_buf b;
	ssize_t n;

	(void)snprintf(out, size, "UTC");
	if (tz != NULL && tz[0] != '\0' && zone_exists(tz)) {
		(void)snprintf(out, size, "%s", tz);
		return;
	}
	bl_buf_init(&b, 256);
	if (files_read("/etc/timezone", &b, NULL) == BL_OK && b.len > 1) {
		(void)snprintf(link, sizeof(link), "%.*s", (int)b.len, (const char *)b.data);
		link[strcspn(link, "\n")] = '\0';
		if (zone_exists(link))
			(void)snprintf(out, size, "%.60s", link);
	} else if ((n = readlink("/etc/localtime", link, sizeof(link) - 1)) > 0) {
		link[n] = '\0';
		if ((at = strstr(link, marker)) != NULL && zone_exists(at + strlen(marker)))
			(void)snprintf(out, size, "%.60s", at + strlen(marker));
	}
	bl_buf_free(&b);
}

/* The web app as `cmake --install` put it, beside the bin folder that this program lies in. */
static void
installed_web_app(char *out, size_t size)
{
	static const char app[] = "/share/branchline/web";
	char exe[512], index[600];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	out[0] = '\0';
	for (int up = 0; up < 2 && n > 0; up++) {
		while (n > 0 && exe[n - 1] != '/')
			n--;
		n--;
	}
	if (n < 0)
		return;
	exe[n] = '\0';
	(void)snprintf(index, sizeof(index), "%s%s/index.html", exe, app);
	if (files_exists(index) && strlen(exe) + sizeof(app) <= size)
		(void)snprintf(out, size, "%s%s", exe, app);
}

static int
parse_port(const char *text, long *out)
{
	char *end;

	*out = strtol(text, &end, 10);
	return *text != '\0' && *end == '\0' && *out >= 1 && *out <= 65535;
}

/* NULL: as it is; "" takes the setting back. */
static int
settle_text(char *out, size_t size, const char *option, const char *value, struct bl_err *err)
{
	if (value == NULL)
		return BL_OK;
	if (strlen(value) >= size || !org_plain_text(value))
		return bl_fail(err, BL_EINVAL,
		    "%s: expected at most %zu bytes without blanks, got \"%.60s\"", option,
		    size - 1, value);
	(void)snprintf(out, size, "%s", value);
	return BL_OK;
}

static int
settle_password_file(struct org *o, const char *path, struct bl_err *err)
{
	char *whole;

	o->mail_password_file[0] = '\0';
	if (path[0] == '\0')
		return BL_OK;
	if ((whole = realpath(path, NULL)) == NULL)
		return bl_fail_errno(err, BL_EINVAL, "--mail-password-file %.200s", path);
	if (strlen(whole) < sizeof(o->mail_password_file))
		(void)snprintf(o->mail_password_file, sizeof(o->mail_password_file), "%s", whole);
	free(whole);
	return o->mail_password_file[0] != '\0'
		   ? BL_OK
		   : bl_fail(err, BL_EINVAL, "--mail-password-file: path too long");
}

static int
settle_security(struct org *o, const char *word, struct bl_err *err)
{
	for (int i = 0; org_mail_securities[i] != NULL; i++) {
		if (strcmp(word, org_mail_securities[i]) != 0)
			continue;
		o->mail_security = i;
		return BL_OK;
	}
	return bl_fail(err, BL_EINVAL,
	    "--mail-security: expected starttls, tls or plain, got \"%.20s\"", word);
}

static bool
web_address(const char *url)
{
	return url[0] == '\0' || strncmp(url, "https://", 8) == 0 ||
	       strncmp(url, "http://", 7) == 0;
}

/* What messages need: the mail server, and the board's address for their links. */
static int
settle_messages(struct org *o, const struct init_args *a, struct bl_err *err)
{
	const char *fault;
	int rc;

	if (a->board_url != NULL && !web_address(a->board_url))
		return bl_fail(err, BL_EINVAL,
		    "--board-url: expected an address such as https://board.example:8443, got "
		    "\"%.60s\"",
		    a->board_url);
	if (a->mail_host != NULL && a->mail_host[0] != '\0' && !host_is_plain(a->mail_host))
		return bl_fail(err, BL_EINVAL,
		    "--mail-host: expected a host name or an address, got \"%.60s\"", a->mail_host);
	if ((rc = settle_text(
		 o->board_url, sizeof(o->board_url), "--board-url", a->board_url, err)) < 0 ||
	    (rc = settle_text(
		 o->mail_host, sizeof(o->mail_host), "--mail-host", a->mail_host, err)) < 0 ||
	    (rc = settle_text(
		 o->mail_from, sizeof(o->mail_from), "--mail-from", a->mail_from, err)) < 0 ||
	    (rc = settle_text(
		 o->mail_user, sizeof(o->mail_user), "--mail-user", a->mail_user, err)) < 0)
		return rc;
	if (a->mail_port != 0)
		o->mail_port = a->mail_port;
	if (a->mail_security != NULL && (rc = settle_security(o, a->mail_security, err)) < 0)
		return rc;
	if (a->mail_password_file != NULL &&
	    (rc = settle_password_file(o, a->mail_password_file, err)) < 0)
		return rc;
	if ((fault = org_mail_fault(o)) != NULL)
		return bl_fail(err, BL_EINVAL, "%s", fault);
	return BL_OK;
}

/* Takes what the command line says; the rest stays as it was, or becomes the default. */
static int
settle(struct org *o, const struct init_args *a, bool exists, struct bl_err *err)
{
	char hostname[254] = "localhost";

	if (a->organisation != NULL && exists && strcmp(a->organisation, o->name) != 0)
		return bl_fail(err, BL_EEXIST,
		    "%s holds the organisation \"%s\" already; another one needs another --state "
		    "DIR",
		    o->dir, o->name);
	if (!exists) {
		(void)snprintf(o->name, sizeof(o->name), "%s",
		    a->organisation != NULL ? a->organisation : "Branchline");
		(void)snprintf(o->listen, sizeof(o->listen), "127.0.0.1");
		system_zone(o->zone, sizeof(o->zone));
		installed_web_app(o->web_root, sizeof(o->web_root));
		o->broker_port = 8883;
		o->board_port = 8443;
		o->mail_port = 587;
	}
	if (a->listen != NULL) {
		if (!numeric_address(a->listen) || !address_is_ours(a->listen))
			return bl_fail(err, BL_EINVAL,
			    "--listen: expected an IPv4 or IPv6 address of this machine, got "
			    "\"%.60s\"",
			    a->listen);
		(void)snprintf(o->listen, sizeof(o->listen), "%s", a->listen);
	}
	if (a->zone != NULL) {
		if (!zone_exists(a->zone))
			return bl_fail(err, BL_EINVAL,
			    "--zone: expected an IANA time zone such as Asia/Shanghai, got "
			    "\"%.60s\"",
			    a->zone);
		(void)snprintf(o->zone, sizeof(o->zone), "%s", a->zone);
	}
	if (gethostname(hostname, sizeof(hostname) - 1) != 0)
		(void)snprintf(hostname, sizeof(hostname), "localhost");
	if (a->host != NULL && !host_is_plain(a->host))
		return bl_fail(err, BL_EINVAL,
		    "--host: expected a host name or an address, got \"%.60s\"", a->host);
	if (a->host != NULL)
		(void)snprintf(o->host, sizeof(o->host), "%s", a->host);
	else if (a->listen != NULL || !exists)
		(void)snprintf(
		    o->host, sizeof(o->host), "%s", wildcard(o->listen) ? hostname : o->listen);
	if (a->port != 0)
		o->board_port = a->port;
	if (a->broker_port != 0)
		o->broker_port = a->broker_port;
	if (a->websocket_port != 0)
		o->websocket_port = a->websocket_port < 0 ? 0 : a->websocket_port;
	if (a->web_root != NULL && (size_t)snprintf(o->web_root, sizeof(o->web_root), "%s",
				       a->web_root) >= sizeof(o->web_root))
		return bl_fail(err, BL_EINVAL, "--web-root: path too long");
	if (o->broker_port == o->board_port)
		return bl_fail(
		    err, BL_EINVAL, "broker and board cannot share port %d", (int)o->board_port);
	if (o->websocket_port == o->board_port || o->websocket_port == o->broker_port)
		return bl_fail(err, BL_EINVAL,
		    "the WebSocket listener needs a port of its own, not %d of %s",
		    (int)o->websocket_port,
		    o->websocket_port == o->board_port ? "the board" : "the broker");
	return settle_messages(o, a, err);
}

static int
make_folders(const struct org *o, struct bl_err *err)
{
	static const char *const folders[] = { "ca", "broker", "collector", "devices" };
	char path[ORG_PATH_MAX];
	int rc;

	if ((rc = files_mkdir(o->dir, 0755, err)) < 0)
		return rc;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		org_path(o, folders[i], path);
		if ((rc = files_mkdir(path, 0700, err)) < 0)
			return rc;
	}
	return BL_OK;
}

static int
make_certificates(const struct org *o, struct bl_err *err)
{
	struct bl_pki_request live = { .name = { .common_name = "collector-live" } };
	struct bl_pki_request past = { .name = { .common_name = "collector-past" } };
	struct bl_pki_request server = { .name = { .common_name = ORG_BROKER_NAME },
		.server = true,
		.dns = { ORG_BROKER_NAME, "localhost" },
		.ip = { "127.0.0.1", "::1" } };
	struct bl_pki_request web = { .name = { .common_name = "branchline-board" },
		.server = true,
		.dns = { "localhost" },
		.ip = { "127.0.0.1", "::1" } };
	char hostname[254] = "";
	int rc;

	if (gethostname(hostname, sizeof(hostname) - 1) == 0 && hostname[0] != '\0' &&
	    strcmp(hostname, "localhost") != 0) {
		server.dns[2] = hostname;
		web.dns[1] = hostname;
	}
	if (!wildcard(o->listen) && strcmp(o->listen, "127.0.0.1") != 0 &&
	    strcmp(o->listen, "::1") != 0)
		server.ip[2] = web.ip[2] = o->listen;
	else if (numeric_address(o->host) && strcmp(o->host, "127.0.0.1") != 0 &&
		 strcmp(o->host, "::1") != 0)
		server.ip[2] = web.ip[2] = o->host;
	if (!numeric_address(o->host) && strcmp(o->host, hostname) != 0)
		server.dns[3 - (server.dns[2] == NULL)] = web.dns[2 - (web.dns[1] == NULL)] =
		    o->host;
	if ((rc = ca_ensure(o, "broker", "server", &server, SERVER_DAYS, err)) < 0 ||
	    (rc = ca_ensure(o, "collector", "web", &web, SERVER_DAYS, err)) < 0 ||
	    (rc = ca_ensure(o, "collector", "live", &live, SERVER_DAYS, err)) < 0)
		return rc;
	return ca_ensure(o, "collector", "past", &past, SERVER_DAYS, err);
}

static int
init(const struct init_args *a, struct org *o, bool *made, struct bl_err *err)
{
	int rc = org_load(o, a->state, err);
	bool exists = rc == BL_OK;

	*made = false;
	if (rc < 0 && rc != BL_ENOTFOUND)
		return rc;
	if ((rc = settle(o, a, exists, err)) < 0 || (rc = make_folders(o, err)) < 0 ||
	    (rc = ca_init(o, made, err)) < 0 || (rc = make_certificates(o, err)) < 0 ||
	    (rc = render_broker(o, err)) < 0 || (rc = render_collector(o, err)) < 0)
		return rc;
	/* Last: its presence says that everything before is in place. */
	return org_save(o, err);
}

/* quickstart does all of it by itself. */
static void
print_next(const struct org *o)
{
	(void)printf(
	    "\nnext:\n"
	    "  mosquitto -c %s/broker/mosquitto.conf   starts the broker\n"
	    "  branchline-collector run --config %s/collector/collector.yaml   starts the "
	    "collector\n"
	    "  branchline user add NAME --role administrator --state %s   makes who may sign "
	    "in\n"
	    "  branchline site add NAME --state %s   then `branchline device add`\n",
	    o->dir, o->dir, o->dir, o->dir);
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct init_args a = { 0 };
	const struct {
		const char *name;
		const char **text; /* where it goes, or */
		long *port;
	} known[] = {
		{ "state", &a.state, NULL },
		{ "organisation", &a.organisation, NULL },
		{ "listen", &a.listen, NULL },
		{ "host", &a.host, NULL },
		{ "port", NULL, &a.port },
		{ "broker-port", NULL, &a.broker_port },
		{ "websocket-port", NULL, &a.websocket_port },
		{ "zone", &a.zone, NULL },
		{ "web-root", &a.web_root, NULL },
		{ "board-url", &a.board_url, NULL },
		{ "mail-host", &a.mail_host, NULL },
		{ "mail-port", NULL, &a.mail_port },
		{ "mail-security", &a.mail_security, NULL },
		{ "mail-from", &a.mail_from, NULL },
		{ "mail-user", &a.mail_user, NULL },
		{ "mail-password-file", &a.mail_password_file, NULL },
	};
	struct option options[sizeof(known) / sizeof(known[0]) + 1] = { 0 };
	struct bl_err err = { 0 };
	struct org o;
	bool made;
	int c, i = 0;

	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
		options[k] = (struct option){ known[k].name, required_argument, NULL, 1 };
	while ((c = getopt_long(argc, argv, "", options, &i)) != -1) {
		if (c != 1)
			return 2;
		if (known[i].text != NULL)
			*known[i].text = optarg;
		else if (known[i].port == &a.websocket_port && strcmp(optarg, "0") == 0)
			a.websocket_port = -1;
		else if (!parse_port(optarg, known[i].port))
			return command_usage(
			    self, "expected a port from 1 to 65535, got \"%.20s\"", optarg);
	}
	if (optind != argc)
		return command_usage(self, "unexpected argument \"%.40s\"", argv[optind]);
	if (init(&a, &o, &made, &err) < 0)
		return command_failed(&err);
	(void)printf("%s: organisation \"%s\" %s\n", o.dir, o.name,
	    made
		? "created"
		: "is up to date with its settings; broker and collector take in what changed when "
		  "they are started again");
	if (made)
		print_next(&o);
	return 0;
}

const struct command command_init = {
	.name = "init",
	.summary = "create an organisation, or bring its files in line with new settings",
	.help =
	    "usage: branchline init [OPTION ...]\n\n"
	    "Creates an organisation in the state folder: its certificate authority, the broker's "
	    "and\n"
	    "the collector's certificates and configuration. Run again, it keeps keys and data, "
	    "takes\n"
	    "over the settings given, and renews certificates that are near their end.\n\n"
	    "  --state DIR           the state folder\n"
	    "  --organisation NAME   its name, as it stands in certificates (default: Branchline)\n"
	    "  --listen ADDRESS      where broker and board listen (default: 127.0.0.1)\n"
	    "  --host NAME           how devices find the broker (default: the listen address)\n"
	    "  --port N              HTTPS port of the board (default: 8443)\n"
	    "  --broker-port N       TLS port of the broker (default: 8883)\n"
	    "  --websocket-port N    a second port of the broker, for MQTT over WebSocket where "
	    "only\n"
	    "                        the web is let through; 0 takes it back (default: none)\n"
	    "  --zone ZONE           IANA time zone of new sites (default: this machine's)\n"
	    "  --web-root DIR        the built web app (default: the one installed with this "
	    "program)\n"
	    "  --board-url URL       the board's address in messages (default: made from --host\n"
	    "                        and --port)\n\n"
	    "the mail server that e-mails are handed to; \"\" takes a setting back, and without a\n"
	    "server e-mails wait:\n"
	    "  --mail-host HOST           its name or address\n"
	    "  --mail-port N              its port (default: 587)\n"
	    "  --mail-security WAY        starttls (default), tls, or plain for one on this "
	    "machine\n"
	    "  --mail-from ADDRESS        the sender's address; needed with --mail-host\n"
	    "  --mail-user NAME           to sign in with, together with\n"
	    "  --mail-password-file FILE  the password alone, mode 0600, readable by the "
	    "collector\n",
	.run = run,
};
