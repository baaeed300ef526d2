/* The configuration as tables: what is read, checked, printed and documented. */
#include "config.h"

#include <stddef.h>
#include <string.h>

static const struct bl_conf_key identity_keys[] = {
	{ .name = "certificate",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_identity, certificate),
	    .help = "PEM file; its common name is the client id" },
	{ .name = "key",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_identity, key),
	    .help = "PEM file of its private key" },
	{ 0 },
};

static const struct bl_conf_section identity_section = { "identity", sizeof(struct config_identity),
	identity_keys, NULL };

static const struct bl_conf_key broker_keys[] = {
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_broker, host),
	    .help = "name or address of the MQTT broker" },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "8883",
	    .offset = offsetof(struct config_broker, port),
	    .min = 1,
	    .max = 65535,
	    .help = "its port for MQTT over TLS" },
	{ .name = "verify_name",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, verify_name),
	    .help = "name in its certificate; absent: host" },
	{ .name = "ca",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_broker, ca),
	    .help = "PEM file of the certificates that its certificate is checked against" },
	{ .name = "crl",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, crl),
	    .help = "PEM file of the revocation list; absent: none" },
	{ .name = "live",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_broker, live),
	    .section = &identity_section,
	    .help = "identity of the connection for live data and answers" },
	{ .name = "past",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config_broker, past),
	    .section = &identity_section,
	    .help = "identity of the connection for backlog" },
	{ 0 },
};

static const struct bl_conf_section broker_section = { "broker", sizeof(struct config_broker),
	broker_keys, NULL };

static const struct bl_conf_key web_keys[] = {
	{ .name = "listen",
	    .type = BL_CONF_STR,
	    .dflt = "127.0.0.1",
	    .offset = offsetof(struct config_web, listen),
	    .help = "numeric address for HTTPS; \"\": none" },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "8443",
	    .offset = offsetof(struct config_web, port),
	    .min = 0,
	    .max = 65535,
	    .help = "port for HTTPS; 0: any free one" },
	{ .name = "certificate",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_web, certificate),
	    .help = "PEM file of the board's certificate; absent: no HTTPS" },
	{ .name = "key",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_web, key),
	    .help = "PEM file of its private key" },
	{ .name = "root",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_web, root),
	    .help = "folder of the web app's built files; absent: none" },
	{ .name = "admin_socket",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_web, admin_socket),
	    .help = "path of the local administrator's socket; absent: admin.sock in state_dir" },
	{ .name = "origins",
	    .type = BL_CONF_STRLIST,
	    .dflt = "",
	    .offset = offsetof(struct config_web, origins),
	    .max = 16,
	    .help = "further origins of the board, behind a proxy: https://board.example" },
	{ .name = "exports_per_user",
	    .type = BL_CONF_INT,
	    .dflt = "2",
	    .offset = offsetof(struct config_web, exports_per_user),
	    .min = 1,
	    .max = 8,
	    .help = "exports that one user may have on their way at once; of all users 16, the"
		    " last eight for users who have none" },
	{ 0 },
};

static const char *
check_web(const void *section, const char **key_out)
{
	const struct config_web *w = section;

	if ((w->certificate == NULL) == (w->key == NULL))
		return NULL;
	*key_out = w->certificate == NULL ? "key" : "certificate";
	return "certificate and key belong together: give both or none";
}

static const struct bl_conf_section web_section = { "web", sizeof(struct config_web), web_keys,
	check_web };

static const struct bl_conf_key ingest_keys[] = {
	{ .name = "queue_bytes",
	    .type = BL_CONF_SIZE,
	    .dflt = "32MiB",
	    .offset = offsetof(struct config_ingest, queue_bytes),
	    .min = 1 << 20,
	    .max = 4294967296.0,
	    .help = "messages waiting for the writer, of each connection; more is dropped and comes"
		    " again" },
	{ .name = "queue_messages",
	    .type = BL_CONF_INT,
	    .dflt = "10000",
	    .offset = offsetof(struct config_ingest, queue_messages),
	    .min = 100,
	    .max = 1000000,
	    .help = "and how many messages" },
	{ .name = "credit",
	    .type = BL_CONF_SIZE,
	    .dflt = "4MiB",
	    .offset = offsetof(struct config_ingest, credit_bytes_per_s),
	    .min = 4096,
	    .max = 4294967296.0,
	    .help = "backlog taken in a second, shared by the devices that have one" },
	{ .name = "reconnect_floor",
	    .type = BL_CONF_DURATION,
	    .dflt = "0ms",
	    .offset = offsetof(struct config_ingest, reconnect_floor_ms),
	    .min = 0,
	    .max = 300000,
	    .help = "agents reconnect no sooner than this; grows by itself with the fleet" },
	{ 0 },
};

static const struct bl_conf_section ingest_section = { "ingest", sizeof(struct config_ingest),
	ingest_keys, NULL };

