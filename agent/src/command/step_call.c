/* Options to a line, a line to the agent; see the header. */
#include "step_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "branchline/clock.h"

#include "commands.h"
#include "config.h"
#include "inlet.h"
#include "inlet_line.h"

/* ---- options ---- */

static int
mistake(const struct step_form *form, const char *what, const char *word)
{
	(void)fprintf(stderr, "branchline-agent: %s: %s%s%s%s; --help tells what there is\n",
	    form->name, what, word != NULL ? " \"" : "", word != NULL ? word : "",
	    word != NULL ? "\"" : "");
	return 2;
}

/* A column of somebody's table that is called `at` would move a report in time without a word. */
static bool
is_option(const struct step_form *form, const char *word, size_t name)
{
	const struct {
		const char *name;
		bool is;
	} options[] = { { "id", true }, { "at", true }, { "process", form->of_case },
		{ "unit", form->of_metric }, { "kind", form->of_metric } };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].is && strlen(options[i].name) == name &&
		    strncmp(word, options[i].name, name) == 0)
			return true;
	return false;
}

static int
check_words(const struct step_args *args, const struct step_form *form)
{
	for (size_t i = 0; i < args->n_words; i++) {
		const size_t name = strcspn(args->word[i], "= \t\r\n\"");

		if (name == 0 || args->word[i][name] != '=')
			return mistake(
			    form, "expected NAME=VALUE, a name without spaces, got", args->word[i]);
		if (is_option(form, args->word[i], name))
			return mistake(form, "expected an attribute, not what an option says, got",
			    args->word[i]);
	}
	return 0;
}

/* The words before the attributes, each in its place. */
static int
take_places(const struct step_form *form, struct step_args *args)
{
	size_t n = 0;

	for (; n < 2 && form->place[n] != NULL; n++) {
		if (n == args->n_words || strchr(args->word[n], '=') != NULL)
			return mistake(form, "expected", form->place[n]);
		args->place[n] = args->word[n];
	}
	args->n_words -= n;
	memmove(args->word, args->word + n, args->n_words * sizeof(args->word[0]));
	return 0;
}

int
step_args_read(int argc, char **argv, const struct step_form *form, struct step_args *out)
{
	struct cmd_option options[13] = {
		{ "--id", &out->id, NULL },
		{ "--config", &out->config, NULL },
		{ "--socket", &out->socket, NULL },
	};
	const struct cmd_option of_case[] = { { "--process", &out->process, NULL },
		{ "--case", &out->case_id, NULL }, { "--step", &out->step, NULL } };
	size_t n = 3;
	int rc;

	memset(out, 0, sizeof(*out));
	if (form->json) { /* else it happens now */
		options[n++] = (struct cmd_option){ "--json", NULL, &out->json };
		options[n++] = (struct cmd_option){ "--at", &out->at, NULL };
	}
	if (!form->of_metric)
		options[n++] = (struct cmd_option){ "--text", NULL, &out->text };
	if (form->of_case)
		options[n++] = of_case[0];
	if (form->of_case && form->place[0] == NULL)
		options[n++] = of_case[1];
	else if (form->of_case)
		options[n++] = (struct cmd_option){ "--status", &out->status, NULL };
	if (form->step_must || form->step_may)
		options[n++] = of_case[2];
	if (form->of_metric) {
		options[n++] = (struct cmd_option){ "--unit", &out->unit, NULL };
		options[n++] = (struct cmd_option){ "--kind", &out->kind, NULL };
	}
	rc = cmd_options_read(argc, argv, options, out->word, BL_ATTRS_MAX + 2, form->help);
	if (rc != 0)
		return rc;
	while (out->n_words < BL_ATTRS_MAX + 2 && out->word[out->n_words] != NULL)
		out->n_words++;
	if (form->of_case && form->place[0] == NULL && out->case_id == NULL)
		return mistake(form, "--case is missing", NULL);
	if (form->step_must && out->step == NULL)
		return mistake(form, "--step is missing", NULL);
	if ((rc = take_places(form, out)) != 0)
		return rc;
	return check_words(out, form);
}

