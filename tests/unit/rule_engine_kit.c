#include "rule_engine_kit.h"

int64_t
at(int64_t minute)
{
	return T0 + minute * MINUTE;
}

void
clear(struct kit *k)
{
	kit_sql(k, "DELETE FROM incident_entry");
	kit_sql(k, "DELETE FROM notice_due");
	kit_sql(k, "DELETE FROM incident");
	kit_sql(k, "DELETE FROM rule_run");
	kit_sql(k, "DELETE FROM kpi_cell");
}

uint64_t
next(struct shuffle *s, uint64_t below)
{
	s->state = s->state * 6364136223846793005u + 1442695040888963407u;
	return (s->state >> 33) % below;
}
