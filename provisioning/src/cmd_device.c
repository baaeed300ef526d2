/*
 * branchline device: an agent's identity.  `add` registers it with the
 * collector, issues its certificate and writes the one file that
 * `branchline-agent setup` takes in on the other machine.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ca.h"
#include "client.h"
#include "cmd_device.h"
#include "commands.h"
#include "files.h"
#include "setup_file.h"

#define DEVICE_DAYS 365 /* longer than the longest absence we promise to survive */

/* A site by id or by name; *site is owned by the caller. */
static int
find_site(const struct org *o, const char *wanted, json_t **site, struct bl_err *err)
{
	json_t *items = NULL;
	const json_t *item;
	size_t i, named = 0;
	int rc;

	*site = NULL;
	if ((rc = client_list(o, "/sites", &items, err)) < 0)
		return rc;
	json_array_foreach(items, i, item)
	{
		if (strcmp(client_text(item, "id"), wanted) == 0) {
			*site = (json_t *)item;
			named = 1;
			break;
		}
		if (strcmp(client_text(item, "name"), wanted) == 0) {
			*site = (json_t *)item;
			named++;
		}
	}
	json_incref(*site);
	json_decref(items);
	if (named > 1) {
		json_decref(*site);
		*site = NULL;
		return bl_fail(err, BL_EEXIST,
		    "%zu sites have the name \"%.64s\": give the id; `branchline site list` "
		    "shows it",
		    named, wanted);
	}
	if (*site == NULL)
		return bl_fail(err, BL_ENOTFOUND,
		    "no site has the id or name \"%.64s\"; `branchline site list` shows them, "
		    "`branchline site add` makes one",
		    wanted);
	return BL_OK;
}

/* Tells the collector which certificate is in force. */
static int
report_certificate(
    const struct org *o, const char *id, const struct bl_pki_info *info, struct bl_err *err)
{
	json_t *body, *answer = NULL;
	char path[160];
	int rc;

	(void)snprintf(path, sizeof(path), "/devices/%s/certificate", id);
	body = json_pack("{s:s, s:I, s:s}", "serial", info->serial_hex, "not_after_unix_ms",
	    (json_int_t)info->not_after_unix_ms, "fingerprint_sha256", info->fingerprint_sha256);
	if (body == NULL)
		return bl_fail(err, BL_ENOMEM, "device %s: out of memory", id);
	rc = client_call(o, "PUT", path, body, &answer, err);
	json_decref(body);
	json_decref(answer);
	return rc;
}

bool
device_reserved(const char *id)
{
	return strncmp(id, "collector-", 10) == 0;
}

int
device_issue(const struct org *o, const json_t *device, const struct device_args *a,
    char out[ORG_PATH_MAX], struct bl_err *err)
{
	const char *id = client_text(device, "id");
	struct bl_pki_request request = { .name = { .common_name = id } };
	struct bl_pki_info info;
	struct bl_buf key, cert;
	char relative[128];
	int rc;

	/* Whoever registered it, and by whatever way: such a certificate would be the collector's.
	 */
	if (device_reserved(id))
		return bl_fail(err, BL_EINVAL,
		    "device %s: names that begin with collector- are reserved; no certificate was "
		    "made",
		    id);
	(void)snprintf(relative, sizeof(relative), "devices/%.63s.yaml", id);
	if (a->out != NULL)
		(void)snprintf(out, ORG_PATH_MAX, "%s", a->out);
	else
		org_path(o, relative, out);
	if ((rc = ca_issue(o, &request, a->days, &key, &cert, err)) < 0)
		return rc;
	const struct setup_file s = { .device = id,
		.site = client_text(device, "site"),
		.part = json_integer_value(json_object_get(device, "part")),
		.websocket = a->websocket,
		.proxy = a->proxy,
		.proxy_user = a->proxy_user,
		.key_pem = &key,
		.cert_pem = &cert };
	if ((rc = bl_pki_info(&cert, &info, err)) == BL_OK &&
	    (rc = report_certificate(o, id, &info, err)) == BL_OK)
		rc = setup_file_write(o, &s, out, err);
	bl_pki_wipe(&key);
	bl_buf_free(&cert);
	return rc;
}

