/*
 * For tests of the samplers: a sink that writes down what it is given, trees
 * of files, and samplers opened with options as they stand in a file.
 */
#ifndef SAMPLE_HARNESS_H
#define SAMPLE_HARNESS_H

#include "sample_internal.h"

/* ---- the sink; allocates nothing ---- */

#define SERIES_MAX 512

struct recorder {
	char key[SERIES_MAX][BL_NAME_MAX + BL_LABEL_VALUE_MAX + 4];
	double value[SERIES_MAX]; /* of the last tick; NAN: unknown */
	bool put[SERIES_MAX];
	int n;
	int refuse_from; /* handles from here on are refused */
	unsigned n_put, n_unknown;
	unsigned left_out; /* told by samplers, in all */
	size_t len;
	char text[64 * 1024];
};

struct sample_sink sink_of(struct recorder *r);
/* A new tick: nothing is put yet. */
void rec_tick(struct recorder *r);
/* What was put in this tick; fails the test when nothing was. */
double value_of(const struct recorder *r, const char *key);

/* ---- files ---- */

/* NULL: no such file.  The caller frees. */
char *slurp(const char *path, size_t *len);
/* Makes the folders of path, up to its last slash. */
void make_folders(char *path);
/* Writes over a file that is there, as /proc changes under an open descriptor. */
void put_file(const char *path, const char *text, size_t len);
void copy_tree(const char *from, const char *to);
void remove_tree(const char *path);
/* A new temporary folder. */
void root_make(char *root, size_t size);

/* ---- samplers ---- */

#define RUN_MAX 32 /* room for every sampler there is */

struct running {
	const struct sampler_ops *ops;
	void *conf;
	struct sampler *s;
};

void run_open(
    struct running *r, const struct sampler_ops *ops, const char *options, const char *root);
void run_close(struct running *r);
const struct sampler_ops *ops_of(const char *kind);
/* Fails the test when the sampler's table takes them. */
void options_refused(const char *kind, const char *options);

#endif
