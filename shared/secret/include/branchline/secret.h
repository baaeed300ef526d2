/*
 * Files that hold a password, a token or a key: who else may get at them.
 */
#ifndef BRANCHLINE_SECRET_H
#define BRANCHLINE_SECRET_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Whether others than its owner may read or change the file at path (absolute), of which st tells.
 *
 * What systemd hands over (LoadCredential= and its like) is not open where it lies, that is
 * directly in $CREDENTIALS_DIRECTORY or in a service's folder below /run/credentials: since version
 * 254 such a file is root's, and the service's user reads it by an entry of an access control list,
 * whose mask then stands in the mode where the group's bits do: 0440.  It counts as closed while
 * its group may only read, others nothing, it is root's or ours, and its folder lets nobody else
 * in.  Any thread.
 */
bool bl_secret_is_open(const char *path, const struct stat *st);

#endif
