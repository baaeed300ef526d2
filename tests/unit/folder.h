/*
 * What every C test may need: a folder that is in memory where there is room
 * (what is tested is not the disk), and how often a random property is tried.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdint.h>

#define FOLDER_MAX 64

/* A new empty folder in /dev/shm, or where that has not 256 MiB left in /tmp; ends the test when
 * there is none. */
void folder_make(char path[FOLDER_MAX], const char *name);
/* With everything in it. */
void folder_remove(const char *path);

/* usual; many with BL_LONG=1 in the environment, as tests/run --long sets it.  Told on stdout. */
unsigned rounds(unsigned usual, unsigned many);
/* The seed of a test that goes by chance: BL_SEED, another one each time with BL_LONG=1, else
 * always the same. */
uint64_t chance_seed(void);

#endif
