/*
 * Who is told what, and when: age decides between a page and a digest.
 *
 * What still holds pages at once; what is over goes into one digest a site, sent
 * when the site's past has come in; what cannot be told yet waits.  Runs inside the
 * evaluator's write transaction and writes outbox rows there.
 */
#ifndef NOTICE_H
#define NOTICE_H

#include "define.h"
#include "roster.h"
#include "store_log.h"

struct notice_opts {
	int64_t fresh_ms;        /* seen true this long ago or less: holds now; 0: 10 min */
	int64_t stale_ms;        /* open without news for this long: history; 0: 6 h */
	int64_t digest_quiet_ms; /* nothing new for a site's digest for so long: send; 0: 2 min */
	int64_t digest_max_ms;   /* at the latest after this; 0: 60 min */
	/*
	 * Is more of that site's past known to be on its way?  Then what was last seen true
	 * more than two minutes ago may have ended meanwhile: it is waited for, until fresh_ms
	 * after it became known.  NULL: never.
	 */
	bool (*catching_up)(void *ctx, const char *site);
	void *ctx;
};

/*
 * Decides for what is undecided, at most limit; sends digests that are due; tells the
 * end of what was paged.  quiet: only notes (after a restore), one digest follows.
 * Returns how many it decided, negative: failed.
 */
int notice_run(struct sqlite3 *db, const struct define_set *set, const struct roster *roster,
    const struct notice_opts *opts, int64_t now_unix_ms, bool quiet, size_t limit,
    struct bl_err *err);

#endif
