/* `branchline-agent top` */
#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "branchline/clock.h"

#include "config.h"
#include "status.h"
#include "top_term.h"

#define EVERY_MS      2000
#define EVERY_SLOW_MS 10000
#define AGAIN_MS      200 /* a line that carries an earlier screen still is looked at again */

static const char help[] =
    "usage: branchline-agent top [--config FILE | --state DIR] [--every TIME] [--once | --json]\n"
    "\n"
    "Shows what the running agent measures now: every series with its last value, the\n"
    "probes, what waits for the centre, the link. In a terminal it follows, every 2 s (10 s\n"
    "over a serial line); --every 5s: that often.\n"
    "\n"
    "  q, Ctrl-C            quit\n"
    "  arrows, PgUp, PgDn   scroll; Home, End (or k, j, b, space, g, G)\n"
    "  /                    filter by words of name, label or description; Enter keeps it,\n"
    "                       Esc removes it\n"
    "  Ctrl-L               draw all of it anew\n"
    "\n"
    "  --once   print it once and end; the same where output is no terminal. Lines are cut at\n"
    "           COLUMNS or at the terminal's width, where there is neither not at all\n"
    "  --json   print all of it as JSON, for programs\n"
    "\n"
    "Chinese where LC_ALL, LC_MESSAGES or LANG says zh and UTF-8. Asks over the control\n"
    "socket: for root and the agent's own user. Exit code 2: the agent is not running.\n";

struct top {
	const char *dir;
	struct top_term *term;
	struct top_view view;
	struct top_frame frame;
	json_t *now;
	char filter[TOP_FILTER + 1];
	char lost[256];
	int64_t answered_mono_ms, every_ms;
};

static const char *
locale_name(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *v = getenv(names[i]);

		if (v != NULL && v[0] != '\0')
			return v;
	}
	return "";
}

static void
languages(struct top_view *v)
{
	const char *name = locale_name();

	v->utf8 = strcasestr(name, "utf-8") != NULL || strcasestr(name, "utf8") != NULL;
	v->zh = v->utf8 && strncmp(name, "zh", 2) == 0;
}

/* Keeps the last answer when there is no new one. */
static int
ask(struct top *t, struct bl_err *err)
{
	json_t *now;
	const int rc = status_ask_now(t->dir, &now, err);

	if (rc < 0) {
		(void)snprintf(t->lost, sizeof(t->lost), "%s", err->msg);
		return rc;
	}
	json_decref(t->now);
	t->now = now;
	t->lost[0] = '\0';
	t->answered_mono_ms = bl_mono_ms(bl_clock_real());
	return BL_OK;
}

/* False: there is something to draw still. */
static bool
draw(struct top *t, bool all)
{
	struct top_view *v = &t->view;
	unsigned last;

	top_term_size(t->term, &v->rows, &v->cols);
	v->filter = t->filter;
	v->lost = t->lost[0] != '\0' ? t->lost : NULL;
	v->lost_ms = bl_mono_ms(bl_clock_real()) - t->answered_mono_ms;
	top_draw(t->now, v, &t->frame);
	/* Never beyond the last page. */
	last = t->frame.body > v->rows / 2 ? t->frame.body - v->rows / 2 : 0;
	if (v->scroll > last) {
		v->scroll = last;
		top_draw(t->now, v, &t->frame);
	}
	return top_term_show(t->term, &t->frame, all);
}

/* ---- keys ---- */

static void
scroll(struct top *t, enum top_key key)
{
	const unsigned page = t->frame.shown > 1 ? t->frame.shown - 1 : 1;
	unsigned *at = &t->view.scroll;

	switch (key) {
	case TOP_UP:
		*at -= *at > 0 ? 1 : 0;
		break;
	case TOP_DOWN:
		*at += 1;
		break;
	case TOP_PAGE_UP:
		*at -= *at > page ? page : *at;
		break;
	case TOP_PAGE_DOWN:
		*at += page;
		break;
	case TOP_HOME:
		*at = 0;
		break;
	case TOP_END:
		*at = t->frame.body;
		break;
	default:
		break;
	}
}

static void
type(struct top *t, enum top_key key, char c)
{
	size_t n = strlen(t->filter);

	t->view.scroll = 0;
	if (key == TOP_TEXT && n < TOP_FILTER) {
		t->filter[n] = c;
		t->filter[n + 1] = '\0';
	} else if (key == TOP_RUBOUT && n > 0) {
		while (n > 1 && (t->filter[n - 1] & 0xc0) == 0x80)
			n--; /* a character of several bytes */
		t->filter[n - 1] = '\0';
	} else if (key == TOP_ESCAPE) {
		t->filter[0] = '\0';
	}
	if (key == TOP_ENTER || key == TOP_ESCAPE)
		t->view.typing = false;
}

