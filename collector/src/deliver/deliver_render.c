/*
 * Facts into words.
 *
 * Times stand in the site's own zone with its offset.  A fact that is missing is left out, not
 * invented; numbers are rounded for reading, the board has them exact.
 */
#include "deliver_render.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "branchline/buf.h"
#include "branchline/tz.h"

#define TEXT_MAX      (64u * 1024u)
#define DIGEST_SHOWN  50u

/* ---- words ---- */

enum word {
	W_PAGE, W_ENDED, W_WITHDRAWN, W_DIGEST, W_TEST,
	W_INFO, W_WARNING, W_CRITICAL,
	W_SITE, W_RULE, W_SINCE, W_UNTIL, W_FROM, W_STILL, W_WHY, W_MORE, W_OPEN,
	W_DIGEST_HEAD, W_DIGEST_REST, W_WITHDRAWN_WHY, W_TEST_TEXT,
	W_THRESHOLD, W_WINDOWS, W_WORST, W_CASE, W_CASE_OPEN, W_CASE_DONE, W_NO_DATA,
	W_FOOT, WORDS
};

static const char *const en[WORDS] = {
	[W_PAGE] = "Alarm", [W_ENDED] = "Over", [W_WITHDRAWN] = "Withdrawn", [W_DIGEST] = "What happened",
	[W_TEST] = "Test", [W_INFO] = "info", [W_WARNING] = "warning", [W_CRITICAL] = "critical",
	[W_SITE] = "Site", [W_RULE] = "Rule", [W_SINCE] = "Since", [W_UNTIL] = "Until", [W_FROM] = "From",
	[W_STILL] = "it still holds", [W_WHY] = "Why", [W_MORE] = "More", [W_OPEN] = "no end is known",
	[W_DIGEST_HEAD] = "%zu incident(s) became known after the fact. They need no action at once:",
	[W_DIGEST_REST] = "... and %zu more, see the board",
	[W_WITHDRAWN_WHY] = "Data that came later show that the condition did not hold. Nothing is to be done.",
	[W_TEST_TEXT] = "This message was sent to try the channel. It arrived.",
	[W_THRESHOLD] = "%s was %s %s%s",
	[W_WINDOWS] = " in %lld windows of %s in a row",
	[W_WORST] = "; at worst %s%s",
	[W_CASE] = "Case %s of process %s",
	[W_CASE_OPEN] = " was not done within %s, and is still open",
	[W_CASE_DONE] = " was not done within %s; it took %s",
	[W_NO_DATA] = "Nothing has come from device %s since %s (limit %s). Whether it works is not known.",
	[W_FOOT] = "Sent by Branchline.",
};

static const char *const zh[WORDS] = {
	[W_PAGE] = "告警", [W_ENDED] = "已结束", [W_WITHDRAWN] = "已撤销", [W_DIGEST] = "事后汇总",
	[W_TEST] = "测试", [W_INFO] = "提示", [W_WARNING] = "警告", [W_CRITICAL] = "严重",
	[W_SITE] = "站点", [W_RULE] = "规则", [W_SINCE] = "开始", [W_UNTIL] = "结束", [W_FROM] = "时间",
	[W_STILL] = "仍在持续", [W_WHY] = "原因", [W_MORE] = "详情", [W_OPEN] = "结束时间未知",
	[W_DIGEST_HEAD] = "以下 %zu 起事件为事后得知，无需立即处理：",
	[W_DIGEST_REST] = "……另有 %zu 起，请在看板中查看",
	[W_WITHDRAWN_WHY] = "后到的数据表明条件并未成立，无需处理。",
	[W_TEST_TEXT] = "这是一条用于测试通道的消息，已成功送达。",
	[W_THRESHOLD] = "%s %s %s%s",
	[W_WINDOWS] = "，连续 %lld 个 %s 窗口",
	[W_WORST] = "；最差为 %s%s",
	[W_CASE] = "流程 %2$s 的单据 %1$s",
	[W_CASE_OPEN] = " 未在 %s 内完成，目前仍未结束",
	[W_CASE_DONE] = " 未在 %s 内完成，实际用时 %s",
	[W_NO_DATA] = "设备 %s 自 %s 起没有数据到达（限值 %s），其状态未知。",
	[W_FOOT] = "由 Branchline 发送。",
};

struct render {
	const char *const *w;
	bool chinese;
	struct bl_tz *tz; /* NULL: UTC */
	const char *board_url;
	struct bl_buf out;
};

static void add(struct render *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct render *r, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		r->out.failed = true;
		return;
	}
	bl_buf_bytes(&r->out, text, (size_t)n);
	free(text);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* A word with places: the formats stand in the two tables above, side by side. */
