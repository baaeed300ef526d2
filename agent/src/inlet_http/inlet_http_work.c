/* Reports on their way to the disk. */
#include <stdlib.h>

#include "inlet_http_internal.h"

#define LATE                                                                                       \
	"not on disk after 8 s; it waits in memory and is stored when that works, unless the "     \
	"agent ends first: send it again with the same id to be sure"
#define NOT_TAKEN "not stored: what came before still waits for the disk; try again later"
#define ENDS      "not stored: the agent ends; try again in a minute"

static uint64_t
token_of(const struct inlet_http *in, const struct inlet_http_client *c)
{
	return (uint64_t)(c->round & 0xffffff) << 24 | (uint64_t)(c - in->client) << 16;
}

static void
wait_for_disk(struct inlet_http *in, struct inlet_http_client *c)
{
	c->deadline_mono_ms = bl_mono_ms(in->host->clock) + INLET_HTTP_DISK_MS;
}

void
inlet_http_work_begin(struct inlet_http *in, struct inlet_http_client *c)
{
	static const char none[] = "";

	if ((c->batch = calloc(1, sizeof(*c->batch))) == NULL) {
		inlet_http_note(in, INLET_HTTP_N_BUSY, 1, "out of memory");
		inlet_http_client_error(in, c, 503, "out of memory; try again in a second");
		return;
	}
	inlet_http_batch_begin(
	    c->batch, c->form, c->body.len > 0 ? (const char *)c->body.data : none, c->body.len);
	c->batch->user = c->user;
	c->state = INLET_HTTP_WORK;
	wait_for_disk(in, c);
	in->due = true;
}

/* How many of a kind; the first message of those. */
static uint64_t
results(const struct inlet_http_batch *b, enum inlet_http_result which, const char **why)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->result[i] != which)
			continue;
		if (n++ == 0 && b->why[i] > 0)
			*why = (const char *)b->words.data + b->why[i] - 1;
	}
	return n;
}

static void
answer(struct inlet_http *in, struct inlet_http_client *c)
{
	static const enum inlet_http_counter counter[] = {
		[INLET_HTTP_ACCEPTED] = INLET_HTTP_N_ACCEPTED,
		[INLET_HTTP_REPEATED] = INLET_HTTP_N_REPEATED,
		[INLET_HTTP_REFUSED] = INLET_HTTP_N_BAD_REPORTS,
		[INLET_HTTP_FAILED] = INLET_HTTP_N_NOT_STORED,
	};
	struct inlet_http_batch *b = c->batch;
	const int status = inlet_http_batch_answer(b, &c->out);

	for (unsigned k = INLET_HTTP_ACCEPTED; k <= INLET_HTTP_FAILED; k++) {
		const char *why = "";
		const uint64_t n = results(b, (enum inlet_http_result)k, &why);

		/* What is wrong with a report holds words of it, which are for its sender alone. */
		if (n > 0)
			inlet_http_note(in, counter[k], n,
			    k == INLET_HTTP_REFUSED ? "reports that are wrong" : why);
	}
	inlet_http_batch_free(b);
	free(b);
	c->batch = NULL;
	if (c->out.failed)
		inlet_http_client_error(
		    in, c, 503, "out of memory for the answer; send it again with the same ids");
	else
		inlet_http_client_answer(in, c, status, "application/json");
}

/* It is no request that reports can be taken out of; none was. */
static void
broken(struct inlet_http *in, struct inlet_http_client *c, bool large, const char *why)
{
	/* Where JSON breaks, its words stand in `why`: for its sender alone, too. */
	inlet_http_note(in, large ? INLET_HTTP_N_TOO_LARGE : INLET_HTTP_N_BAD_REQUESTS, 1,
	    large ? why : "a body that is no JSON, or no reports");
	inlet_http_batch_free(c->batch);
	free(c->batch);
	c->batch = NULL;
	inlet_http_client_error(in, c, large ? 413 : 400, why);
}

