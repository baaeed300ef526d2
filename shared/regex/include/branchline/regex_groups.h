/*
 * Regular expressions with named groups, for a line that is there as a whole:
 * what stood where, for reading fields out of the logs of programs.
 *
 * The patterns are those of regex.h with (?<name>...) and (?P<name>...); other
 * groups hold nothing.  What is found is what Perl, Python and PCRE find: of all places the
 * first, of the alternatives the first one, as many or as few (a?  a??) as the pattern
 * says.  One difference: an inner part that is repeated and may be empty, ((?<x>a*)*),
 * is not entered once more for nothing.
 *
 * All threads of the program go through the line at once (Pike's method), so
 * nothing is tried again.  A line costs at most (steps x bytes), and no more than
 * BL_REGEX_VISITS_MAX: what would take longer is given up and said.
 *
 * A compiled pattern is constant; a finder belongs to one thread.
 */
#ifndef BRANCHLINE_REGEX_GROUPS_H
#define BRANCHLINE_REGEX_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "branchline/err.h"

#define BL_REGEX_GROUPS_MAX 24u
#define BL_REGEX_NAME_MAX   32u      /* bytes */
#define BL_REGEX_LINE_MAX   8192u    /* bytes */
#define BL_REGEX_VISITS_MAX 500000u /* steps of one line: some ms */

struct bl_regex_groups;
struct bl_regex_finder;

/* Bytes of the line; begin is negative where the group took no part. */
struct bl_regex_span {
	int begin, end;
};

/* BL_OK; BL_EINVAL: what is wrong, with the place; BL_ENOMEM. */
int bl_regex_groups_compile(struct bl_regex_groups **out, const char *pattern, struct bl_err *err);
void bl_regex_groups_free(struct bl_regex_groups *g); /* NULL is fine */
/* Groups that have names, in the order of their parentheses. */
unsigned bl_regex_groups_count(const struct bl_regex_groups *g);
const char *bl_regex_groups_name(const struct bl_regex_groups *g, unsigned i);

/* Keeps g.  About (12 + 8 x groups) bytes a step of the program. */
int bl_regex_finder_create(
    struct bl_regex_finder **out, const struct bl_regex_groups *g, struct bl_err *err);
void bl_regex_finder_free(struct bl_regex_finder *f); /* NULL is fine */

/*
 * Is it in the line?  1: yes, and span (as many as there are groups) says where they are; 0: no;
 * BL_EFULL: the line is longer than BL_REGEX_LINE_MAX, or it would take too long to know.
 */
int bl_regex_find(struct bl_regex_finder *f, const char *line, size_t len,
    struct bl_regex_span span[BL_REGEX_GROUPS_MAX]);

#endif