static int
handed_over(const struct org *o, const json_t *device, const struct device_args *a)
{
	struct bl_err err = { 0 };
	char path[ORG_PATH_MAX];

	if (device_issue(o, device, a, path, &err) < 0) {
		(void)command_failed(&err);
		if (device_reserved(client_text(device, "id")))
			(void)fprintf(stderr,
			    "Retire it on the board, and add the device again with --id.\n");
		else
			(void)fprintf(stderr,
			    "Device %s is registered, but has no file to hand over; when that is "
			    "mended:\n  branchline device issue %s\n",
			    client_text(device, "id"), client_text(device, "id"));
		return 1;
	}
	(void)printf("device %s\n%s\n", client_text(device, "id"), path);
	(void)fprintf(stderr,
	    "Bring this file to the machine (it holds the private key), and there, as root:\n"
	    "  branchline-agent setup %s\n",
	    strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
	return 0;
}

static int
add(const struct org *o, const char *site_name, const char *name, const struct device_args *a)
{
	json_t *site = NULL, *body, *device = NULL;
	struct bl_err err = { 0 };
	int rc;

	if (a->id != NULL && device_reserved(a->id)) {
		(void)bl_fail(
		    &err, BL_EINVAL, "--id: names that begin with collector- are reserved");
		return command_failed(&err);
	}
	if (find_site(o, site_name, &site, &err) < 0)
		return command_failed(&err);
	body = json_pack(
	    "{s:s, s:s, s:s*}", "site", client_text(site, "id"), "name", name, "id", a->id);
	json_decref(site);
	if (body == NULL) {
		(void)bl_fail(&err, BL_EINVAL, "the name is not UTF-8 text");
		return command_failed(&err);
	}
	rc = client_call(o, "POST", "/devices", body, &device, &err);
	json_decref(body);
	if (rc < 0)
		return command_failed(&err);
	rc = handed_over(o, device, a);
	json_decref(device);
	return rc;
}

static int
get_device(const struct org *o, const char *id, json_t **device, struct bl_err *err)
{
	char path[160];

	if (strlen(id) > 63 || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(id))
		return bl_fail(err, BL_EINVAL,
		    "\"%.64s\" is not a device id; `branchline device list` shows them", id);
	(void)snprintf(path, sizeof(path), "/devices/%s", id);
	return client_call(o, "GET", path, NULL, device, err);
}

static int
issue_again(const struct org *o, const char *id, const struct device_args *a)
{
	struct bl_err err = { 0 };
	json_t *device = NULL;
	int rc;

	if (get_device(o, id, &device, &err) < 0)
		return command_failed(&err);
	rc = handed_over(o, device, a);
	json_decref(device);
	return rc;
}

/* The broker reads its revocation list again on SIGHUP. */
static bool
reload_broker(const struct org *o)
{
	char path[ORG_PATH_MAX];
	struct bl_buf b;
	long pid = 0;

	org_path(o, "broker/mosquitto.pid", path);
	bl_buf_init(&b, 64);
	if (files_read(path, &b, NULL) == BL_OK) {
		bl_buf_u8(&b, 0);
		pid = b.failed ? 0 : strtol((const char *)b.data, NULL, 10);
	}
	bl_buf_free(&b);
	return pid > 1 && kill((pid_t)pid, SIGHUP) == 0;
}

static int
revoke_device(const struct org *o, const char *id)
{
	struct bl_err err = { 0 };
	json_t *device = NULL;
	const char *serial;
	size_t n = 0;
	bool told;
	int rc;

	if (get_device(o, id, &device, &err) < 0)
		return command_failed(&err);
	serial = client_text(json_object_get(device, "certificate"), "serial");
	rc = ca_revoke(o, id, serial, &n, &err);
	if (rc == BL_OK) {
		/* With WebSocket it looks at the list by itself, and must not be told. */
		if (o->websocket_port != 0) {
			(void)printf(
			    "%zu certificate%s of %s revoked%s; the broker refuses it within "
			    "seconds, also on a connection that is open\n",
			    n, n == 1 ? "" : "s", id, n == 0 ? ", none was in force" : "");
			json_decref(device);
			return 0;
		}
		/* Told in any case: the last time may have stopped half-way. */
		told = reload_broker(o);
		(void)printf("%zu certificate%s of %s revoked", n, n == 1 ? "" : "s", id);
		(void)printf("%s; %s\n", n == 0 ? ", none was in force" : "",
		    told ? "the broker refuses it from its next connection on (one that is open "
			   "stays)"
			 : "the broker was not told (is it running?): reload or restart it");
	}
	json_decref(device);
	return rc < 0 ? command_failed(&err) : 0;
}

static int
list(const struct org *o)
{
	struct bl_err err = { 0 };
	json_t *items = NULL;
	const json_t *d;
	size_t i;

	if (client_list(o, "/devices", &items, &err) < 0)
		return command_failed(&err);
	json_array_foreach(items, i, d)
	{
		(void)printf("%-32s %-24s %-8s ", client_text(d, "id"), client_text(d, "site"),
		    client_text(d, "state"));
		command_print(client_text(d, "name"));
		(void)putchar('\n');
	}
	if (i == 0)
		(void)printf("no devices yet; `branchline device add SITE NAME` makes one\n");
	json_decref(items);
	return 0;
}

/* -1 when the text is anything else. */
static int
whole_number(const char *text)
{
	char *end;
	const long n = strtol(text, &end, 10);

	return *text == '\0' || *end != '\0' || n < 0 || n > 1000000 ? -1 : (int)n;
}

/* Fit to stand in the set-up file; `branchline-agent setup` judges the rest. */
static bool
proxy_is_plain(const char *url)
{
	return strncmp(url, "http://", 7) == 0 && strlen(url) <= 300 &&
	       strchr(url + 7, ':') != NULL &&
	       strspn(
		   url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_[]/") ==
		   strlen(url);
}

static bool
user_is_plain(const char *user)
{
	return user[0] != '\0' && strlen(user) <= 120 && org_plain_text(user) &&
	       strpbrk(user, ":\"\\") == NULL;
}

static int
parse_args(int argc, char **argv, struct device_args *a, const struct command *self)
{
	static const struct option options[] = {
		{ "state", required_argument, NULL, 's' },
		{ "id", required_argument, NULL, 'i' },
		{ "file", required_argument, NULL, 'f' },
		{ "out", required_argument, NULL, 'o' },
		{ "days", required_argument, NULL, 'd' },
		{ "websocket", no_argument, NULL, 'w' },
		{ "proxy", required_argument, NULL, 'p' },
		{ "proxy-user", required_argument, NULL, 'u' },
		{ 0 },
	};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'i')
			a->id = optarg;
		else if (c == 'f')
			a->file = optarg;
		else if (c == 'o')
			a->out = optarg;
		else if (c == 'd')
			a->days = whole_number(optarg);
		else if (c == 'w')
			a->websocket = true;
		else if (c == 'p')
			a->proxy = optarg;
		else if (c == 'u')
			a->proxy_user = optarg;
		else if (c != 's')
			return 2;
	}
	if (a->proxy != NULL && !proxy_is_plain(a->proxy))
		return command_usage(
		    self, "--proxy: expected an address like http://proxy.example:3128");
	if (a->proxy_user != NULL && (a->proxy == NULL || !user_is_plain(a->proxy_user)))
		return command_usage(
		    self, "--proxy-user: expected a name without colon, with --proxy");
	if (a->file != NULL && (a->id != NULL || a->out != NULL))
		return command_usage(
		    self, "--file: the list has the ids, and the files go into devices/");
	if (a->days < 1 || a->days > 3650)
		return command_usage(self, "--days: expected a whole number from 1 to 3650");
	return 0;
}

