/*
 * A plugin for Mosquitto 2.0: whoever shows a certificate that the CA has revoked
 * may neither publish nor receive, and is thrown out, whatever listener it came by.
 *
 * Needed because Debian's Mosquitto does not look at its crlfile for WebSocket
 * listeners, and because SIGHUP, which makes it read the list for others, frees the
 * TLS context that its WebSocket listener goes on using.  So the list is watched
 * here, and a broker with a WebSocket listener gets no SIGHUP.
 *
 * The list is ca/revoked of the state folder: a line "serial [anything]", serial in
 * hexadecimal.  A list that cannot be read at the start keeps the broker from
 * starting; later the last good one stays in force, and the log says so.
 *
 * Runs on the broker's only thread.  Mosquitto's and OpenSSL's functions are those of
 * the process that loads this; what is used of them is declared below.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- Mosquitto's plugin interface, version 5 ---- */

struct mosquitto;

struct mosquitto_opt {
	char *key, *value;
};

/* What the broker hands to the callback of ACL_CHECK; only client is looked at. */
struct acl_check {
	void *future;
	struct mosquitto *client;
	const char *topic;
	/* more follows */
};

enum { EVENT_ACL_CHECK = 2, EVENT_TICK = 9 };
enum { ANSWER_OK = 0, ANSWER_ERROR = 1, ANSWER_DENIED = 12, ANSWER_DEFER = 17 };
enum { LOG_NOTICE = 2, LOG_WARNING = 4, LOG_ERROR = 8 };

typedef int callback(int event, void *data, void *ctx);

int mosquitto_callback_register(void *id, int event, callback *f, const void *data, void *ctx);
void *mosquitto_client_certificate(const struct mosquitto *client);
const char *mosquitto_client_id(const struct mosquitto *client);
int mosquitto_kick_client_by_clientid(const char *id, bool with_will);
void mosquitto_log_printf(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- OpenSSL 3 ---- */

const void *X509_get0_serialNumber(const void *x509);
const unsigned char *ASN1_STRING_get0_data(const void *string);
int ASN1_STRING_length(const void *string);
void X509_free(void *x509);

/* ---- what Mosquitto calls ---- */

int mosquitto_plugin_version(int n, const int *versions);
int mosquitto_plugin_init(void *id, void **ctx, struct mosquitto_opt *opts, int n);
int mosquitto_plugin_cleanup(void *ctx, struct mosquitto_opt *opts, int n);

/* RFC 5280 allows 20 bytes; as hexadecimal text without leading zeros. */
#define SERIAL_MAX 40
#define KICKS_MAX  16

struct revoked {
	char *path;
	struct stat seen; /* of the file that is in force */
	time_t looked;
	bool told_unreadable;
	char (*serial)[SERIAL_MAX + 1]; /* sorted */
	size_t n;
	char kick[KICKS_MAX][256];
	unsigned kicks;
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* "00A1 ..." becomes "a1"; false: no serial begins this line. */
static bool
take_serial(const char *line, char out[SERIAL_MAX + 1])
{
	size_t n = 0;

	while (line[0] == '0' && isxdigit((unsigned char)line[1]))
		line++;
	for (; isxdigit((unsigned char)line[n]); n++) {
		if (n == SERIAL_MAX)
			return false;
		out[n] = (char)tolower((unsigned char)line[n]);
	}
	out[n] = '\0';
	return n > 0 && (line[n] == '\0' || isspace((unsigned char)line[n]));
}

/* The whole file into a new list.  false: it cannot be read, or a line is none of ours. */
static bool
read_list(FILE *f, struct revoked *fresh)
{
	char line[512], serial[SERIAL_MAX + 1];
	void *more;

	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
			continue;
		if (strchr(line, '\n') == NULL && !feof(f))
			return false;
		if (!take_serial(line, serial))
			return false;
		if (fresh->n % 64 == 0) {
			more = realloc(fresh->serial, (fresh->n + 64) * sizeof(*fresh->serial));
			if (more == NULL)
				return false;
			fresh->serial = more;
		}
		memcpy(fresh->serial[fresh->n++], serial, sizeof(serial));
	}
	return !ferror(f);
}

static bool
load(struct revoked *r)
{
	struct revoked fresh = { 0 };
	FILE *f = fopen(r->path, "re");
	struct stat st;
	bool ok = f != NULL && fstat(fileno(f), &st) == 0 && read_list(f, &fresh);

	if (f != NULL)
		(void)fclose(f);
	if (!ok) {
		free(fresh.serial);
		return false;
	}
	if (fresh.n > 0)
		qsort(fresh.serial, fresh.n, sizeof(*fresh.serial), by_text);
	free(r->serial);
	r->serial = fresh.serial;
	r->n = fresh.n;
	r->seen = st;
	return true;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* At most once a second: has the list changed? */
static void
look(struct revoked *r)
{
	const time_t now = time(NULL);
	struct stat st;

	if (now == r->looked)
		return;
	r->looked = now;
	if (stat(r->path, &st) == 0 && same_file(&st, &r->seen))
		return;
	if (load(r)) {
		mosquitto_log_printf(
		    LOG_NOTICE, "branchline: %zu revoked certificates in %s", r->n, r->path);
		r->told_unreadable = false;
	} else if (!r->told_unreadable) {
		mosquitto_log_printf(LOG_ERROR,
		    "branchline: %s cannot be read; the list read before stays in force", r->path);
		r->told_unreadable = true;
	}
}

static bool
is_revoked(const struct revoked *r, const struct mosquitto *client)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * SERIAL_MAX + 1], serial[SERIAL_MAX + 1];
	void *x509 = mosquitto_client_certificate(client);
	const unsigned char *data;
	const void *number;
	int len;

	/* Listeners without TLS are not ours to judge. */
	if (x509 == NULL)
		return false;
	number = X509_get0_serialNumber(x509);
	data = ASN1_STRING_get0_data(number);
	len = ASN1_STRING_length(number);
	if (len > SERIAL_MAX)
		len = SERIAL_MAX;
	for (int i = 0; i < len; i++) {
		text[2 * i] = digits[data[i] >> 4];
		text[2 * i + 1] = digits[data[i] & 15];
	}
	text[len > 0 ? 2 * len : 0] = '\0';
	X509_free(x509);
	return r->n > 0 && take_serial(text, serial) &&
	       bsearch(serial, r->serial, r->n, sizeof(*r->serial), by_text) != NULL;
}

