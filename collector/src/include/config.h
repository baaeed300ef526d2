/* The collector's configuration: collector.yaml. */
#ifndef COLLECTOR_CONFIG_H
#define COLLECTOR_CONFIG_H

#include <stdint.h>

#include "branchline/conf.h"
#include "branchline/err.h"

#define CONFIG_FILE_DEFAULT "/etc/branchline/collector.yaml"
#define CONFIG_EXIT_REFUSED 78 /* EX_CONFIG of sysexits.h: a restart is in vain */

struct config_identity {
	char *certificate;
	char *key;
};

struct config {
	char *state_dir;
	char *zone; /* NULL: the system's */
	int log_level;
	struct config_broker {
		char *host;
		int64_t port;
		char *verify_name; /* NULL: host */
		char *ca;
		char *crl; /* NULL: none */
		struct config_identity live, past;
	} broker;
	struct config_web {
		char *listen; /* NULL: no TCP */
		int64_t port;
		char *certificate, *key; /* NULL: no TCP */
		char *root;
		char *admin_socket;
		struct bl_conf_strlist origins;
		int64_t exports_per_user;
	} web;
	struct config_ingest {
		int64_t queue_bytes;
		int64_t queue_messages;
		int64_t credit_bytes_per_s;
		int64_t reconnect_floor_ms;
	} ingest;
	struct config_store {
		int64_t set_aside_bytes;
		int64_t set_aside_messages;
		int64_t ballast_bytes;
		int64_t open_hours_bytes;
	} store;
	struct config_compact {
		bool pack;
		int64_t after_ms;
	} compact;
	struct config_retention {
		int64_t raw_ms, five_minutes_ms, hours_ms, events_ms;
		int64_t cells_minutes_ms, cells_hours_ms;
	} retention;
	struct config_mail {
		char *host; /* NULL: no e-mail */
		int64_t port;
		int security; /* the order of DELIVER_STARTTLS, DELIVER_TLS, DELIVER_PLAIN */
		char *from;
		char *user;          /* NULL: no sign-in */
		char *password_file; /* NULL: no sign-in */
		char *ca;            /* NULL: the system's */
	} mail;
	struct config_notice {
		int64_t fresh_ms, stale_ms, digest_quiet_ms, digest_max_ms;
	} notice;
	char *board_url; /* NULL: no links in messages */
	bool private_webhooks;
};

extern const struct bl_conf_section config_section;

/* errors: as bl_conf_load.  On success the caller calls config_release. */
int config_load(
    struct config *out, const char *path, struct bl_conf_errors *errors, struct bl_err *err);
void config_release(struct config *c);

#endif
