#include "inlet_kit.h"

int64_t
fake_mono(void *ctx)
{
	return ((struct fake *)ctx)->mono_ms;
}

void
fake_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	memset(out, 0xff, len); /* the next round comes round to 0 */
}

int
fake_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	const struct bl_str *what = r->kind == INLET_METRIC ? &r->def.name : &r->ev.attr[1].text;
	struct fake *f = ctx;

	if (f->sink_rc < 0)
		return bl_fail(err, f->sink_rc, "the sink says so");
	assert_true(f->n_held < HELD);
	f->events++;
	f->last_user = r->user;
	f->held[f->n_held++] = token;
	(void)snprintf(f->last_case, sizeof(f->last_case), "%.*s", (int)what->len, what->p);
	return BL_OK;
}

void
fake_problem(void *ctx, char *out, size_t size)
{
	(void)snprintf(out, size, "%s", ((struct fake *)ctx)->problem);
}

int
fake_open_at(struct fake *f, const char *path, struct inlet **out, struct bl_err *err)
{
	const struct inlet_opts opts = { .path = path,
		.mode = 0640,
		.clock = &f->clock,
		.sink = { f, fake_report, fake_problem } };

	return inlet_open(out, &opts, err);
}

int
setup(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct bl_err err = { 0 };

	f->mono_ms = 1000000;
	f->clock = (struct bl_clock){ .ctx = f, .mono_ms = fake_mono, .random = fake_random };
	f->problem = "";
	f->answers_at_once = true;
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/bl-inlet-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/steps.sock", f->dir);
	if (fake_open_at(f, f->path, &f->in, &err) < 0)
		fail_msg("open: %s", err.msg);
	*state = f;
	return 0;
}

int
teardown(void **state)
{
	struct fake *f = *state;

	inlet_close(f->in);
	assert_int_equal(access(f->path, F_OK), -1); /* nothing stays behind */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

void
answer_held(struct fake *f, int rc)
{
	const unsigned n = f->n_held;

	f->n_held = 0;
	for (unsigned i = 0; i < n; i++)
		inlet_done(f->in, f->held[i], rc);
}

unsigned
serve(struct fake *f)
{
	struct pollfd p = { inlet_fd(f->in), POLLIN, 0 };
	unsigned turns = 0;

	while (poll(&p, 1, 0) == 1 || inlet_deadline(f->in) <= f->mono_ms) {
		inlet_serve(f->in);
		if (f->answers_at_once)
			answer_held(f, 0);
		assert_true(++turns < 5000); /* a spin */
	}
	return turns;
}

int
dial_path(const char *path)
{
	struct sockaddr_un sa;
	int dir_fd, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(inlet_address(path, &sa, &dir_fd, NULL), BL_OK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (dir_fd >= 0)
		assert_int_equal(close(dir_fd), 0);
	return fd;
}

int
dial(struct fake *f)
{
	return dial_path(f->path);
}

void
say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

const char *
heard(int fd, bool *end)
{
	static char text[65536];
	size_t len = 0;
	ssize_t n;

	*end = false;
	while ((n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) > 0)
		len += (size_t)n;
	*end = n == 0 || (n < 0 && errno == ECONNRESET); /* the latter: something was not read */
	text[len] = '\0';
	return text;
}

void
hear(int fd, const char *want)
{
	bool end;

	assert_string_equal(heard(fd, &end), want);
	assert_false(end);
}

void
hear_the_end(int fd, const char *want)
{
	bool end;

	assert_string_equal(heard(fd, &end), want);
	assert_true(end);
	assert_int_equal(close(fd), 0);
}
