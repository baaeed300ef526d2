/* Says what it reads; see driver.py.  Compiled as C99 and as C++. */
#include "branchline.h"

#define FIELDS 40

struct said {
	const char *case_id, *step, *type, *name, *value, *status, *unit, *kind;
	struct branchline_attribute attribute[FIELDS];
	struct branchline_more more;
};

static struct branchline_attribute
attribute(char type, const char *name, const char *value)
{
	if (type == 't')
		return branchline_text(name, value);
	return type == 'n' ? branchline_number(name, strtod(value, NULL))
			   : branchline_flag(name, strcmp(value, "true") == 0);
}

/* NAME=VALUE to its place. */
static void
take(struct said *s, char *field)
{
	const struct {
		const char *name;
		const char **at;
	} place[] = { { "case", &s->case_id }, { "step", &s->step }, { "type", &s->type },
		{ "name", &s->name }, { "value", &s->value }, { "status", &s->status },
		{ "unit", &s->unit }, { "kind", &s->kind }, { "process", &s->more.process },
		{ "id", &s->more.id }, { "at", &s->more.at } };
	char *value = strchr(field, '=');

	*value++ = '\0';
	if (field[0] != '\0' && field[1] == ':')
		s->attribute[s->more.n_attributes++] = attribute(field[0], field + 2, value);
	for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++)
		if (strcmp(place[i].name, field) == 0)
			*place[i].at = value;
}

static int
say(struct branchline *b, char *record)
{
	const char *verb = record;
	struct said s;
	char *next;

	memset(&s, 0, sizeof(s));
	s.more.attribute = s.attribute;
	record = strchr(record, '\x1f');
	for (; record != NULL; record = next) {
		*record++ = '\0';
		next = strchr(record, '\x1f');
		if (next != NULL)
			*next = '\0';
		take(&s, record);
	}
	if (strcmp(verb, "step_begin") == 0)
		return branchline_step_begin(b, s.case_id, s.step, &s.more);
	if (strcmp(verb, "step_end") == 0)
		return branchline_step_end(b, s.case_id, s.step, &s.more);
	if (strcmp(verb, "step_event") == 0)
		return branchline_step_event(b, s.case_id, s.step, &s.more);
	if (strcmp(verb, "case") == 0)
		return branchline_case(b, s.case_id, s.status, &s.more);
	if (strcmp(verb, "event") == 0)
		return branchline_event(b, s.type, &s.more);
	return branchline_metric(b, s.name, strtod(s.value, NULL), s.unit, s.kind, &s.more);
}

int
main(int argc, char **argv)
{
	static const char *const word[] = { "failed ", "refused ", "accepted", "repeated" };
	struct branchline b;
	char *record = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc < 4)
		return 64;
	branchline_open(&b, NULL);
	b.timeout_ms = atoi(argv[2]);
	b.wait_ms = atoi(argv[3]);
	while ((n = getdelim(&record, &size, '\x1e', stdin)) > 0) {
		int result;

		record[n - 1] = '\0';
		result = say(&b, record);
		printf("%s%s\x1e", word[result + 2], b.error);
		fflush(stdout);
	}
	free(record);
	branchline_close(&b);
	return 0;
}
