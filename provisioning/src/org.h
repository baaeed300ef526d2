/*
 * An organisation's state folder: where everything lies, and its settings.
 *
 *   branchline.yaml          settings of this organisation (this file's)
 *   ca/                      ca.key (0600), ca.pem, crl.pem, revoked
 *   broker/                  mosquitto.conf, acl, server.key, server.pem
 *   collector/               collector.yaml, live.*, past.*, web.*, databases, admin.sock
 *   devices/                 one set-up file a device, 0600, until it is handed over
 */
#ifndef ORG_H
#define ORG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

#define ORG_PATH_MAX 1024
#define ORG_BROKER_NAME                                                                            \
	"branchline-broker" /* in the broker's certificate, whatever its address                   \
			     */
#define ORG_MAX_DIR 700

struct org {
	char dir[ORG_PATH_MAX]; /* absolute */
	char name[65];          /* organisation */
	char listen[64];        /* address for broker and board */
	char host[254];         /* where devices find the broker */
	int64_t broker_port;
	int64_t websocket_port; /* 0: no such listener */
	int64_t board_port;
	char zone[64];               /* default zone of sites */
	char web_root[ORG_PATH_MAX]; /* built web app */
	char board_url[512];         /* as it stands in messages; "": made from host and port */
	char mail_host[254];         /* "": none, e-mails wait */
	int64_t mail_port;
	int mail_security; /* index into org_mail_securities */
	char mail_from[255];
	char mail_user[255];                   /* "": without signing in */
	char mail_password_file[ORG_PATH_MAX]; /* absolute */
};

extern const char *const org_mail_securities[]; /* "starttls", "tls", "plain", NULL */

/*
 * Finds the state folder: dir when given, else $BRANCHLINE_STATE, else the
 * default for this user.  Writes the absolute path; the folder need not exist.
 */
int org_dir(const char *dir, char out[ORG_PATH_MAX], struct bl_err *err);

/* Reads DIR/branchline.yaml.  BL_ENOTFOUND says that `branchline init` comes first. */
int org_load(struct org *o, const char *dir, struct bl_err *err);
int org_save(const struct org *o, struct bl_err *err);

/* "DIR/relative" in out. */
void org_path(const struct org *o, const char *relative, char out[ORG_PATH_MAX]);

/* Text that may stand in a mail's head or an address: no blanks, no control characters. */
bool org_plain_text(const char *s);
/* What cannot be together; NULL: nothing. */
const char *org_mail_fault(const struct org *o);
/* Where people find the board: the setting, or what follows from host and port. */
void org_board_url(const struct org *o, char *out, size_t size);

/* The host that programs of this machine use: the listen address, or loopback for a wildcard. */
const char *org_local_host(const struct org *o);

#endif
