#include "folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define ROOM (256ULL << 20)

void
folder_make(char path[FOLDER_MAX], const char *name)
{
	struct statvfs v;
	const int memory = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &v) == 0 &&
			   (unsigned long long)v.f_bavail * v.f_frsize >= ROOM;

	(void)snprintf(path, FOLDER_MAX, "%s/bl-%s-XXXXXX", memory ? "/dev/shm" : "/tmp", name);
	if (mkdtemp(path) == NULL) {
		perror(path);
		abort();
	}
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
folder_remove(const char *path)
{
	if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
		perror(path);
		abort();
	}
}

unsigned
rounds(unsigned usual, unsigned many)
{
	const char *text = getenv("BL_LONG");
	const unsigned n = text != NULL && strcmp(text, "1") == 0 ? many : usual;

	printf("%u rounds (%u with BL_LONG=1)\n", n, many);
	return n;
}

uint64_t
chance_seed(void)
{
	const char *given = getenv("BL_SEED"), *many = getenv("BL_LONG");

	if (given != NULL)
		return strtoull(given, NULL, 10);
	return many != NULL && strcmp(many, "1") == 0 ? (uint64_t)time(NULL) : 1;
}
