/* The words that stand for enums in bodies.  Pure. */
#include "define_internal.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *
at(const char *const *words, size_t n, unsigned v)
{
	return v < n ? words[v] : NULL;
}

const char *
define_kind_name(enum define_kind k)
{
	static const char *const words[] = { "process", "kpi", "rule", "channel" };

	return at(words, COUNT(words), k);
}

const char *
define_severity_name(enum define_severity s)
{
	static const char *const words[] = { "info", "warning", "critical" };

	return at(words, COUNT(words), s);
}

const char *
define_source_name(enum define_source s)
{
	static const char *const words[] = { NULL, "series", "probe", "step", "case" };

	return at(words, COUNT(words), s);
}

bool
define_source_parse(const char *name, enum define_source *out)
{
	for (unsigned v = DEFINE_SERIES; v <= DEFINE_CASE; v++)
		if (strcmp(name, define_source_name((enum define_source)v)) == 0) {
			*out = (enum define_source)v;
			return true;
		}
	return false;
}

static const char *
source(unsigned v)
{
	return define_source_name((enum define_source)v);
}

static const char *
function(unsigned v)
{
	return bl_function_name((enum bl_function)v);
}

static const char *
window(unsigned v)
{
	return bl_window_name((enum bl_window)v);
}

static const char *
good(unsigned v)
{
	static const char *const words[] = { NULL, "low", "high" };

	return at(words, COUNT(words), v);
}

static const char *
rule_kind(unsigned v)
{
	static const char *const words[] = { NULL, "threshold", "case_open", "no_data" };

	return at(words, COUNT(words), v);
}

static const char *
severity(unsigned v)
{
	return define_severity_name((enum define_severity)v);
}

static const char *
op(unsigned v)
{
	return bl_rule_op_name((enum bl_rule_op)v);
}

static const char *
channel_kind(unsigned v)
{
	static const char *const words[] = { NULL, "email", "webhook" };

	return at(words, COUNT(words), v);
}

static const char *
language(unsigned v)
{
	static const char *const words[] = { "zh-CN", "en" };

	return at(words, COUNT(words), v);
}

const struct define_words define_sources = { source, DEFINE_SERIES, DEFINE_CASE };
const struct define_words define_functions = { function, BL_FN_MEAN, BL_FN_PERCENTILE };
const struct define_words define_windows = { window, BL_WINDOW_1M, BL_WINDOW_1D };
const struct define_words define_goods = { good, DEFINE_GOOD_LOW, DEFINE_GOOD_HIGH };
const struct define_words define_rule_kinds = { rule_kind, DEFINE_THRESHOLD, DEFINE_NO_DATA };
const struct define_words define_severities = { severity, DEFINE_INFO, DEFINE_CRITICAL };
const struct define_words define_ops = { op, BL_OP_GT, BL_OP_NE };
const struct define_words define_channel_kinds = { channel_kind, DEFINE_EMAIL, DEFINE_WEBHOOK };
const struct define_words define_languages = { language, 0, 1 };
