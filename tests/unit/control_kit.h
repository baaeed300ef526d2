/* A control database of a test's own, in a folder that goes with it, and the time of day as the
 * test sets it. */
#ifndef CONTROL_KIT_H
#define CONTROL_KIT_H

#include "control.h"
#include "folder.h"

struct control_kit {
	char dir[FOLDER_MAX];
	char path[FOLDER_MAX + 16];
	struct control *c;
	struct bl_clock clock; /* the real one but for unix_ms */
	int64_t now_unix_ms;
};

/* *k stays where it is until closed; a failure ends the test. */
void control_kit_open(struct control_kit *k, const char *name, int64_t now_unix_ms);
void control_kit_close(struct control_kit *k);
/* Statements, as one change that is in no log. */
void control_kit_sql(struct control_kit *k, const char *statements);

#endif
