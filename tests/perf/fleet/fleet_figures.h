/* What is measured: spans of time in a histogram, and how it is told. */
#ifndef FLEET_FIGURES_H
#define FLEET_FIGURES_H

#include <stdint.h>
#include <stdio.h>

/* From 1 us to 4,295 s, 32 steps an octave: a quantile is off by 3 % at most. */
#define FLEET_HISTOGRAM 1024u

struct fleet_histogram {
	uint64_t n;
	int64_t max_us;
	uint64_t count[FLEET_HISTOGRAM];
};

void fleet_histogram_add(struct fleet_histogram *h, int64_t us);
/* The upper end of the step in which the q-th of all lies; 0 when there is none. */
int64_t fleet_histogram_quantile(const struct fleet_histogram *h, double q);
/* `NAME_p50_ms`, `_p99_ms`, `_max_ms` as `name value unit` lines. */
void fleet_histogram_print(const struct fleet_histogram *h, const char *name, FILE *out);

#endif