static const struct bl_conf_key store_keys[] = {
	{ .name = "set_aside",
	    .type = BL_CONF_SIZE,
	    .dflt = "64MiB",
	    .offset = offsetof(struct config_store, set_aside_bytes),
	    .min = 65536,
	    .max = 68719476736.0,
	    .help = "messages that could not be taken in, kept for a look; more are only counted" },
	{ .name = "set_aside_messages",
	    .type = BL_CONF_INT,
	    .dflt = "100000",
	    .offset = offsetof(struct config_store, set_aside_messages),
	    .min = 100,
	    .max = 10000000,
	    .help = "and how many of them" },
	{ .name = "ballast",
	    .type = BL_CONF_SIZE,
	    .dflt = "8MiB",
	    .offset = offsetof(struct config_store, ballast_bytes),
	    .min = 0,
	    .max = 1073741824.0,
	    .help = "kept free for people's changes when the disk is full; 0: nothing" },
	{ .name = "open_hours",
	    .type = BL_CONF_SIZE,
	    .dflt = "32MiB",
	    .offset = offsetof(struct config_store, open_hours_bytes),
	    .min = 0,
	    .max = 4294967296.0,
	    .help = "memory for what questions have decoded of hours that are not packed yet; 0: "
		    "none" },
	{ 0 },
};

static const struct bl_conf_section store_section = { "store", sizeof(struct config_store),
	store_keys, NULL };

static const struct bl_conf_key compact_keys[] = {
	{ .name = "pack",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct config_compact, pack),
	    .help = "false: closed hours stay as they came; what is packed stays packed" },
	{ .name = "after",
	    .type = BL_CONF_DURATION,
	    .dflt = "30m",
	    .offset = offsetof(struct config_compact, after_ms),
	    .min = 1000,
	    .max = 604800000,
	    .help = "an hour is packed so long after its end, or after more of it has come" },
	{ 0 },
};

static const struct bl_conf_section compact_section = { "compact", sizeof(struct config_compact),
	compact_keys, NULL };

#define RETENTION_MIN 86400000.0
#define RETENTION_MAX 3155760000000.0 /* a hundred years */
/* What comes late changes KPI values for seven days, and rules look some days back from there. */
#define CELLS_MIN (14 * RETENTION_MIN)

static const struct bl_conf_key retention_keys[] = {
	{ .name = "raw",
	    .type = BL_CONF_DURATION,
	    .dflt = "35d",
	    .offset = offsetof(struct config_retention, raw_ms),
	    .min = RETENTION_MIN,
	    .max = RETENTION_MAX,
	    .help = "samples, one by one; older ones go by whole days" },
	{ .name = "five_minutes",
	    .type = BL_CONF_DURATION,
	    .dflt = "396d",
	    .offset = offsetof(struct config_retention, five_minutes_ms),
	    .min = RETENTION_MIN,
	    .max = RETENTION_MAX,
	    .help = "count, sum, least and greatest of five minutes; by whole days" },
	{ .name = "hours",
	    .type = BL_CONF_DURATION,
	    .dflt = "1826d",
	    .offset = offsetof(struct config_retention, hours_ms),
	    .min = RETENTION_MIN,
	    .max = RETENTION_MAX,
	    .help = "the same of an hour, and how the values were distributed; by whole months" },
	{ .name = "events",
	    .type = BL_CONF_DURATION,
	    .dflt = "396d",
	    .offset = offsetof(struct config_retention, events_ms),
	    .min = RETENTION_MIN,
	    .max = RETENTION_MAX,
	    .help = "events, and whatever else is still as it came" },
	{ .name = "cells_minutes",
	    .type = BL_CONF_DURATION,
	    .dflt = "35d",
	    .offset = offsetof(struct config_retention, cells_minutes_ms),
	    .min = CELLS_MIN,
	    .max = RETENTION_MAX,
	    .help = "KPI values of one and five minutes" },
	{ .name = "cells_hours",
	    .type = BL_CONF_DURATION,
	    .dflt = "396d",
	    .offset = offsetof(struct config_retention, cells_hours_ms),
	    .min = CELLS_MIN,
	    .max = RETENTION_MAX,
	    .help = "KPI values of an hour; those of days are kept for good" },
	{ 0 },
};

static const char *
check_retention(const void *section, const char **key_out)
{
	const struct config_retention *r = section;

	*key_out = "five_minutes";
	if (r->five_minutes_ms < r->raw_ms)
		return "must not be shorter than raw: it is what is left of it";
	*key_out = "hours";
	if (r->hours_ms < r->five_minutes_ms)
		return "must not be shorter than five_minutes: it is what is left of it";
	*key_out = "cells_hours";
	if (r->cells_hours_ms < r->cells_minutes_ms)
		return "must not be shorter than cells_minutes: it is what is left of it";
	*key_out = "events";
	return r->events_ms < r->raw_ms ? "must not be shorter than raw: what cannot be packed is"
					  " kept with events"
					: NULL;
}

static const struct bl_conf_section retention_section = { "retention",
	sizeof(struct config_retention), retention_keys, check_retention };

/* The order of enum deliver_security. */
static const char *const securities[] = { "starttls", "tls", "plain", NULL };

