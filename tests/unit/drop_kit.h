/* A drop folder with a scripted host: files into it, reports and files out of it. */
#ifndef DROP_KIT_H
#define DROP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "inlet_host.h"

#include "drop.h"

#define HEAD "nr,step,state\n"

/* Rows of HEAD are steps. */
#define STEPS_CONF                                                                                 \
	"reports: [{report: step, process: order, case: \"{nr}\", step: \"{step}\", "              \
	"phase: \"{state}\"}]"
extern const char steps_conf[];

struct world {
	char dir[FOLDER_MAX], in[FOLDER_MAX + 8], state[FOLDER_MAX + 8];
	struct drop_conf conf;
	struct fake_host *host;
	void *inlet;
	char file[65536];
};

const char *path_in(struct world *w, const char *name);
void put(struct world *w, const char *name, const char *text, size_t len, const char *mode);
void write_file(struct world *w, const char *name, const char *text);
bool is_there(struct world *w, const char *name);
/* NULL: there is none. */
const char *text_of(struct world *w, const char *name);
/* The lines of bad/NAME behind its first, which holds an identity. */
const char *bad_of(struct world *w, const char *name);
unsigned count_in(struct world *w, const char *sub);
void open_inlet(struct world *w);
void close_inlet(struct world *w);
/* What was under way is answered to the next inlet, which did not ask. */
void open_again(struct world *w);
void configure(struct world *w, const char *options);
int setup(void **state);
int teardown(void **state);
/* Ten seconds, a second at a time. */
void pass(struct world *w);
/* Ids hold the file's identity: they are checked apart, and left out here. */
const char *without_ids(const char *said);

#define assert_said(w, want)  assert_string_equal(without_ids(fake_host_said((w)->host)), want)
#define STEP(phase, nr, step) "event step." phase " process=order case=" nr " step=" step "\n"

#endif
