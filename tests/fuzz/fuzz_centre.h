/* A store and a control database in a folder, with something in them to ask for. */
#ifndef FUZZ_CENTRE_H
#define FUZZ_CENTRE_H

#include "branchline/clock.h"
#include "control.h"
#include "folder.h"
#include "store.h"

struct fuzz_centre {
	char folder[FOLDER_MAX];
	char store_path[FOLDER_MAX + 32], control_path[FOLDER_MAX + 32], web[FOLDER_MAX + 32];
	struct store *store;
	struct control *control;
};

/* A failure ends the process. */
void fuzz_centre_open(struct fuzz_centre *c);
void fuzz_centre_close(struct fuzz_centre *c);

#endif
