/*
 * Sends what the outbox holds: e-mail (SMTP, STARTTLS) and webhooks (Standard
 * Webhooks 1.0.0), through libcurl.  One thread of its own.
 *
 * At least once, and never twice where the receiver honours the key: a message is
 * marked only after the other side has answered, and the same message carries
 * the same Message-ID or webhook-id at every try.
 */
#ifndef DELIVER_H
#define DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "control.h"

struct deliver;

struct deliver_opts {
	struct control *control;      /* keeps */
	const struct bl_clock *clock; /* keeps */
	/* SMTP; host NULL: no e-mail, such messages wait */
	const char *smtp_host;
	uint16_t smtp_port;
	const char *smtp_from;
	const char *smtp_user;          /* NULL: no sign-in */
	const char *smtp_password_file; /* mode 0600 */
	enum deliver_security {
		DELIVER_STARTTLS = 0,
		DELIVER_TLS,
		DELIVER_PLAIN
	} smtp_security;
	const char *smtp_ca;            /* PEM; NULL: the system's */
	const char *board_url;          /* "https://board.example:8443": links in messages; NULL: none */
	bool private_webhooks;          /* private and loopback addresses are allowed as targets */
	int64_t retry_base_ms;          /* 0: 5 s; doubles with jitter */
	int64_t give_up_ms;             /* 0: 3 days */
};

int deliver_start(struct deliver **out, const struct deliver_opts *opts, struct bl_err *err);
void deliver_stop(struct deliver *d); /* NULL is fine */
/* Something was put into the outbox. Any thread. */
void deliver_wake(struct deliver *d);

struct deliver_status {
	uint64_t sent, retried, refused, given_up;
	int64_t waiting, oldest_waiting_unix_ms;
	char problem[192]; /* of the last failed try; empty: none */
};
void deliver_status(struct deliver *d, struct deliver_status *out);

#endif
