/* The page's files, as the build took them from page/. */
#ifndef LOCAL_FILES_H
#define LOCAL_FILES_H

#include <stddef.h>

#include "branchline/buf.h"

struct local_file {
	const char *path, *type; /* NULL ends the list */
	const unsigned char *data;
	const size_t *len;
};

extern const struct local_file local_files[];

/* Every word that the page shows, in both languages, with the catalogue of metrics, as JSON. */
void local_words_json(struct bl_buf *out);

#endif