static void
add_word(struct render *r, enum word w, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, w);
	n = vasprintf(&text, r->w[w], ap);
	va_end(ap);
	if (n < 0) {
		r->out.failed = true;
		return;
	}
	bl_buf_bytes(&r->out, text, (size_t)n);
	free(text);
}
#pragma GCC diagnostic pop

/* ---- pieces ---- */

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static int64_t
int_of(const json_t *o, const char *key, int64_t dflt)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v)
	       : json_is_real(v)  ? (int64_t)json_real_value(v)
				  : dflt;
}

static void
time_text(const struct render *r, int64_t unix_ms, char out[64])
{
	struct bl_civil c;
	char local[32];

	if (r->tz == NULL) {
		(void)snprintf(out, 64, "?");
		return;
	}
	bl_tz_text(r->tz, unix_ms, local, sizeof(local));
	bl_tz_civil(r->tz, unix_ms, &c);
	(void)snprintf(out, 64, "%s %+03d:%02d", local, c.offset_minutes / 60,
	    abs(c.offset_minutes) % 60);
}

static void
duration_text(const struct render *r, int64_t ms, char out[48])
{
	const int64_t s = (ms + 500) / 1000;

	if (ms < 1000)
		(void)snprintf(out, 48, "%lld %s", (long long)ms, r->chinese ? "毫秒" : "ms");
	else if (s < 120)
		(void)snprintf(out, 48, "%lld %s", (long long)s, r->chinese ? "秒" : "s");
	else if (s < 7200)
		(void)snprintf(out, 48, "%lld %s", (long long)(s / 60), r->chinese ? "分钟" : "min");
	else if (s < 172800)
		(void)snprintf(out, 48, r->chinese ? "%lld 小时 %lld 分钟" : "%lld h %lld min",
		    (long long)(s / 3600), (long long)(s % 3600 / 60));
	else
		(void)snprintf(out, 48, r->chinese ? "%lld 天 %lld 小时" : "%lld d %lld h",
		    (long long)(s / 86400), (long long)(s % 86400 / 3600));
}

static void
number_text(const struct render *r, const json_t *o, const char *key, const char *unit, char out[64])
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		(void)snprintf(out, 64, "?");
	else if (strcmp(unit, "ms") == 0)
		duration_text(r, (int64_t)llround(json_number_value(v)), out);
	else
		(void)snprintf(out, 64, "%.4g", json_number_value(v));
}

static const char *
unit_text(const char *unit)
{
	return strcmp(unit, "pct") == 0  ? " %"
	       : strcmp(unit, "ms") == 0 ? ""
	       : strcmp(unit, "1") == 0  ? ""
					 : unit;
}

static const char *
op_text(const struct render *r, const char *op)
{
	static const struct {
		const char *op, *en, *zh;
	} ops[] = { { ">", "above", "高于" }, { ">=", "at or above", "不低于" }, { "<", "below", "低于" },
		{ "<=", "at or below", "不高于" }, { "=", "equal to", "等于" }, { "!=", "not", "不等于" } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(op, ops[i].op) == 0)
			return r->chinese ? ops[i].zh : ops[i].en;
	return op;
}

static const char *
severity_text(const struct render *r, const char *severity)
{
	return strcmp(severity, "critical") == 0  ? r->w[W_CRITICAL]
	       : strcmp(severity, "warning") == 0 ? r->w[W_WARNING]
						  : r->w[W_INFO];
}

static const char *
window_text(const struct render *r, const char *window)
{
	static const struct {
		const char *name, *en, *zh;
	} windows[] = { { "1m", "a minute", "1 分钟" }, { "5m", "5 minutes", "5 分钟" },
		{ "1h", "an hour", "1 小时" }, { "1d", "a day", "1 天" } };

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		if (strcmp(window, windows[i].name) == 0)
			return r->chinese ? windows[i].zh : windows[i].en;
	return window;
}

/* ---- why, in words ---- */

static void
why_threshold(struct render *r, const json_t *f)
{
	const char *unit = text_of(f, "unit");
	char limit[64], worst[64];

	number_text(r, f, "threshold", unit, limit);
	number_text(r, f, "worst", unit, worst);
	add_word(r, W_THRESHOLD, *text_of(f, "kpi_name") ? text_of(f, "kpi_name") : text_of(f, "kpi"),
	    op_text(r, text_of(f, "op")), limit, unit_text(unit));
	add_word(r, W_WINDOWS, (long long)int_of(f, "true_windows", int_of(f, "for", 1)),
	    window_text(r, text_of(f, "window")));
	if (json_is_number(json_object_get(f, "worst")))
		add_word(r, W_WORST, worst, unit_text(unit));
	add(r, r->chinese ? "。" : ".");
}

