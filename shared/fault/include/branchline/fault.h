/*
 * Named places where a test makes things go wrong: fail once, or die there.
 *
 *	if (bl_fault_hit("spool.commit"))
 *		return bl_fail(err, BL_EIO, "commit: made to fail");
 *
 * Off by default: then a place costs one relaxed load.  Armed by a test in its
 * own process, or from outside by BL_FAULT=name:nth:action for crash tests.
 * The one armed fault is global, like the log's level; any thread may hit it.
 * It fires once, at the nth hit of its name, counted from when it was armed.
 */
#ifndef BRANCHLINE_FAULT_H
#define BRANCHLINE_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

#define BL_FAULT_ENV      "BL_FAULT"
#define BL_FAULT_NAME_MAX 63

enum bl_fault_action {
	BL_FAULT_FAIL,  /* bl_fault_hit returns true */
	BL_FAULT_KILL,  /* SIGKILL to itself: nothing is flushed, no handler runs */
	BL_FAULT_ABORT, /* abort(3) */
};

/* Private: true while a fault is armed and has not fired. */
extern atomic_bool bl_fault_waiting;
bool bl_fault_check(const char *name);

/* A place.  True: pretend that it failed. */
static inline bool
bl_fault_hit(const char *name)
{
	return atomic_load_explicit(&bl_fault_waiting, memory_order_relaxed) &&
	       bl_fault_check(name);
}

/*
 * Replaces what was armed.  name "*" stands for every place; nth counts from
 * 1.  Copies name.  False: name is empty or too long, or nth is 0.
 */
bool bl_fault_arm(const char *name, unsigned nth);
bool bl_fault_arm_action(const char *name, unsigned nth, enum bl_fault_action action);
/* Whether what was armed last has fired. */
bool bl_fault_fired(void);
/* How often the armed name was hit so far. */
unsigned bl_fault_hits(void);
void bl_fault_disarm(void);

/*
 * Arms what BL_FAULT says ("spool.commit:3:kill"); for main, once, before any
 * thread starts.  NULL: fine, also when it is not set; else a sentence that
 * says what is wrong with it.
 */
const char *bl_fault_init_from_env(void);

#endif
