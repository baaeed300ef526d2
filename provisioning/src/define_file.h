/*
 * Files of definitions for `branchline define apply`: one JSON object of lists
 * by kind, each definition with its id.
 *
 *   {"processes": [...], "kpis": [...], "rules": [...], "channels": [...]}
 *
 * Read and checked whole before anything is sent: what the collector can check
 * better (fields, expressions) is left to it.
 */
#ifndef DEFINE_FILE_H
#define DEFINE_FILE_H

#include <stddef.h>

#include <jansson.h>

#define DEFINE_FILE_BYTES 1048576u /* of one file */
#define DEFINE_FILE_ITEMS 500u     /* of all files; the collector keeps no more of a kind */

/* In the order in which they are sent: what others name comes first. */
enum define_file_kind { FILE_CHANNELS = 0, FILE_PROCESSES, FILE_KPIS, FILE_RULES, FILE_KINDS };
/* "channels" (member and path), "channel" (for people). */
extern const char *const define_file_plural[FILE_KINDS];
extern const char *const define_file_singular[FILE_KINDS];

struct define_file_item {
	enum define_file_kind kind;
	const char *file, *id; /* borrowed: from the command line, from body */
	json_t *body;          /* owned by the set; without its id when sent as a change */
};

struct define_file_set {
	size_t n;
	struct define_file_item item[DEFINE_FILE_ITEMS];
};

/* Adds a file's definitions; every fault is one line on standard error.  The number of faults. */
unsigned define_file_read(struct define_file_set *set, const char *path);
void define_file_free(struct define_file_set *set);

#endif
