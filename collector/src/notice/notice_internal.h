/* Seen inside this folder only. */
#ifndef NOTICE_INTERNAL_H
#define NOTICE_INTERNAL_H

#include <sqlite3.h>

#include "control_sql.h"
#include "incident.h"
#include "jsonw.h"
#include "notice.h"
#include "outbox.h"

#define NOTICE_KEY_MAX   320
#define NOTICE_FACTS_MAX (1024u * 1024u) /* bytes of one message's facts */
#define NOTICE_LIST_MAX  200u            /* incidents that one digest names; the rest is counted */

struct notice_run {
	sqlite3 *db;
	const struct define_set *set;
	const struct roster *roster;
	const struct notice_opts *opts;
	struct bl_notice_policy policy;
	int64_t digest_quiet_ms, digest_max_ms;
	int64_t now_unix_ms;
	bool quiet;
	size_t left; /* decisions that this run may still take */
	int decided;
	struct bl_err *err;
};

/* ---- notice_facts.c ---- */

/* The rule's version that found it; NULL: it is gone. */
const struct define_rule *notice_rule(const struct notice_run *r, const struct incident *i);
/* Channels of the rule that are switched on: which, at most DEFINE_CHANNELS_MAX; returns how many.
 */
size_t notice_channels(
    const struct notice_run *r, const struct incident *i, const char *out[DEFINE_CHANNELS_MAX]);
bool notice_tells(const struct notice_run *r, const struct incident *i, const char *channel);
/* Members of the object that is open: who the site is; one incident under key. */
void notice_write_site(struct jsonw *w, const struct notice_run *r, const char *site);
void notice_write_incident(
    struct jsonw *w, const struct notice_run *r, const char *key, const struct incident *i);
/*
 * One message a channel about one incident; again > 0: that it comes again after so
 * many returns.  Returns how many channels there were.
 */
int notice_send(
    const struct notice_run *r, const struct incident *i, const char *kind, int64_t again);

/* ---- notice_told.c ---- */

/* Incidents that were told of and have changed since. */
int notice_told(struct notice_run *r);
/* A page now, with its entry. */
int notice_page(struct notice_run *r, const struct incident *i, int64_t again);

/* ---- notice_digest.c ---- */

int notice_add_to_digest(struct notice_run *r, const struct incident *i);
/* Sends the digests of sites that are due. */
int notice_digests(struct notice_run *r);

#endif
