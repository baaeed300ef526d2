/* Between the two files of the intake. */
#ifndef INTAKE_INTERNAL_H
#define INTAKE_INTERNAL_H

#include "intake.h"

#define INTAKE_LABEL_MAX (BL_LABELS_MAX + 1u) /* while they are put together */

/* A definition with the bytes of its name; the labels' lie where they were heard, but for those
 * that were cleaned. */
struct intake_def {
	char name[BL_NAME_MAX + 1];
	char clean[BL_LABELS_MAX * BL_LABEL_VALUE_MAX];
	struct bl_series_def def;
};

/*
 * What n is called with us.  -1, or enum intake_reason.  Borrows n and source, whose bytes out
 * points into.
 */
int intake_define(
    struct intake_def *out, const struct intake_name *n, const char *prefix, const char *source);

#endif