/* One report; false: it can do no more in this turn. */
static bool
step(struct inlet_http *in, struct inlet_http_client *c, bool *no_room)
{
	struct inlet_http_batch *b = c->batch;
	struct bl_err err = { 0 };
	const unsigned waiting = b->waiting;
	const enum inlet_http_step got =
	    in->stuck && b->checked ? INLET_HTTP_STEP_NO_ROOM
				    : inlet_http_batch_step(b, in->host, token_of(in, c), &err);

	in->outstanding += b->waiting - waiting;
	switch (got) {
	case INLET_HTTP_STEP_DONE:
		wait_for_disk(in, c);
		return true;
	case INLET_HTTP_STEP_NO_ROOM:
		if (in->stuck)
			inlet_http_batch_stop(b, NOT_TAKEN);
		/* Where nothing of ours is under way no done will come that says: now. */
		else if (in->outstanding == 0)
			in->room_mono_ms = bl_mono_ms(in->host->clock) + INLET_HTTP_ROOM_MS;
		*no_room = !b->ended;
		return false;
	case INLET_HTTP_STEP_ENDED:
		return false;
	default:
		broken(in, c, got == INLET_HTTP_STEP_LARGE, err.msg);
		return false;
	}
}

/* What one turn has done. */
struct turn {
	unsigned taken;
	size_t looked;
	bool no_room; /* somebody waits for it: others may still be looked at, but hand nothing over
		       */
};

static bool
can_step(const struct inlet_http_client *c, const struct turn *t)
{
	return c->state == INLET_HTTP_WORK && !c->batch->ended &&
	       !(t->no_room && c->batch->checked);
}

/* One of each; false: nobody has another one, or there is no room. */
static bool
round_of_reports(struct inlet_http *in, struct turn *t)
{
	const unsigned first = in->first;
	bool more = false;

	for (unsigned k = 0; k < INLET_HTTP_CLIENTS; k++) {
		const unsigned i = (first + k) % INLET_HTTP_CLIENTS;
		struct inlet_http_client *c = &in->client[i];
		bool no_room = false;
		size_t before;

		if (!can_step(c, t))
			continue;
		before = c->batch->looked;
		if (step(in, c, &no_room)) {
			more = true;
			t->looked += c->batch->looked - before;
			t->taken++;
		} else if (no_room) {
			in->first = i; /* when there is room, it begins with this one */
			t->no_room = true;
		}
	}
	return more;
}

void
inlet_http_work(struct inlet_http *in)
{
	struct turn t = { 0 };

	while (t.taken < INLET_HTTP_TURN && t.looked < INLET_HTTP_TURN_BYTES)
		if (!round_of_reports(in, &t))
			break;
	if (t.taken >= INLET_HTTP_TURN || t.looked >= INLET_HTTP_TURN_BYTES)
		in->due = true;
	for (unsigned i = 0; i < INLET_HTTP_CLIENTS; i++) {
		struct inlet_http_client *c = &in->client[i];

		if (c->state == INLET_HTTP_WORK && c->batch->ended && c->batch->waiting == 0)
			answer(in, c);
	}
}

void
inlet_http_work_late(struct inlet_http *in, struct inlet_http_client *c)
{
	in->stuck = in->outstanding > 0;
	inlet_http_batch_late(c->batch, LATE);
	inlet_http_batch_stop(c->batch, NOT_TAKEN);
	in->due = true;
}

void
inlet_http_work_stop(struct inlet_http_client *c)
{
	c->keep = false;
	inlet_http_batch_stop(c->batch, ENDS);
}

void
inlet_http_work_done(struct inlet_http *in, uint64_t token, int rc)
{
	struct inlet_http_client *c = &in->client[(token >> 16 & 0xff) % INLET_HTTP_CLIENTS];

	if (in->outstanding > 0)
		in->outstanding--;
	if (rc >= 0 || in->outstanding == 0)
		in->stuck = false;
	in->due = true;
	if (c->state != INLET_HTTP_WORK || token >> 24 != (c->round & 0xffffff))
		return;
	inlet_http_batch_done(c->batch, (unsigned)(token & 0xffff), rc);
	wait_for_disk(in, c);
}
