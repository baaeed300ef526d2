/*
 * Memory that ends inside the code under test, and only there: its own
 * allocations (by nomem.h), or those that SQLite makes for it.  The spans in which
 * the code under test runs are marked; what the test itself needs is not counted.
 */
#ifndef ALLOC_FAULTS_H
#define ALLOC_FAULTS_H

#include <stdbool.h>

enum alloc_kind { ALLOC_OURS, ALLOC_SQLITE };

/* Once, before SQLite is used. */
void alloc_faults_install(void);
/* The nth allocation (1: the next) inside a span fails, once.  0: none. */
void alloc_plan(enum alloc_kind kind, unsigned nth);
bool alloc_fired(void);
void alloc_enter(void);
void alloc_leave(void);

#endif
