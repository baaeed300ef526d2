/*
 * sample_print: prints the samplers there are.
 * sample_print SAMPLER [OPTIONS]: opens one sampler on this machine and prints
 * what it puts in two ticks, "name{label} value" a line, after a line "tick".
 * Between the two it waits for a line on its standard input.  For tests that
 * compare with other tools.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

#define MOST 512

static char key[MOST][BL_NAME_MAX + BL_LABEL_VALUE_MAX + 4];
static int n_keys;

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	(void)ctx;
	if (n_keys == MOST)
		return BL_EFULL;
	if (def->n_labels == 0)
		(void)snprintf(
		    key[n_keys], sizeof(key[0]), "%.*s", (int)def->name.len, def->name.p);
	else
		(void)snprintf(key[n_keys], sizeof(key[0]), "%.*s{%.*s}", (int)def->name.len,
		    def->name.p, (int)def->label[0].value.len, def->label[0].value.p);
	return n_keys++;
}

static void
put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	printf("%s %.17g\n", key[handle], value);
}

static void
unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	printf("%s unknown-%d\n", key[handle], (int)reason);
}

static void
event(void *ctx, const struct bl_event *ev)
{
	(void)ctx;
	(void)ev;
}

static int
run(const struct sampler_ops *ops, const char *options)
{
	struct sample_sink sink = { NULL, declare, put, unknown, NULL, event };
	struct bl_conf_errors errors = { 0 };
	struct bl_err err = { 0 };
	struct sampler *s = NULL;
	void *conf = calloc(1, ops->options->size);
	int rc = conf == NULL ? BL_ENOMEM : BL_OK;

	if (rc == BL_OK)
		rc = bl_conf_parse(
		    ops->kind, options, strlen(options), ops->options, conf, &errors, &err);
	if (rc >= 0)
		rc = ops->open(&s, conf, "", 10000, &err);
	for (int64_t tick = 1; rc >= 0 && tick <= 2; tick++) {
		rc = ops->sample(s, tick * 3600000, &sink, &err);
		printf("tick\n");
		(void)fflush(stdout);
		if (tick == 1 && getchar() == EOF)
			break;
	}
	if (rc < 0)
		fprintf(stderr, "%s\n", errors.n_kept > 0 ? errors.line[0] : err.msg);
	bl_conf_errors_free(&errors);
	ops->close(s);
	if (conf != NULL)
		bl_conf_release(ops->options, conf);
	free(conf);
	return rc < 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && samplers[i] != NULL; i++)
		if (strcmp(samplers[i]->kind, argv[1]) == 0)
			return run(samplers[i], argc > 2 ? argv[2] : "{}");
	if (argc >= 2) {
		fprintf(stderr, "usage: sample_print [SAMPLER [OPTIONS]]\n");
		return 2;
	}
	for (size_t i = 0; samplers[i] != NULL; i++)
		printf("%s\n", samplers[i]->kind);
	return 0;
}