/* ---- the line ---- */

/* What is checked has columns that the caller of a command never saw. */
static void
strip_column(struct bl_err *err)
{
	const char *text = strstr(err->msg, ": ");

	if (strncmp(err->msg, "column ", 7) == 0 && text != NULL)
		memmove(err->msg, text + 2, strlen(text + 2) + 1);
}

static void
put_pair(struct bl_buf *out, const char *pair, bool as_text)
{
	const char *equals = strchr(pair, '=');
	char *key = strndup(pair, (size_t)(equals - pair));

	if (key == NULL) {
		out->failed = true;
		return;
	}
	if (as_text)
		inlet_line_put_text(out, key, equals + 1);
	else
		inlet_line_put_value(out, key, equals + 1);
	free(key);
}

static void
put_id(struct bl_buf *out, const char *id, const char *suffix)
{
	char *whole = NULL;

	if (asprintf(&whole, "%s%s", id, suffix != NULL ? suffix : "") < 0) {
		out->failed = true;
		return;
	}
	inlet_line_put_text(out, "id", whole);
	free(whole);
}

int
step_line(const struct step_args *args, const char *verb, const char *id_suffix, const char *more,
    struct bl_buf *out, struct bl_err *err)
{
	const struct {
		const char *key, *value;
	} said[] = { { "process", args->process }, { "status", args->status }, { "at", args->at },
		{ "unit", args->unit }, { "kind", args->kind } };
	const char *words[] = { args->place[0], args->place[1], args->case_id, args->step };
	struct inlet_line *check = malloc(sizeof(*check));
	int rc;

	bl_buf_bytes(out, verb, strlen(verb));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i] != NULL)
			inlet_line_put_word(out, words[i]);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (said[i].value != NULL)
			inlet_line_put_text(out, said[i].key, said[i].value);
	if (args->id != NULL)
		put_id(out, args->id, id_suffix);
	for (size_t i = 0; i < args->n_words; i++)
		put_pair(out, args->word[i], args->text != 0);
	if (more != NULL)
		put_pair(out, more, false);
	if (check == NULL || out->failed)
		rc = bl_fail(err, out->failed ? BL_EINVAL : BL_ENOMEM,
		    out->failed ? "the arguments are too long together" : "out of memory");
	else if ((rc = inlet_line_parse((const char *)out->data, out->len, check, err)) < 0)
		strip_column(err);
	free(check);
	bl_buf_u8(out, '\n');
	return rc;
}

/* ---- the socket ---- */

static int
usual(char **out, struct bl_err *err)
{
	*out = strdup(CONFIG_STATE_DEFAULT "/" CONFIG_STEPS_SOCKET);
	return *out != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "out of memory");
}

/*
 * Somebody may be editing it: what has happened is reported whatever else it says just now.  But
 * where a file was named and is not there, the usual place may be another agent's.
 */
static int
of_config(const char *path, bool named, struct step_place *out, struct bl_err *err)
{
	struct bl_conf_errors errors;
	bool enabled = true;
	int rc = config_steps_socket(path, &out->socket, &enabled, &errors, err);
	const char *why = rc < 0 ? err->msg : errors.n_kept > 0 ? errors.line[0] : NULL;

	if (rc < 0 && rc != BL_ENOMEM && !named)
		rc = usual(&out->socket, err);
	if (rc == BL_OK && why != NULL)
		(void)snprintf(out->warning, sizeof(out->warning),
		    "the configuration cannot be used as it is (%s); the report goes to %s", why,
		    out->socket);
	else if (rc == BL_OK && !enabled)
		rc = bl_fail(err, BL_ENOTFOUND,
		    "the agent takes no steps: inlets.steps.enabled is no in %s", path);
	bl_conf_errors_free(&errors);
	return rc;
}

