/*
 * Memory that ends where a test says.  bl_unit_test(... NOMEM) links this and
 * has the linker put it in the place of malloc, calloc, realloc and strdup as
 * the program and its static libraries call them; the libraries of others keep
 * the real ones.
 */
#ifndef NOMEM_H
#define NOMEM_H

#include <stdbool.h>

/* From now on the nth allocation (1: the next), whoever asks for it, fails; only that one. */
void nomem_arm(unsigned nth);
/* None fails any more.  Whether one did since nomem_arm. */
bool nomem_disarm(void);
/* How many were asked for since the program began. */
unsigned nomem_asked(void);

#endif
