/* The one armed fault, behind a mutex; see the header. */
#include "branchline/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

atomic_bool bl_fault_waiting;

static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	char name[BL_FAULT_NAME_MAX + 1];
	unsigned nth, hits;
	enum bl_fault_action action;
	bool fired;
} fault;

static const struct {
	const char *name;
	enum bl_fault_action action;
} fault_actions[] = {
	{ "fail", BL_FAULT_FAIL },
	{ "kill", BL_FAULT_KILL },
	{ "abort", BL_FAULT_ABORT },
};

/* Says where it ends, so that a crash test can tell this end from another. */
static void
announce(const char *name, unsigned hit)
{
	char line[128];
	const int n = snprintf(line, sizeof(line), "fault: %s, hit %u\n", name, hit);

	if (n > 0)
		(void)!write(STDERR_FILENO, line, (size_t)n);
}

static void
die(enum bl_fault_action action)
{
	if (action == BL_FAULT_KILL)
		(void)raise(SIGKILL);
	abort();
}

bool
bl_fault_check(const char *name)
{
	bool fires = false;

	(void)pthread_mutex_lock(&fault_lock);
	if (!fault.fired && fault.nth != 0 &&
	    (strcmp(fault.name, "*") == 0 || strcmp(fault.name, name) == 0)) {
		fires = ++fault.hits == fault.nth;
		if (fires) {
			fault.fired = true;
			atomic_store(&bl_fault_waiting, false);
		}
	}
	/* Dies with the lock held: no other thread may go on. */
	if (fires && fault.action != BL_FAULT_FAIL) {
		announce(name, fault.hits);
		die(fault.action);
	}
	(void)pthread_mutex_unlock(&fault_lock);
	return fires;
}

bool
bl_fault_arm_action(const char *name, unsigned nth, enum bl_fault_action action)
{
	const size_t len = strlen(name);

	if (len == 0 || len > BL_FAULT_NAME_MAX || nth == 0)
		return false;
	(void)pthread_mutex_lock(&fault_lock);
	memcpy(fault.name, name, len + 1);
	fault.nth = nth;
	fault.hits = 0;
	fault.action = action;
	fault.fired = false;
	atomic_store(&bl_fault_waiting, true);
	(void)pthread_mutex_unlock(&fault_lock);
	return true;
}

bool
bl_fault_arm(const char *name, unsigned nth)
{
	return bl_fault_arm_action(name, nth, BL_FAULT_FAIL);
}

bool
bl_fault_fired(void)
{
	bool fired;

	(void)pthread_mutex_lock(&fault_lock);
	fired = fault.fired;
	(void)pthread_mutex_unlock(&fault_lock);
	return fired;
}

unsigned
bl_fault_hits(void)
{
	unsigned hits;

	(void)pthread_mutex_lock(&fault_lock);
	hits = fault.hits;
	(void)pthread_mutex_unlock(&fault_lock);
	return hits;
}

void
bl_fault_disarm(void)
{
	(void)pthread_mutex_lock(&fault_lock);
	fault.nth = 0;
	atomic_store(&bl_fault_waiting, false);
	(void)pthread_mutex_unlock(&fault_lock);
}

const char *
bl_fault_init_from_env(void)
{
	static const char wrong[] = BL_FAULT_ENV
	    ": expected name:nth:action with nth from 1 and action fail, kill or abort";
	const char *text = getenv(BL_FAULT_ENV), *nth, *action;
	char name[BL_FAULT_NAME_MAX + 1];
	unsigned long n;
	char *end;

	if (text == NULL)
		return NULL;
	if ((nth = strchr(text, ':')) == NULL || (size_t)(nth - text) > BL_FAULT_NAME_MAX)
		return wrong;
	memcpy(name, text, (size_t)(nth - text));
	name[nth - text] = '\0';
	if (nth[1] < '1' || nth[1] > '9' || (n = strtoul(nth + 1, &end, 10)) > 1000000000 ||
	    *end != ':')
		return wrong;
	action = end + 1;
	for (size_t i = 0; i < sizeof(fault_actions) / sizeof(fault_actions[0]); i++)
		if (strcmp(action, fault_actions[i].name) == 0)
			return bl_fault_arm_action(name, (unsigned)n, fault_actions[i].action)
				   ? NULL
				   : wrong;
	return wrong;
}
