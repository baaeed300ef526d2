/*
 * Facts into words: what a message says, in Chinese or English.  Pure but for the zone's file.
 */
#ifndef DELIVER_RENDER_H
#define DELIVER_RENDER_H

#include "branchline/err.h"

#define DELIVER_SUBJECT_MAX 200 /* bytes; cut at a character */

struct deliver_text {
	char subject[DELIVER_SUBJECT_MAX + 1];
	char *text; /* owned; lines end in \n */
};

/*
 * kind and facts of an outbox row (README.md has their form); language "zh-CN" or "en"; board_url
 * may be NULL.  BL_ECORRUPT: the facts are not what they should be; BL_ENOMEM.
 */
int deliver_render(struct deliver_text *out, const char *kind, const char *facts,
    const char *language, const char *board_url, struct bl_err *err);
void deliver_text_free(struct deliver_text *t);

#endif