static int
run(int argc, char **argv, const struct command *self)
{
	struct device_args a = { .days = DEVICE_DAYS };
	struct bl_err err = { 0 };
	const char *verb;
	char **rest;
	struct org o;
	int n, rc;

	if (argc < 2)
		return command_usage(self, "expected add, list, issue or revoke");
	verb = argv[1];
	argv[1] = (char *)"branchline device"; /* for getopt's messages */
	if ((rc = parse_args(argc - 1, argv + 1, &a, self)) != 0)
		return rc;
	/* getopt has moved what is not an option to the end. */
	rest = argv + 1 + optind;
	n = argc - 1 - optind;
	if (command_org(argc, argv, &o, &err) < 0)
		return command_failed(&err);
	if (a.websocket && o.websocket_port == 0) {
		(void)bl_fail(&err, BL_EINVAL,
		    "--websocket: the broker has no such listener yet; `branchline init "
		    "--websocket-port N` makes one");
		return command_failed(&err);
	}
	if (strcmp(verb, "list") == 0 && n == 0)
		return list(&o);
	if (strcmp(verb, "add") == 0 && n == 0 && a.file != NULL)
		return device_add_list(&o, &a);
	if (strcmp(verb, "add") == 0 && n == 2 && a.file == NULL)
		return add(&o, rest[0], rest[1], &a);
	if (strcmp(verb, "issue") == 0 && n == 1)
		return issue_again(&o, rest[0], &a);
	if (strcmp(verb, "revoke") == 0 && n == 1)
		return revoke_device(&o, rest[0]);
	return command_usage(
	    self, "expected add SITE NAME, add --file FILE, list, issue ID or revoke ID");
}

