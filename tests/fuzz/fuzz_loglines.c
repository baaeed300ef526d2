/*
 * libFuzzer target: a log whose bytes anybody may have written, line by line through the patterns
 * of one configuration.  Looked for, besides what the sanitizers see: a report that a batch would
 * not take, a refusal that does not say why or is more than one line.
 */
#include "branchline/batch.h"
#include "fuzz.h"
#include "loglines.h"

#define NOW_UNIX_MS 1795874400000ll

static const char config[] =
    "watch:\n"
    "- name: x\n"
    "  path: /x\n"
    "  patterns:\n"
    "  - match: '^(?<time>[^|]*)\\|(?<no>[^|]*)\\|(?<what>[^|]*)\\|(?<rest>.*)'\n"
    "    map: {case: '{no}', step: s, phase: '{what}', time: '{time}', attributes: {rest: "
    "'{rest}'}}\n"
    "  - match: '(?i)from (?<from>\\S+)(?: to (?<to>.+?))?( of (?<no>\\w+)|$)'\n"
    "    map: {case: 'c{no}', step: 's {no}', begin: '{from}', end: '{to}', time_format: '%d/%b "
    "%T'}\n"
    "  - match: '(?<name>[^=]*)=(?<value>[^;]*);?(?<label>.*)$'\n"
    "    map: {report: metric, name: 'm_{name}', value: '{value}', labels: {l: '{label}'}}\n";

static struct loglines_patterns *
patterns(void)
{
	static struct loglines_patterns *all; /* of all runs */
	static struct loglines_conf conf;
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	const struct loglines_watch *watch;

	if (all != NULL)
		return all;
	CHECK(bl_conf_parse("t", config, sizeof(config) - 1, &loglines_conf_section, &conf, &errors,
		  &err) == BL_OK);
	bl_conf_errors_free(&errors);
	watch = conf.watch.item;
	CHECK(loglines_patterns_open(&all, &watch->patterns, &err) == BL_OK);
	return all;
}

static void
check_report(const struct bl_rowmap_report *r)
{
	struct bl_batch_enc *enc = bl_batch_enc_create();

	CHECK(enc != NULL && r->id.len <= BL_EVENT_ID_MAX);
	CHECK(r->metric || bl_batch_enc_event(enc, &r->ev) == BL_OK);
	bl_batch_enc_free(enc);
}

static void
ask(const char *line, size_t len)
{
	static struct bl_rowmap_out out;
	struct loglines_patterns *p = patterns();
	/* Exactly as long as it is. */
	char *exact = malloc(len > 0 ? len : 1);

	CHECK(exact != NULL);
	if (len > 0)
		memcpy(exact, line, len);
	for (unsigned i = 0; i < loglines_patterns_count(p); i++) {
		struct bl_err err = { 0 };
		const int rc = loglines_patterns_ask(
		    p, i, exact, len, (struct bl_str){ "row", 3 }, NOW_UNIX_MS, &out, &err);

		CHECK(rc >= LOGLINES_NO_MATCH || rc == BL_EINVAL || rc == BL_EFULL);
		CHECK(rc >= 0 || (err.msg[0] != '\0' && strpbrk(err.msg, "\r\n") == NULL));
		for (unsigned k = 0; rc == LOGLINES_REPORTS && k < out.n; k++)
			check_report(&out.report[k]);
	}
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;

		ask(at, (size_t)(stop - at));
		at = newline != NULL ? newline + 1 : end;
	}
	return 0;
}
