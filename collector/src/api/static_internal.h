/*
 * The web app's files, read into memory at start: a request's path is looked
 * up as text in a table, so there is no path to trick.
 */
#ifndef STATIC_INTERNAL_H
#define STATIC_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "branchline/err.h"
#include "http_internal.h"

#define STATIC_FILES_MAX 4000u
#define STATIC_BYTES_MAX (128u * 1024u * 1024u)
#define STATIC_DEPTH_MAX 8

struct static_files;

/* Reads everything below root.  A link that leads out of it is refused, not followed. */
int static_load(struct static_files **out, const char *root, struct bl_err *err);
void static_free(struct static_files *f);
size_t static_count(const struct static_files *f);

/*
 * Answers with the file, 304, or (a person's navigation to a page of the app)
 * index.html.  False: there is no such file.  The answer borrows from f.
 */
bool static_answer(
    const struct static_files *f, const struct http_request *q, struct http_answer *a);

/* For tests: what a path is served as; NULL: no such file. */
const char *static_type(const char *path);
bool static_immutable(const char *path);

#endif
