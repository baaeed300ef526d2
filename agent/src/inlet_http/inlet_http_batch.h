/*
 * The reports of one request: taken apart one by one as there is room for them,
 * and what became of each.  The text is looked at twice where it is JSON: a
 * request that is broken somewhere has nothing taken; never is more than one
 * report of it a tree.
 */
#ifndef INLET_HTTP_BATCH_H
#define INLET_HTTP_BATCH_H

#include "branchline/buf.h"

#include "inlet_ops.h"
#include "inlet_http_report.h"

#define INLET_HTTP_REPORTS_MAX 1000u          /* of a request */
#define INLET_HTTP_REPORT_MAX  (64u * 1024u)  /* bytes of one, as JSON */
#define INLET_HTTP_ANSWER_MAX  (256u * 1024u) /* of all */

enum inlet_http_form { INLET_HTTP_JSON, INLET_HTTP_LINES, INLET_HTTP_COLLECTD };

enum inlet_http_result {
	INLET_HTTP_WAITS, /* for the disk */
	INLET_HTTP_ACCEPTED,
	INLET_HTTP_REPEATED,
	INLET_HTTP_REFUSED, /* it is wrong */
	INLET_HTTP_FAILED,  /* not stored: try again */
};

struct inlet_http_batch {
	enum inlet_http_form form;
	uint32_t user;    /* whose reports they are: inlet_report.h */
	const char *text; /* borrowed */
	size_t len, at;
	bool checked;       /* all of it is JSON */
	bool list;          /* it begins with "[" */
	bool ended;         /* nothing more is handed over */
	unsigned item, sub; /* the next one; collectd has some in an item */
	unsigned n, waiting;
	size_t looked; /* bytes, for who gives turns */
	/* Of lines there may be one more: that those behind it are left out. */
	uint8_t result[INLET_HTTP_REPORTS_MAX + 1];
	uint32_t why[INLET_HTTP_REPORTS_MAX + 1]; /* place in words + 1; 0: no message */
	struct bl_buf words;                      /* messages, each terminated */
	uint32_t last_words;                      /* place of the last one */
	struct inlet_http_report report;          /* scratch */
};

/* Zeroed memory; keeps text until the end. */
void inlet_http_batch_begin(
    struct inlet_http_batch *b, enum inlet_http_form form, const char *text, size_t len);
void inlet_http_batch_free(struct inlet_http_batch *b); /* what it owns */

enum inlet_http_step {
	INLET_HTTP_STEP_DONE,    /* a bit further; again */
	INLET_HTTP_STEP_NO_ROOM, /* the host takes no more now */
	INLET_HTTP_STEP_ENDED,   /* all is handed over */
	INLET_HTTP_STEP_BROKEN,  /* err says where; nothing was taken */
	INLET_HTTP_STEP_LARGE,   /* too many, or one of them too long; the same */
};
/* One report.  token: of the first one; the others follow. */
enum inlet_http_step inlet_http_batch_step(
    struct inlet_http_batch *b, const struct inlet_host *host, uint64_t token, struct bl_err *err);
/* What became of one; others than those that wait are ignored. */
void inlet_http_batch_done(struct inlet_http_batch *b, unsigned i, int rc);
/* What waits has failed for that reason. */
void inlet_http_batch_late(struct inlet_http_batch *b, const char *why);
/* Hands over no more: what was not has failed for that reason. */
void inlet_http_batch_stop(struct inlet_http_batch *b, const char *why);
/* The status (200, 422, 503) and the JSON. */
int inlet_http_batch_answer(const struct inlet_http_batch *b, struct bl_buf *out);

#endif
