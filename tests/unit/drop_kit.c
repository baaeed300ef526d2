#include "drop_kit.h"

const char steps_conf[] = STEPS_CONF;

/* ---- files ---- */

const char *
path_in(struct world *w, const char *name)
{
	static char path[4][512];
	static unsigned i;
	char *out = path[i++ % 4];

	(void)snprintf(out, sizeof(path[0]), "%s/%s", w->in, name);
	return out;
}

void
put(struct world *w, const char *name, const char *text, size_t len, const char *mode)
{
	FILE *f = fopen(path_in(w, name), mode);

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

void
write_file(struct world *w, const char *name, const char *text)
{
	put(w, name, text, strlen(text), "w");
}

bool
is_there(struct world *w, const char *name)
{
	struct stat st;

	return lstat(path_in(w, name), &st) == 0;
}

/* NULL: there is none. */
const char *
text_of(struct world *w, const char *name)
{
	FILE *f = fopen(path_in(w, name), "r");
	size_t n;

	if (f == NULL)
		return NULL;
	n = fread(w->file, 1, sizeof(w->file) - 1, f);
	w->file[n] = '\0';
	assert_int_equal(fclose(f), 0);
	return w->file;
}

/* The lines of bad/NAME behind its first, which holds an identity. */
const char *
bad_of(struct world *w, const char *name)
{
	const char *text = text_of(w, name);

	assert_non_null(text);
	assert_memory_equal(text, "# not taken from ", 17);
	return strchr(text, '\n') + 1;
}

unsigned
count_in(struct world *w, const char *sub)
{
	DIR *d = opendir(path_in(w, sub));
	const struct dirent *e;
	unsigned n = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_type == DT_REG;
	assert_int_equal(closedir(d), 0);
	return n;
}

/* ---- the inlet ---- */

void
open_inlet(struct world *w)
{
	struct bl_err err = { 0 };

	if (drop_ops.open(&w->inlet, &w->conf, &w->host->host, &err) != BL_OK)
		fail_msg("%s", err.msg);
	assert_non_null(w->inlet);
	fake_host_inlet(w->host, &drop_ops, w->inlet);
}

void
close_inlet(struct world *w)
{
	drop_ops.finish(w->inlet);
	drop_ops.close(w->inlet);
	w->inlet = NULL;
}

/* What was under way is answered to the next inlet, which did not ask. */
void
open_again(struct world *w)
{
	open_inlet(w);
	fake_host_answer(w->host, BL_EIO);
}

void
configure(struct world *w, const char *options)
{
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	char text[4096];
	const int n = snprintf(text, sizeof(text),
	    "{folders: [{name: orders, path: %s, types: [tmpfs, overlay], %s}]}", w->in, options);

	assert_true(n > 0 && (size_t)n < sizeof(text));
	if (bl_conf_parse("drop", text, (size_t)n, &drop_conf_section, &w->conf, &errors, &err) !=
	    BL_OK)
		fail_msg("%s", errors.n_kept > 0 ? errors.line[0] : err.msg);
	bl_conf_errors_free(&errors);
	open_inlet(w);
}

int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	folder_make(w->dir, "drop");
	(void)snprintf(w->in, sizeof(w->in), "%s/in", w->dir);
	(void)snprintf(w->state, sizeof(w->state), "%s/state", w->dir);
	assert_int_equal(mkdir(w->in, 0700), 0);
	assert_int_equal(mkdir(w->state, 0700), 0);
	w->host = fake_host_create(w->state);
	w->host->at_once = true;
	*state = w;
	return 0;
}

int
teardown(void **state)
{
	struct world *w = *state;

	if (w->inlet != NULL)
		close_inlet(w);
	bl_conf_release(&drop_conf_section, &w->conf);
	fake_host_free(w->host);
	folder_remove(w->dir);
	free(w);
	return 0;
}

/* Ten seconds, a second at a time. */
void
pass(struct world *w)
{
	for (unsigned i = 0; i < 10; i++)
		fake_host_pass(w->host, 1000);
}

/* Ids hold the file's identity: they are checked apart, and left out here. */
const char *
without_ids(const char *said)
{
	static char out[65536];
	char *to = out;

	while (*said != '\0') {
		if (strncmp(said, " id=", 4) == 0)
			said += 4 + strcspn(said + 4, " \n");
		*to++ = *said++;
	}
	*to = '\0';
	return out;
}
