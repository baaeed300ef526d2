/* The terminal; see the header. */
#include "top_term.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE_MS      50 /* what belongs to an arrow key comes at once, but for slow lines */
#define ESCAPE_SLOW_MS 500
#define BEGIN          "\033[?1049h\033[?25l\033[0m\033[2J"
#define END            "\033[0m\033[2J\033[H\033[?25h\033[?1049l"

struct top_term {
	struct termios before;
	sigset_t mask_before;
	int signal_fd;
	char *shown[TOP_ROWS_MAX]; /* what stands there; NULL: not known */
	char in[16];               /* bytes that were read and not used */
	size_t n_in;
};

static int
take_signals(struct top_term *t, struct bl_err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGWINCH);
	if (sigprocmask(SIG_BLOCK, &set, &t->mask_before) != 0 ||
	    (t->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "wait for signals");
	return BL_OK;
}

static int
make_raw(struct top_term *t, struct bl_err *err)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->before) != 0)
		return bl_fail_errno(err, BL_EIO, "read the terminal's settings");
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	/* Stopped in the middle it would leave the terminal as it is now. */
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
		return bl_fail_errno(err, BL_EIO, "change the terminal's settings");
	return BL_OK;
}

static void
send_all(const char *s, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* it is gone, which the next look at its input tells */
		s += n;
		len -= (size_t)n;
	}
}

int
top_term_open(struct top_term **out, struct bl_err *err)
{
	struct top_term *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (t == NULL)
		return bl_fail(err, BL_ENOMEM, "take the terminal over: out of memory");
	t->signal_fd = -1;
	if ((rc = make_raw(t, err)) < 0) {
		free(t);
		return rc;
	}
	if ((rc = take_signals(t, err)) < 0) {
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
		free(t);
		return rc;
	}
	send_all(BEGIN, sizeof(BEGIN) - 1);
	*out = t;
	return BL_OK;
}

static void
forget(struct top_term *t)
{
	for (unsigned i = 0; i < TOP_ROWS_MAX; i++) {
		free(t->shown[i]);
		t->shown[i] = NULL;
	}
}