static enum top_key
letter(char c)
{
	static const struct {
		char c;
		enum top_key key;
	} letters[] = { { 'k', TOP_UP }, { 'j', TOP_DOWN }, { 'b', TOP_PAGE_UP },
		{ ' ', TOP_PAGE_DOWN }, { 'g', TOP_HOME }, { 'G', TOP_END }, { 'q', TOP_QUIT } };

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].c == c)
			return letters[i].key;
	return TOP_NOTHING;
}

/* False: quit. */
static bool
on_key(struct top *t, enum top_key key, char c)
{
	if (key == TOP_QUIT)
		return false;
	if (t->view.typing) {
		type(t, key, c);
		return true;
	}
	if (key == TOP_TEXT && c == '/') {
		t->view.typing = true;
		return true;
	}
	if (key == TOP_ESCAPE)
		t->filter[0] = '\0';
	if (key == TOP_TEXT)
		key = letter(c);
	scroll(t, key);
	return key != TOP_QUIT;
}

static int
follow(struct top *t)
{
	struct bl_err err = { 0 };
	bool all = true, going = true;
	int64_t next;

	if (top_term_open(&t->term, &err) < 0) {
		(void)fprintf(stderr, "branchline-agent: %s\n", err.msg);
		return 1;
	}
	if (t->every_ms == 0)
		t->every_ms = top_term_slow(t->term) ? EVERY_SLOW_MS : EVERY_MS;
	next = bl_mono_ms(bl_clock_real()) + t->every_ms;
	while (going) {
		const bool drawn = draw(t, all);
		int64_t left = next - bl_mono_ms(bl_clock_real());
		enum top_key key = TOP_NOTHING;
		char c = '\0';

		if (!drawn && left > AGAIN_MS)
			left = AGAIN_MS;
		if (left > 0)
			key = top_term_key(t->term, left, &c);
		all = key == TOP_RESIZED || key == TOP_REDRAW;
		going = on_key(t, key, c);
		if (going && bl_mono_ms(bl_clock_real()) >= next) {
			(void)ask(t, &err);
			next = bl_mono_ms(bl_clock_real()) + t->every_ms;
		}
	}
	top_term_close(t->term);
	return 0;
}

static int
once(struct top *t)
{
	const char *cols = getenv("COLUMNS");
	const unsigned long n = cols != NULL ? strtoul(cols, NULL, 10) : 0;

	if (n >= TOP_COLS_MIN && n <= TOP_COLS_MAX)
		t->view.cols = (unsigned)n;
	else if (isatty(STDOUT_FILENO))
		top_term_size(NULL, &t->view.rows, &t->view.cols);
	else
		t->view.cols = 0;
	t->view.rows = 0;
	t->view.style = false;
	t->view.filter = "";
	top_draw(t->now, &t->view, &t->frame);
	if (t->frame.text.failed)
		return 1;
	for (unsigned i = 0; i < t->frame.n; i++) {
		const char *line = top_line(&t->frame, i);
		size_t len = strlen(line);

		while (len > 0 && line[len - 1] == ' ')
			len--;
		(void)printf("%.*s\n", (int)len, line);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

static int
run(struct top *t, bool as_json, bool only_once)
{
	struct bl_err err = { 0 };

	if (ask(t, &err) < 0) {
		(void)fprintf(stderr, "branchline-agent: %s\n", err.msg);
		if (err.code == BL_EDENIED)
			(void)fprintf(stderr, "  run this as root or as the agent's own user\n");
		if (err.code == BL_ENOTFOUND)
			(void)fprintf(stderr, "  it does not run, or not with this state folder; "
					      "`branchline-agent status` "
					      "reads its spool\n");
		return STATUS_DEAD;
	}
	languages(&t->view);
	t->view.style = true;
	if (as_json) {
		if (json_dumpf(t->now, stdout, JSON_INDENT(1) | JSON_ENSURE_ASCII) != 0)
			return 1;
		return putchar('\n') == EOF || fflush(stdout) != 0 ? 1 : 0;
	}
	if (only_once || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return once(t);
	return follow(t);
}

int
cmd_top(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT, *every = NULL;
	int as_json = 0, only_once = 0, code;
	struct top t = { 0 };
	const struct cmd_option options[] = { { "--config", &path, NULL },
		{ "--state", &t.dir, NULL }, { "--every", &every, NULL },
		{ "--once", NULL, &only_once }, { "--json", NULL, &as_json },
		{ NULL, NULL, NULL } };
	struct config *c;

	if ((code = cmd_options_read(argc, argv, options, NULL, 0, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if (every != NULL && (!bl_conf_duration_parse(every, &t.every_ms) || t.every_ms < 500)) {
		(void)fprintf(stderr,
		    "branchline-agent: --every wants a time of at least 500ms, like 5s, not "
		    "\"%s\"\n",
		    every);
		return CMD_EXIT_USAGE;
	}
	if ((code = cmd_state_dir(path, &t.dir, &c)) != 0)
		return code;
	code = run(&t, as_json, only_once);
	json_decref(t.now);
	bl_buf_free(&t.frame.text);
	config_free(c);
	return code;
}
