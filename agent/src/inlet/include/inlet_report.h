/*
 * What a program of this machine reports: something that happened (a step of a
 * process, the state of a case, any event), or the value of a metric.  Every
 * inlet, whatever it speaks, makes these and hands them to the agent, which
 * answers when they are on disk.
 *
 * Plain data that borrows its texts; good for the call it is handed to.
 */
#ifndef INLET_REPORT_H
#define INLET_REPORT_H

#include <stdint.h>

#include "branchline/wire.h"

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
};

#endif
