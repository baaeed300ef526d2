/* The table of mounts, for the samplers that touch paths from the configuration. */
#include "sample_watch_internal.h"

#include <stdlib.h>

#define MOUNTS_BYTES (128 * 1024) /* untouched pages cost nothing */

int
sample_watch_mounts_init(struct sample_watch_mounts *m, const struct bl_conf_strlist *types,
    const char *root, struct bl_err *err)
{
	*m = (struct sample_watch_mounts){
		.types = types, .always = root[0] != '\0', .len = BL_ENOTFOUND
	};
	if ((m->text = malloc(MOUNTS_BYTES)) == NULL)
		return bl_fail(err, BL_ENOMEM, "sample: out of memory");
	return sample_file_init(&m->file, root, "/proc/self/mountinfo", err);
}

void
sample_watch_mounts_close(struct sample_watch_mounts *m)
{
	sample_file_close(&m->file);
	free(m->text);
	m->text = NULL;
}

bool
sample_watch_mounts_look(struct sample_watch_mounts *m)
{
	struct bl_err ignored = { 0 };
	bool cut;

	if (m->len >= 0 && !m->always && !sample_file_changed(&m->file))
		return false;
	m->len = sample_file_read(&m->file, m->text, MOUNTS_BYTES, &cut, &ignored);
	if (m->len >= 0 && cut)
		m->len = BL_EFULL; /* the mount that matters may be in the rest */
	return true;
}

bool
sample_watch_mounts_harmless(const struct sample_watch_mounts *m, const char *path)
{
	return m->len >= 0 && sample_mounts_harmless(m->text, (size_t)m->len, m->types, path);
}
