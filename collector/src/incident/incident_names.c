/* The words that stand for enums in rows and answers.  Pure. */
#include "incident_internal.h"

#include <string.h>

static const char *const states[] = { "open", "acknowledged", "resolved", "withdrawn", "merged" };

const char *
incident_state_name(enum incident_state s)
{
	return states[s];
}

bool
incident_state_parse(const char *name, enum incident_state *out)
{
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(name, states[i]) == 0) {
			*out = (enum incident_state)i;
			return true;
		}
	return false;
}
