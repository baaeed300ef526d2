/*
 * What the commands that report share (step, case, event, metric, time): their options, the
 * line that they become, and saying it to the agent.
 */
#ifndef STEP_CALL_H
#define STEP_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

#define STEP_WAIT_MS 12000 /* for an answer; the agent gives one within 8 s */

/* What a command may say. */
struct step_form {
	const char *name; /* and how its line begins: "step begin", "metric" */
	const char *help;
	/* What has to stand before the attributes, NULL: nothing; for people. */
	const char *place[2];
	bool of_case, step_must, step_may, of_metric;
	bool json;
};

struct step_args {
	const char *place[2];                          /* as the form wants them */
	const char *case_id, *step, *process, *status; /* NULL: not given */
	const char *id, *at, *unit, *kind;             /* NULL: not given */
	const char *config, *socket;                   /* NULL: not given */
	int text; /* values are text, whatever they look like */
	int json;
	size_t n_words;
	const char *word[BL_ATTRS_MAX + 2]; /* NAME=VALUE */
};

/*
 * Reads what follows the command's name: 0, go on; 1, --help was printed; 2, a
 * mistake was told, exit with 64.
 */
int step_args_read(int argc, char **argv, const struct step_form *form, struct step_args *out);

/*
 * The line for the agent, which begins with these words, checked as the agent does: BL_OK, or
 * BL_EINVAL with a sentence.  id_suffix and more (another NAME=VALUE) may be NULL.  Appends to out.
 */
int step_line(const struct step_args *args, const char *verb, const char *id_suffix,
    const char *more, struct bl_buf *out, struct bl_err *err);

struct step_place {
	char *socket;      /* of the agent, owned (free); NULL: not known */
	char warning[640]; /* what is wrong with the configuration; mostly "" */
};

/*
 * The agent's socket: as given, out of the configuration, be it wrong elsewhere, or, where
 * none was named and none can be read, in its usual place.  Negative: one was named that cannot be
 * read.
 */
int step_place_find(const struct step_args *args, struct step_place *out, struct bl_err *err);

/*
 * Says one line (with its newline) and waits for the answer, which has none.
 * BL_ENOTFOUND: no agent listens there; BL_EDENIED; BL_ETIMEDOUT: it does not
 * answer; BL_ENET: it went away before it did.
 */
int step_call(const char *path, const struct bl_buf *line, int wait_ms, char *answer, size_t size,
    struct bl_err *err);

/* `step time`, and `time`, by the name it goes by. */
int cmd_step_time(const char *name, int argc, char **argv);

#endif