void
top_term_close(struct top_term *t)
{
	if (t == NULL)
		return;
	send_all(END, sizeof(END) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
	(void)close(t->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &t->mask_before, NULL);
	forget(t);
	free(t);
}

static unsigned
within(unsigned n, unsigned min, unsigned max)
{
	return n < min ? min : n > max ? max : n;
}

void
top_term_size(const struct top_term *t, unsigned *rows, unsigned *cols)
{
	struct winsize w = { 0 };

	(void)t;
	/* A serial line says 0 x 0. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_row == 0 || w.ws_col == 0)
		w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	*rows = within(w.ws_row, TOP_ROWS_MIN, TOP_ROWS_MAX);
	*cols = within(w.ws_col, TOP_COLS_MIN, TOP_COLS_MAX);
}

bool
top_term_slow(const struct top_term *t)
{
	const speed_t s = cfgetospeed(&t->before);

	return s == B300 || s == B600 || s == B1200 || s == B2400 || s == B4800 || s == B9600 ||
	       s == B19200;
}

/* The line carries an earlier frame still. */
static bool
behind(void)
{
	int n = 0;

	return ioctl(STDOUT_FILENO, TIOCOUTQ, &n) == 0 && n > 0;
}

bool
top_term_show(struct top_term *t, const struct top_frame *f, bool all)
{
	struct bl_buf b;
	char move[32];

	if (!all && behind())
		return false;
	if (f->text.failed)
		return true;
	bl_buf_init(&b, 1u << 20);
	if (all) {
		forget(t);
		bl_buf_bytes(&b, "\033[2J", 4);
	}
	for (unsigned i = 0; i < f->n && i < TOP_ROWS_MAX; i++) {
		const char *line = top_line(f, i);

		if (t->shown[i] != NULL && strcmp(t->shown[i], line) == 0)
			continue;
		free(t->shown[i]);
		t->shown[i] = strdup(line);
		/* The last column first wraps when something follows it; then it is too late to
		 * clear the rest, so that is done before. */
		(void)snprintf(move, sizeof(move), "\033[%u;1H\033[K", i + 1);
		bl_buf_bytes(&b, move, strlen(move));
		bl_buf_bytes(&b, line, strlen(line));
	}
	if (!b.failed)
		send_all((const char *)b.data, b.len);
	else
		forget(t);
	bl_buf_free(&b);
	return true;
}

/* ---- keys ---- */

static enum top_key
on_signal(struct top_term *t)
{
	struct signalfd_siginfo s;
	enum top_key key = TOP_NOTHING;

	while (read(t->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s))
		key = s.ssi_signo != SIGWINCH ? TOP_QUIT : key == TOP_QUIT ? key : TOP_RESIZED;
	return key;
}

/* More bytes; false: none within so many ms.  *gone: there will be none. */
static bool
read_more(struct top_term *t, int64_t ms, bool *gone)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (t->n_in == sizeof(t->in) || poll(&p, 1, (int)ms) <= 0)
		return false;
	n = read(STDIN_FILENO, t->in + t->n_in, sizeof(t->in) - t->n_in);
	*gone = n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
	t->n_in += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void
use(struct top_term *t, size_t n)
{
	t->n_in -= n;
	memmove(t->in, t->in + n, t->n_in);
}

static const struct {
	const char *bytes; /* behind ESC */
	enum top_key key;
} sequences[] = {
	{ "[A", TOP_UP },
	{ "OA", TOP_UP },
	{ "[B", TOP_DOWN },
	{ "OB", TOP_DOWN },
	{ "[5~", TOP_PAGE_UP },
	{ "[6~", TOP_PAGE_DOWN },
	{ "[H", TOP_HOME },
	{ "OH", TOP_HOME },
	{ "[1~", TOP_HOME },
	{ "[F", TOP_END },
	{ "OF", TOP_END },
	{ "[4~", TOP_END },
};

/* What follows ESC: one of ours, or skipped whole. */
static enum top_key
escape(struct top_term *t)
{
	const int64_t wait = top_term_slow(t) ? ESCAPE_SLOW_MS : ESCAPE_MS;
	enum top_key key = TOP_NOTHING;
	size_t n = 2;
	bool gone;

	if (t->n_in < 2 && !read_more(t, wait, &gone)) {
		use(t, 1);
		return TOP_ESCAPE;
	}
	if (t->in[1] != '[' && t->in[1] != 'O') {
		use(t, 1);
		return TOP_ESCAPE;
	}
	/* Up to its last byte, '@' to '~'. */
	for (;;) {
		while (n >= t->n_in && t->n_in < sizeof(t->in))
			if (!read_more(t, wait, &gone)) {
				use(t, t->n_in);
				return TOP_NOTHING;
			}
		if (n >= t->n_in || (t->in[n] >= '@' && t->in[n] <= '~'))
			break;
		n++;
	}
	n = n < t->n_in ? n + 1 : t->n_in;
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		if (strlen(sequences[i].bytes) == n - 1 &&
		    memcmp(sequences[i].bytes, t->in + 1, n - 1) == 0)
			key = sequences[i].key;
	use(t, n);
	return key;
}

static enum top_key
plain(struct top_term *t, char *c)
{
	const char in = t->in[0];

	use(t, 1);
	*c = in;
	if (in == '\r' || in == '\n')
		return TOP_ENTER;
	if (in == 0x7f || in == 0x08)
		return TOP_RUBOUT;
	if (in == 0x0c)
		return TOP_REDRAW;
	if (in == 0x03 || in == 0x04)
		return TOP_QUIT;
	return (unsigned char)in >= 0x20 ? TOP_TEXT : TOP_NOTHING;
}

enum top_key
top_term_key(struct top_term *t, int64_t ms, char *c)
{
	struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->signal_fd, .events = POLLIN } };
	enum top_key key;
	bool gone = false;

	*c = '\0';
	if (t->n_in == 0 && poll(p, 2, (int)ms) <= 0)
		return TOP_NOTHING;
	if ((key = on_signal(t)) != TOP_NOTHING)
		return key;
	if (t->n_in == 0 && !read_more(t, 0, &gone))
		return gone ? TOP_QUIT : TOP_NOTHING;
	return t->in[0] == 0x1b ? escape(t) : plain(t, c);
}
