/* Seen inside this folder only. */
#ifndef DELIVER_INTERNAL_H
#define DELIVER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "define.h"
#include "deliver.h"
#include "deliver_render.h"

#define DELIVER_CONNECT_MS 5000
#define DELIVER_TOTAL_MS   15000
#define DELIVER_ANSWER_MAX 500 /* bytes of what the other side said */

/* What became of one try. */
enum deliver_outcome {
	DELIVER_SENT = 0,
	DELIVER_RETRY,   /* not now */
	DELIVER_REFUSED, /* never */
};

struct deliver_try {
	enum deliver_outcome outcome;
	int64_t retry_after_ms;              /* the other side's wish; 0: none */
	char answer[DELIVER_ANSWER_MAX + 1]; /* its words, or why there was none */
};

struct deliver_letter {
	const char *key, *kind, *facts;
	int64_t created_unix_ms;
	const struct deliver_text *text;
	const struct define_channel *channel;
};

/* ---- deliver_mail.c ---- */
void deliver_mail(const struct deliver_opts *o, const struct deliver_letter *l,
    struct deliver_try *out);
/* The whole letter as it goes over the wire (CRLF); malloced, NULL: out of memory. */
char *deliver_mail_text(const struct deliver_opts *o, const struct deliver_letter *l);

/* ---- deliver_webhook.c ---- */
void deliver_webhook(const struct deliver_opts *o, const struct deliver_letter *l,
    const char *secret, int64_t now_unix_ms, struct deliver_try *out);
/* "v1,..." of Standard Webhooks 1.0.0.  False: the secret is none. */
bool deliver_sign(const char *secret, const char *id, int64_t unix_s, const char *body,
    char out[64]);
/* The id that the receiver honours: the same for the same key. */
void deliver_webhook_id(const char *key, char out[40]);

/* ---- deliver_target.c ---- */

/*
 * Looks the host up and checks every address; fills "host:port:address[,address]" for
 * CURLOPT_RESOLVE, so that what is dialled is what was checked; nothing where the URL
 * itself holds an IPv6 address.  False: why says so.
 */
bool deliver_target(const char *url, bool private_allowed, char *resolve, size_t size, char *why,
    size_t why_size);
/* May this address be dialled?  family AF_INET, AF_INET6; bytes in network order. */
bool deliver_address_public(int family, const uint8_t *bytes);

/* ---- deliver_due.c ---- */

#define DELIVER_BATCH 16u /* messages of one round */

struct deliver_row {
	int64_t id, created_unix_ms, tries;
	char channel[BL_ID_TEXT_MAX + 1];
	char kind[16];
	char *key, *facts; /* owned */
};

/* Channels that failed last; until when each is left alone, and how often it has failed. */
struct deliver_rests {
	struct deliver_rest {
		char channel[BL_ID_TEXT_MAX + 1];
		int64_t until_unix_ms;
		unsigned failures; /* in a row */
	} rest[DEFINE_MAX];
	size_t n;
};
unsigned deliver_failures(struct deliver_rests *r, const char *channel);
void deliver_failed(struct deliver_rests *r, const char *channel, int64_t until_unix_ms);
void deliver_worked(struct deliver_rests *r, const char *channel);

/*
 * Up to DELIVER_BATCH messages that are due, channel by channel in turn, none of a channel that
 * rests; the first try of a test message always, since a person waits for it.  *n is right also
 * when it fails; deliver_rows_free.
 */
int deliver_due(struct deliver_row *rows, size_t *n, struct sqlite3 *db,
    struct deliver_rests *rest, int64_t now_unix_ms, struct bl_err *err);
void deliver_rows_free(struct deliver_row *rows, size_t n);

/* ---- deliver_retry.c: pure ---- */

#define DELIVER_REST_MAX_MS 3600000 /* also what a receiver may wish for */


int64_t deliver_backoff_ms(int64_t base_ms, int64_t tries, uint32_t random);

#endif
