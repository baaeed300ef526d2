/* What clockmap.c (the wall clock, who is believed) and clockmap_fit.c (the interval, segments)
 * share. */
#ifndef CLOCKMAP_INTERNAL_H
#define CLOCKMAP_INTERNAL_H

#include "clockmap.h"

/* The interval is carried on to now, without a word. */
void clockmap_fit_advance(struct clockmap *m, const struct clockmap_now *now);
/* A measure: the true offset is offset_ms, give or take doubt_ms. */
void clockmap_fit_measure(struct clockmap *m, int64_t boot_ms, double offset_ms, double doubt_ms,
    enum bl_clock_source source, struct clockmap_result *r);
/* Another segment when the newest one does not hold the interval any more. */
void clockmap_fit_tell(struct clockmap *m, int64_t boot_ms, struct clockmap_result *r);
/* NTP was lost, and some hours ago: the kernel says so late. */
void clockmap_fit_lost(struct clockmap *m);
/* A segment as it is: false when the budget, or r, is full. */
bool clockmap_fit_emit(struct clockmap *m, struct clockmap_result *r, int64_t from_boot_ms,
    double offset_ms, double doubt_ms, enum bl_clock_source source);

#endif