static void
why_case(struct render *r, const json_t *f)
{
	const int64_t begin = int_of(f, "begin_unix_ms", 0), end = int_of(f, "end_unix_ms", 0);
	const char *process =
	    *text_of(f, "process_name") ? text_of(f, "process_name") : text_of(f, "process");
	char limit[48], took[48];

	duration_text(r, int_of(f, "limit_ms", 0), limit);
	add_word(r, W_CASE, text_of(f, "case"), process);
	if (end == 0) {
		add_word(r, W_CASE_OPEN, limit);
	} else {
		duration_text(r, end - begin, took);
		add_word(r, W_CASE_DONE, limit, took);
	}
	add(r, r->chinese ? "。" : ".");
}

static void
why_no_data(struct render *r, const json_t *f)
{
	char limit[48], last[64];

	duration_text(r, int_of(f, "after_ms", 0), limit);
	time_text(r, int_of(f, "last_unix_ms", 0), last);
	add_word(r, W_NO_DATA, text_of(f, "device"), last, limit);
}

static void
why(struct render *r, const json_t *facts)
{
	const char *kind = text_of(facts, "kind");

	if (strcmp(kind, "threshold") == 0)
		why_threshold(r, facts);
	else if (strcmp(kind, "case_open") == 0)
		why_case(r, facts);
	else if (strcmp(kind, "no_data") == 0)
		why_no_data(r, facts);
}

/* ---- what devices and people wrote ---- */

/* Bytes of a character that breaks lines or turns their direction; 0: it does neither. */
static size_t
disturbs(const unsigned char *s)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return 1;
	if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) /* C1 */
		return 2;
	if (s[0] != 0xe2)
		return 0;
	return (s[1] == 0x80 && (s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae))) ||
		       (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
		   ? 3
		   : 0;
}

static bool
tame_text(json_t *v)
{
	char *text = strdup(json_string_value(v)), *to = text;
	bool ok;

	if (text == NULL)
		return false;
	for (const char *from = text; *from != '\0';) {
		const size_t n = disturbs((const unsigned char *)from);

		*to++ = n > 0 ? ' ' : *from;
		from += n > 0 ? n : 1;
	}
	*to = '\0';
	ok = json_string_set(v, text) == 0;
	free(text);
	return ok;
}

/* A name is a piece of a line: else a case's id could write lines of its own into a message. */
static bool
tame(json_t *v)
{
	const char *key;
	json_t *x;
	size_t i;

	if (json_is_string(v))
		return tame_text(v);
	json_object_foreach(v, key, x) if (!tame(x)) return false;
	json_array_foreach(v, i, x) if (!tame(x)) return false;
	return true;
}

/* ---- whole messages ---- */

static void
line(struct render *r, enum word label, const char *value)
{
	add(r, "%s%s%s\n", r->w[label], r->chinese ? "：" : ": ", value);
}

static void
span_line(struct render *r, const json_t *incident)
{
	char begin[64], end[64] = "";

	time_text(r, int_of(incident, "begin_unix_ms", 0), begin);
	line(r, W_SINCE, begin);
	if (json_is_integer(json_object_get(incident, "end_unix_ms")))
		time_text(r, int_of(incident, "end_unix_ms", 0), end);
	if (end[0] != '\0')
		line(r, W_UNTIL, end);
}

static void
incident_text(struct render *r, const char *kind, const json_t *facts, const json_t *incident)
{
	line(r, W_SITE, text_of(facts, "site_name"));
	line(r, W_RULE, text_of(incident, "rule_name"));
	span_line(r, incident);
	if (strcmp(kind, "withdrawn") == 0) {
		add(r, "\n%s\n", r->w[W_WITHDRAWN_WHY]);
	} else {
		add(r, "%s%s", r->w[W_WHY], r->chinese ? "：" : ": ");
		why(r, json_object_get(incident, "facts"));
		add(r, "\n");
	}
	if (r->board_url != NULL)
		add(r, "%s%s%s/incidents/%lld\n", r->w[W_MORE], r->chinese ? "：" : ": ", r->board_url,
		    (long long)int_of(incident, "id", 0));
}

static void
digest_one(struct render *r, const json_t *incident)
{
	char begin[64], end[64];

	time_text(r, int_of(incident, "begin_unix_ms", 0), begin);
	(void)snprintf(end, sizeof(end), "%s", r->w[W_OPEN]);
	if (json_is_integer(json_object_get(incident, "end_unix_ms")))
		time_text(r, int_of(incident, "end_unix_ms", 0), end);
	add(r, "\n%s – %s  [%s] %s\n  ", begin, end,
	    severity_text(r, text_of(incident, "severity")), text_of(incident, "rule_name"));
	why(r, json_object_get(incident, "facts"));
	add(r, "\n");
}