const struct command command_device = {
	.name = "device",
	.summary = "add devices, issue and revoke their certificates",
	.help =
	    "usage: branchline device add SITE NAME [--id ID] [OPTION ...]\n"
	    "       branchline device add --file LIST.csv [OPTION ...]\n"
	    "       branchline device issue ID [OPTION ...]\n"
	    "       branchline device revoke ID\n"
	    "       branchline device list\n\n"
	    "add registers a device at a site (given by id or name) and writes one file with its "
	    "key,\n"
	    "certificate, broker address and configuration; `branchline-agent setup FILE` takes it "
	    "in\n"
	    "on that machine. With --file it does so for every line of a list: a CSV file whose "
	    "first "
	    "line\n"
	    "names the columns, site,name and, if wanted, id. It can be run again: what is there "
	    "already stays.\n"
	    "issue writes a new file with a new certificate for a device that "
	    "exists.\n"
	    "Those that it had before stay good until they end or are revoked. revoke ends all "
	    "of the\n"
	    "device's certificates; issue makes a new one.\n\n"
	    "  --id ID       a-z, 0-9 and -, at most 63 characters (default: from site and name)\n"
	    "  --file FILE   the list of devices to add\n"
	    "  --out FILE    where to write it (default: devices/ID.yaml in the state folder)\n"
	    "  --days N      life of the certificate (default: 365); a device that is away longer\n"
	    "                cannot come back by itself\n"
	    "  --websocket   it comes over WebSocket, by the port of `init --websocket-port`\n"
	    "  --proxy URL   it comes through this HTTP proxy, http://HOST:PORT\n"
	    "  --proxy-user NAME\n"
	    "                to sign in there; the password is written on the device, into the\n"
	    "                file proxy-password beside its configuration\n"
	    "  --state DIR   the organisation's state folder\n",
	.run = run,
};