/* Thrown out at the next tick: not while the broker works for it. */
static void
note_kick(struct revoked *r, const struct mosquitto *client)
{
	const char *id = mosquitto_client_id(client);

	if (id == NULL || r->kicks == KICKS_MAX || strlen(id) >= sizeof(r->kick[0]))
		return;
	for (unsigned i = 0; i < r->kicks; i++)
		if (strcmp(r->kick[i], id) == 0)
			return;
	memcpy(r->kick[r->kicks++], id, strlen(id) + 1);
	mosquitto_log_printf(LOG_WARNING,
	    "branchline: %s shows a revoked certificate: it may do nothing, and is disconnected",
	    id);
}

static int
on_acl_check(int event, void *data, void *ctx)
{
	const struct acl_check *check = data;
	struct revoked *r = ctx;

	(void)event;
	look(r);
	if (!is_revoked(r, check->client))
		return ANSWER_DEFER;
	note_kick(r, check->client);
	return ANSWER_DENIED;
}

static int
on_tick(int event, void *data, void *ctx)
{
	struct revoked *r = ctx;

	(void)event;
	(void)data;
	look(r);
	/* By its name: one who came back under it with a good certificate comes again. */
	while (r->kicks > 0)
		(void)mosquitto_kick_client_by_clientid(r->kick[--r->kicks], true);
	return ANSWER_OK;
}

int
mosquitto_plugin_version(int n, const int *versions)
{
	for (int i = 0; i < n; i++)
		if (versions[i] == 5)
			return 5;
	return -1;
}

int
mosquitto_plugin_init(void *id, void **ctx, struct mosquitto_opt *opts, int n)
{
	struct revoked *r = calloc(1, sizeof(*r));

	for (int i = 0; r != NULL && i < n; i++)
		if (strcmp(opts[i].key, "revoked") == 0 && r->path == NULL)
			r->path = strdup(opts[i].value);
	if (r == NULL || r->path == NULL) {
		mosquitto_log_printf(LOG_ERROR, "branchline: plugin_opt_revoked FILE is needed");
	} else if (!load(r)) {
		mosquitto_log_printf(LOG_ERROR, "branchline: %s cannot be read", r->path);
	} else if (mosquitto_callback_register(id, EVENT_ACL_CHECK, on_acl_check, NULL, r) == 0 &&
		   mosquitto_callback_register(id, EVENT_TICK, on_tick, NULL, r) == 0) {
		mosquitto_log_printf(
		    LOG_NOTICE, "branchline: %zu revoked certificates in %s", r->n, r->path);
		*ctx = r;
		return ANSWER_OK;
	}
	if (r != NULL) {
		free(r->serial);
		free(r->path);
	}
	free(r);
	return ANSWER_ERROR;
}

int
mosquitto_plugin_cleanup(void *ctx, struct mosquitto_opt *opts, int n)
{
	struct revoked *r = ctx;

	(void)opts;
	(void)n;
	if (r != NULL) {
		free(r->serial);
		free(r->path);
	}
	free(r);
	return ANSWER_OK;
}