static const struct bl_conf_key mail_keys[] = {
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_mail, host),
	    .help = "name or address of the mail server; absent: e-mails wait" },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "587",
	    .offset = offsetof(struct config_mail, port),
	    .min = 1,
	    .max = 65535,
	    .help = "its port for submission" },
	{ .name = "security",
	    .type = BL_CONF_ENUM,
	    .dflt = "starttls",
	    .offset = offsetof(struct config_mail, security),
	    .choices = securities,
	    .help = "plain only for a server on this machine" },
	{ .name = "from",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_mail, from),
	    .help = "sender's address; needed together with host" },
	{ .name = "user",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_mail, user),
	    .help = "to sign in with; absent: without signing in" },
	{ .name = "password_file",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_mail, password_file),
	    .help = "file with the password alone, readable by the collector only" },
	{ .name = "ca",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_mail, ca),
	    .help = "PEM file to check the server's certificate against; absent: the system's" },
	{ 0 },
};

static const char *
check_mail(const void *section, const char **key_out)
{
	const struct config_mail *m = section;

	if (m->host != NULL && m->from == NULL) {
		*key_out = "from";
		return "the sender's address is needed together with host";
	}
	if ((m->user == NULL) == (m->password_file == NULL))
		return NULL;
	*key_out = m->user == NULL ? "user" : "password_file";
	return "user and password_file belong together: give both or none";
}

static const struct bl_conf_section mail_section = { "mail", sizeof(struct config_mail), mail_keys,
	check_mail };

static const struct bl_conf_key notice_keys[] = {
	{ .name = "fresh",
	    .type = BL_CONF_DURATION,
	    .dflt = "10m",
	    .offset = offsetof(struct config_notice, fresh_ms),
	    .min = 60000,
	    .max = 86400000,
	    .help = "what was last seen at most this long ago still holds, and pages" },
	{ .name = "stale",
	    .type = BL_CONF_DURATION,
	    .dflt = "6h",
	    .offset = offsetof(struct config_notice, stale_ms),
	    .min = 60000,
	    .max = 604800000,
	    .help = "open without news for this long: history, told in the site's digest" },
	{ .name = "digest_quiet",
	    .type = BL_CONF_DURATION,
	    .dflt = "2m",
	    .offset = offsetof(struct config_notice, digest_quiet_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "a site's digest is sent when nothing was added to it for this long" },
	{ .name = "digest_max",
	    .type = BL_CONF_DURATION,
	    .dflt = "1h",
	    .offset = offsetof(struct config_notice, digest_max_ms),
	    .min = 1000,
	    .max = 86400000,
	    .help = "and at the latest after this" },
	{ 0 },
};

static const struct bl_conf_section notice_section = { "notice", sizeof(struct config_notice),
	notice_keys, NULL };

/* The order of log_levels in collector.c. */
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const struct bl_conf_key root_keys[] = {
	{ .name = "state_dir",
	    .type = BL_CONF_STR,
	    .dflt = "/var/lib/branchline/collector",
	    .offset = offsetof(struct config, state_dir),
	    .help = "folder of the databases; it must exist" },
	{ .name = "zone",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config, zone),
	    .help = "IANA time zone of new sites; absent: the system's" },
	{ .name = "log_level",
	    .type = BL_CONF_ENUM,
	    .dflt = "info",
	    .offset = offsetof(struct config, log_level),
	    .choices = levels,
	    .help = "how much is logged" },
	{ .name = "broker",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct config, broker),
	    .section = &broker_section,
	    .help = "where the data come from" },
	{ .name = "web",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, web),
	    .section = &web_section,
	    .help = "board and API" },
	{ .name = "ingest",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, ingest),
	    .section = &ingest_section,
	    .help = "limits of what is taken in" },
	{ .name = "store",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, store),
	    .section = &store_section,
	    .help = "limits of what is kept" },
	{ .name = "compact",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, compact),
	    .section = &compact_section,
	    .help = "closed hours, put together into parts" },
	{ .name = "retention",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, retention),
	    .section = &retention_section,
	    .help = "how long what is kept" },
	{ .name = "mail",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, mail),
	    .section = &mail_section,
	    .help = "the server that e-mails are handed to" },
	{ .name = "notice",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config, notice),
	    .section = &notice_section,
	    .help = "when to page, and when to tell in a digest" },
	{ .name = "board_url",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config, board_url),
	    .help = "address of the board, for links in messages: https://board.example:8443" },
	{ .name = "private_webhooks",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct config, private_webhooks),
	    .help = "webhooks may go to private and loopback addresses" },
	{ 0 },
};

const struct bl_conf_section config_section = { "collector", sizeof(struct config), root_keys,
	NULL };

int
config_load(struct config *out, const char *path, struct bl_conf_errors *errors, struct bl_err *err)
{
	memset(out, 0, sizeof(*out));
	return bl_conf_load(path, &config_section, out, errors, err);
}

void
config_release(struct config *c)
{
	bl_conf_release(&config_section, c);
}