int
step_place_find(const struct step_args *args, struct step_place *out, struct bl_err *err)
{
	memset(out, 0, sizeof(*out));
	if (args->socket == NULL &&
	    (args->config != NULL || access(CONFIG_FILE_DEFAULT, R_OK) == 0))
		return of_config(args->config != NULL ? args->config : CONFIG_FILE_DEFAULT,
		    args->config != NULL, out, err);
	/* Who reports need not be allowed to read the agent's configuration. */
	if (args->socket == NULL)
		return usual(&out->socket, err);
	out->socket = strdup(args->socket);
	return out->socket != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "out of memory");
}

static int
refused(const char *path, struct bl_err *err)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		return bl_fail(
		    err, BL_ENOTFOUND, "no agent takes reports at %s: is it running?", path);
	case EACCES:
	case EPERM:
		return bl_fail(err, BL_EDENIED,
		    "not allowed to report at %s: inlets.steps of its configuration says who "
		    "is",
		    path);
	case EAGAIN:
		return bl_fail(err, BL_ETIMEDOUT, "the agent at %s is too busy", path);
	default:
		return bl_fail_errno(err, BL_EIO, "connect to the agent at %s", path);
	}
}

/* Every call on it ends within ms. */
static int
limit_wait(int fd, int64_t ms, struct bl_err *err)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
		.tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) != 0)
		return bl_fail_errno(err, BL_EIO, "limit the wait for the agent");
	return BL_OK;
}

static int
connect_to(const char *path, int wait_ms, int *out, struct bl_err *err)
{
	struct sockaddr_un sa;
	int dir_fd, rc;

	*out = -1;
	if ((rc = inlet_address(path, &sa, &dir_fd, err)) < 0)
		return rc;
	if ((*out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		rc = bl_fail_errno(err, BL_EIO, "make a socket");
	else if ((rc = limit_wait(*out, wait_ms, err)) == BL_OK &&
		 connect(*out, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		rc = refused(path, err);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return rc;
}

static int
say(int fd, const struct bl_buf *line, struct bl_err *err)
{
	size_t at = 0;
	ssize_t n;

	while (at < line->len) {
		n = send(fd, line->data + at, line->len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return bl_fail(err, BL_ETIMEDOUT, "the agent does not listen");
		/* It may have said why before it closed. */
		if (n < 0)
			return BL_OK;
		at += (size_t)n;
	}
	return BL_OK;
}

/* Up to the newline. */
static int
hear(int fd, int wait_ms, char *answer, size_t size, struct bl_err *err)
{
	const int64_t end = bl_mono_ms(bl_clock_real()) + wait_ms;
	size_t len = 0;
	ssize_t n;

	for (;;) {
		n = recv(fd, answer + len, size - 1 - len, 0);
		if (n < 0 && errno == EINTR && bl_mono_ms(bl_clock_real()) < end)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return bl_fail(err, BL_ETIMEDOUT,
			    "the agent did not answer within %d s; whether it has the report is "
			    "not "
			    "known: say it again with the same --id",
			    wait_ms / 1000);
		if (n <= 0)
			return bl_fail(err, BL_ENET,
			    "the agent went away before it answered; whether it has the step is "
			    "not "
			    "known: say it again with the same --id");
		len += (size_t)n;
		answer[len] = '\0';
		if (memchr(answer, '\n', len) != NULL || len == size - 1)
			break;
	}
	answer[strcspn(answer, "\n")] = '\0';
	return BL_OK;
}

int
step_call(const char *path, const struct bl_buf *line, int wait_ms, char *answer, size_t size,
    struct bl_err *err)
{
	int fd, rc;

	if ((rc = connect_to(path, wait_ms, &fd, err)) == BL_OK &&
	    (rc = say(fd, line, err)) == BL_OK)
		rc = hear(fd, wait_ms, answer, size, err);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}
