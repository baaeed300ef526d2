/*
 * What a program of this machine reports: something that happened (a step of a
 * process, the state of a case, any event), or the value of a metric.  Every
 * inlet, whatever it speaks, makes these and hands them to the agent, which
 * answers when they are on disk.
 *
 * Plain data that borrows its texts; good for the call it is handed to.  The rules
 * that hold for all of them are below, pure.
 */
#ifndef INLET_REPORT_H
#define INLET_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/clock.h"
#include "branchline/err.h"
#include "branchline/wire.h"

/*
 * How far a report may lie from now.  The centre works out anew whatever a late one touches: of
 * events little, of values whole hours.  A machine's own programs cannot know the future; a minute
 * is for those whose time comes from another machine, and counts as now.
 */
#define INLET_BACK_MS        (7 * 24 * 3600 * INT64_C(1000))
#define INLET_METRIC_BACK_MS (24 * 3600 * INT64_C(1000))
#define INLET_AHEAD_MS       INT64_C(60000)

enum inlet_report_kind { INLET_EVENT = 1, INLET_METRIC = 2 };

struct inlet_report {
	enum inlet_report_kind kind;
	/* The sender's name for this report: the same again within 24 h is the same report, for
	 * events and metrics alike.  Empty: none, each one counts. */
	struct bl_str id;
	/* When it was; 0: now.  In this machine's wall clock, as the sender reads it. */
	int64_t at_unix_ms;
	/* INLET_EVENT: type and attributes; its own boot_ms and id are not looked at. */
	struct bl_event ev;
	/*
	 * INLET_METRIC: name, unit, kind and labels as they were heard (the agent makes its own of
	 * them as intake.h says, label "source" included); the rest is the agent's.
	 */
	struct bl_series_def def;
	double value; /* finite */
	/* Whose program says so: its uid + 1; 0: not known.  New series count as this user's. */
	uint32_t user;
};

/*
 * A time as senders write it: RFC 3339 with a zone, or seconds since 1970 with up to nine
 * decimals; at least a millisecond after 1970.  False: neither.
 */
bool inlet_report_time(struct bl_str text, int64_t *at_unix_ms);

/*
 * When it was, in boot time: as long ago as at_unix_ms lies before this machine's wall clock,
 * whatever that clock says; so it may lie before this boot (negative; never 0).  BL_EINVAL with a
 * sentence: out of bounds.
 */
int inlet_report_place(const struct inlet_report *r, const struct bl_clock *clock, int64_t *boot_ms,
    struct bl_err *err);

/*
 * What holds for the type of an event that is about to be stored: text, and none of the agent's
 * own, but those of steps.  BL_EINVAL with a sentence.
 */
int inlet_report_type(struct bl_str type, struct bl_err *err);

/* Both, for who asks what would become of it.  The agent asks more of a metric's name. */
int inlet_report_check(
    const struct inlet_report *r, const struct bl_clock *clock, struct bl_err *err);

struct bl_rowmap_report;

/* What a mapping made of a row, as a report, which borrows from it; of nobody known. */
void inlet_report_of_row(struct inlet_report *out, const struct bl_rowmap_report *from);

/* An event type that only the agent itself may use: "agent.start", "probe.state" ...; steps and
 * cases are reported as such. */
bool inlet_report_own_type(struct bl_str type);

#endif