static void
digest_text(struct render *r, const json_t *facts)
{
	const json_t *incidents = json_object_get(facts, "incidents");
	const size_t n = json_array_size(incidents);

	line(r, W_SITE, text_of(facts, "site_name"));
	add_word(r, W_DIGEST_HEAD, n);
	add(r, "\n");
	for (size_t i = 0; i < n && i < DIGEST_SHOWN; i++)
		digest_one(r, json_array_get(incidents, i));
	if (n > DIGEST_SHOWN) {
		add(r, "\n");
		add_word(r, W_DIGEST_REST, n - DIGEST_SHOWN);
		add(r, "\n");
	}
	if (r->board_url != NULL)
		add(r, "\n%s%s%s/incidents?site=%s\n", r->w[W_MORE], r->chinese ? "：" : ": ",
		    r->board_url, text_of(facts, "site"));
}

static void
make_subject(struct render *r, struct deliver_text *out, const char *kind, const json_t *facts,
    const json_t *incident)
{
	const enum word what = strcmp(kind, "page") == 0        ? W_PAGE
			       : strcmp(kind, "ended") == 0     ? W_ENDED
			       : strcmp(kind, "withdrawn") == 0 ? W_WITHDRAWN
			       : strcmp(kind, "digest") == 0    ? W_DIGEST
								: W_TEST;
	char whole[1024];
	size_t len;

	if (incident != NULL)
		(void)snprintf(whole, sizeof(whole), "[%s · %s] %s: %s", r->w[what],
		    severity_text(r, text_of(incident, "severity")), text_of(facts, "site_name"),
		    text_of(incident, "rule_name"));
	else if (what == W_DIGEST)
		(void)snprintf(whole, sizeof(whole), "[%s] %s (%zu)", r->w[what],
		    text_of(facts, "site_name"), json_array_size(json_object_get(facts, "incidents")));
	else
		(void)snprintf(whole, sizeof(whole), "[%s] Branchline", r->w[what]);
	len = strlen(whole);
	if (len > DELIVER_SUBJECT_MAX)
		for (len = DELIVER_SUBJECT_MAX; len > 0 && ((unsigned char)whole[len] & 0xc0) == 0x80;)
			len--; /* not within a character */
	memcpy(out->subject, whole, len);
	out->subject[len] = '\0';
}

static int
finish(struct render *r, struct deliver_text *out, struct bl_err *err)
{
	add(r, "\n-- \n%s\n", r->w[W_FOOT]);
	bl_buf_u8(&r->out, 0);
	if (r->out.failed)
		return bl_fail(err, BL_ENOMEM, "put a message into words: out of memory");
	if ((out->text = strdup((const char *)r->out.data)) == NULL)
		return bl_fail(err, BL_ENOMEM, "put a message into words: out of memory");
	return BL_OK;
}

int
deliver_render(struct deliver_text *out, const char *kind, const char *facts_text,
    const char *language, const char *board_url, struct bl_err *err)
{
	struct render r = { .chinese = strcmp(language, "zh-CN") == 0, .board_url = board_url };
	json_t *facts = json_loads(facts_text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *incident;
	struct bl_err ignored = { 0 };
	int rc;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(facts)) {
		json_decref(facts);
		return bl_fail(err, BL_ECORRUPT, "put a message into words: its facts are no JSON object");
	}
	if (!tame(facts)) {
		json_decref(facts);
		return bl_fail(err, BL_ENOMEM, "put a message into words: out of memory");
	}
	r.w = r.chinese ? zh : en;
	bl_buf_init(&r.out, TEXT_MAX);
	if (bl_tz_load(&r.tz, text_of(facts, "zone"), NULL, &ignored) < 0)
		r.tz = bl_tz_utc();
	incident = json_object_get(facts, "incident");
	make_subject(&r, out, kind, facts, incident);
	if (incident != NULL)
		incident_text(&r, kind, facts, incident);
	else if (strcmp(kind, "digest") == 0)
		digest_text(&r, facts);
	else
		add(&r, "%s\n", r.w[W_TEST_TEXT]);
	rc = finish(&r, out, err);
	bl_buf_free(&r.out);
	bl_tz_free(r.tz);
	json_decref(facts);
	return rc;
}

void
deliver_text_free(struct deliver_text *t)
{
	free(t->text);
	t->text = NULL;
}
