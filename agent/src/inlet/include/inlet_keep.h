/*
 * Small files of an inlet over a power cut: how far it has read.
 *
 * Their owner writes PATH as he goes, by renaming another file to it, and waits for nobody: that
 * survives whatever ends the process.  Here a thread of its own makes a copy by that name and
 * ".safe" durable, soon after, and at most every five seconds: so a power cut leads back some
 * seconds, and never to a file that is empty.  Nothing of it waits on the loop.
 */
#ifndef INLET_KEEP_H
#define INLET_KEEP_H

#include "branchline/err.h"

#define INLET_KEEP_FILES 80u

struct inlet_keep;

/* Starts no thread yet.  BL_ENOMEM. */
int inlet_keep_open(struct inlet_keep **out, struct bl_err *err);
/* All that was told is durable, as far as the disk allows, and the thread is gone.  NULL is fine.
 */
void inlet_keep_close(struct inlet_keep *k);
/*
 * PATH was replaced.  first: a descriptor of what is to be durable before it (duplicated), or -1.
 * Loop thread; failures are logged once an hour by the thread.
 */
void inlet_keep_soon(struct inlet_keep *k, const char *path, int first);
/* Names in this folder changed, and in folders in it called done and bad. */
void inlet_keep_folder(struct inlet_keep *k, const char *path);
/* PATH is no longer wanted, nor its copy: both are removed. */
void inlet_keep_forget(struct inlet_keep *k, const char *path);

#endif
