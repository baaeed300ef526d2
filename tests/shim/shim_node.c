/*
 * One file on the platter: what changed since the last sync, and what a power
 * cut makes of it.
 *
 * Every change carries the old bytes and the new ones.  At a cut all of them
 * are taken back, newest first, which leaves the platter's state; then those
 * that chance lets survive are done again, oldest first.  The file that the
 * cut leaves is a new one under the same name, so that handles of the dead
 * machine, and SQLite's memory of locks and shared pages, which goes by inode,
 * cannot reach it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim_internal.h"

#define SECTOR 512

static struct shim_node *nodes;

/* The test cannot go on: nothing here fails unless memory or /dev/shm is full. */
static void
give_up(const char *what, const char *path)
{
	(void)fprintf(stderr, "shim: %s %s: %s\n", what, path, strerror(errno));
	abort();
}

/* Where it is now, as rename may have moved it; false: nowhere. */
static bool
where(const struct shim_node *n, char *out, size_t size)
{
	char link[64];
	struct stat sb;
	ssize_t len;

	if (stat(n->path, &sb) == 0 && sb.st_dev == n->dev && sb.st_ino == n->ino)
		return (size_t)snprintf(out, size, "%s", n->path) < size;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", n->fd);
	len = readlink(link, out, size - 1);
	if (len < 0)
		return false;
	out[len] = '\0';
	return stat(out, &sb) == 0 && sb.st_dev == n->dev && sb.st_ino == n->ino;
}

struct shim_node *
node_of(const char *path)
{
	struct shim_node *n;
	struct stat sb;
	int fd = -1;

	if (stat(path, &sb) < 0)
		return NULL;
	for (n = nodes; n != NULL; n = n->next)
		if (!n->dead && n->ino == sb.st_ino && n->dev == sb.st_dev)
			break;
	if (n != NULL && strcmp(n->path, path) == 0)
		return n;
	if (n != NULL) { /* it was moved */
		free(n->path);
		if ((n->path = strdup(path)) == NULL)
			give_up("no memory for", path);
		return n;
	}
	if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
		return NULL;
	if ((n = calloc(1, sizeof(*n))) == NULL || (n->path = strdup(path)) == NULL)
		give_up("no memory for", path);
	n->fd = fd;
	n->dev = sb.st_dev;
	n->ino = sb.st_ino;
	n->durable_size = sb.st_size;
	n->next = nodes;
	nodes = n;
	return n;
}

static void
forget_change(struct shim_node *n, struct shim_change *c)
{
	*(c->prev != NULL ? &c->prev->next : &n->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &n->last) = c->prev;
	free(c);
}

/* Nothing of it is not on the platter. */
static void
forget(struct shim_node *n)
{
	while (n->first != NULL)
		forget_change(n, n->first);
	n->made = n->deleted = false;
}

void
node_release(struct shim_node *n)
{
	if (n->handles != NULL || n->made || n->deleted || n->first != NULL)
		return;
	for (struct shim_node **at = &nodes; *at != NULL; at = &(*at)->next)
		if (*at == n) {
			*at = n->next;
			break;
		}
	(void)close(n->fd);
	free(n->path);
	free(n);
}

void
node_deleted(struct shim_node *n)
{
	if (n->made) /* it never was on the platter */
		forget(n);
	else
		n->deleted = true;
	node_release(n);
}

void
node_forget_all(void)
{
	for (struct shim_node *n = nodes, *next; n != NULL; n = next) {
		next = n->next;
		forget(n);
		node_release(n);
	}
}

unsigned
node_count(void)
{

	unsigned count = 0;

	for (const struct shim_node *n = nodes; n != NULL; n = n->next)
		count++;
	return count;
}

/* ---- changes ---- */

static struct shim_change *
change_new(size_t room)
{
	struct shim_change *c = calloc(1, sizeof(*c) + room);

	if (c == NULL)
		give_up("no memory for", "a change");
	return c;
}

static void
append(struct shim_node *n, struct shim_change *c)
{
	c->prev = n->last;
	*(n->last != NULL ? &n->last->next : &n->first) = c;
	n->last = c;
}

/* After at, which is not NULL. */
static void
insert_after(struct shim_node *n, struct shim_change *at, struct shim_change *c)
{
	c->prev = at;
	c->next = at->next;
	*(at->next != NULL ? &at->next->prev : &n->last) = c;
	at->next = c;
}

/* What lies beyond the end stays zero. */
static void
read_old(const struct shim_node *n, unsigned char *out, size_t len, off_t at)
{
	ssize_t got;

	for (size_t have = 0; have < len; have += (size_t)got)
		if ((got = pread(n->fd, out + have, len - have, at + (off_t)have)) <= 0)
			return;
}

void
node_before_write(struct shim_node *n, const void *data, size_t len, off_t at)
{
	struct shim_change *c = change_new(2 * len);

	c->at = at;
	c->len = len;
	read_old(n, c->data, len, at);
	memcpy(c->data + len, data, len);
	append(n, c);
}

bool
node_before_truncate(struct shim_node *n, off_t size)
{
	struct shim_change *c;
	struct stat sb;
	size_t tail;

	if (fstat(n->fd, &sb) < 0)
		return false;
	tail = sb.st_size > size ? (size_t)(sb.st_size - size) : 0;
	c = change_new(tail);
	c->truncate = true;
	c->at = size;
	c->len = tail;
	read_old(n, c->data, tail, size);
	append(n, c);
	return true;
}

/* The part of an orphan from `from` on (to its end), as a change of its own after it. */
static void
split(struct shim_node *n, struct shim_change *c, off_t from)
{
	const size_t skip = (size_t)(from - c->at), rest = c->len - skip;
	struct shim_change *tail = change_new(2 * rest);

	tail->orphan = true;
	tail->at = from;
	tail->len = rest;
	memcpy(tail->data, c->data + skip, rest);
	memcpy(tail->data + rest, c->data + c->len + skip, rest);
	insert_after(n, c, tail);
	memmove(c->data + skip, c->data + c->len, skip);
	c->len = skip;
}

/* What has now been written and synced anew is no longer at risk. */
static void
settle_orphans(struct shim_node *n, const struct shim_change *by)
{
	const off_t begin = by->at;
	const off_t end = by->truncate ? INT64_MAX : by->at + (off_t)by->len;

	for (struct shim_change *c = n->first, *next; c != NULL && c != by; c = next) {
		next = c->next;
		if (!c->orphan || c->truncate || c->at >= end || c->at + (off_t)c->len <= begin)
			continue;
		if (c->at + (off_t)c->len > end) {
			split(n, c, end);
			next = c->next;
		}
		if (c->at < begin) {
			split(n, c, begin);
			c = c->next;
			next = c->next;
		}
		forget_change(n, c);
	}
}

void
node_synced(struct shim_node *n)
{
	struct stat sb;

	for (struct shim_change *c = n->first, *next; c != NULL; c = next) {
		next = c->next;
		if (c->orphan)
			continue;
		settle_orphans(n, c);
		forget_change(n, c);
	}
	if (fstat(n->fd, &sb) == 0)
		n->durable_size = sb.st_size;
	if (n->is_journal && n->made)
		node_folder_synced(n->path);
}

void
node_sync_failed(struct shim_node *n)
{
	for (struct shim_change *c = n->first; c != NULL; c = c->next)
		c->orphan = true;
}

static bool
same_folder(const char *a, const char *b)
{
	const size_t n = (size_t)(strrchr(a, '/') - a);

	return strncmp(a, b, n + 1) == 0 && strchr(b + n + 1, '/') == NULL;
}

void
node_folder_synced(const char *path)
{
	for (struct shim_node *n = nodes, *next; n != NULL; n = next) {
		next = n->next;
		if (n->dead || !same_folder(path, n->path))
			continue;
		n->made = false;
		if (n->deleted) /* gone for good */
			forget(n);
		node_release(n);
	}
}

/* ---- what survives ---- */

static void
put(int fd, const unsigned char *data, size_t len, off_t at)
{
	if (pwrite(fd, data, len, at) != (ssize_t)len)
		give_up("write", "a file after the cut");
}

/* Up to the end of the sector that `at` lies in. */
static size_t
in_sector(off_t at, size_t len)
{
	const size_t part = SECTOR - (size_t)(at % SECTOR);

	return part < len ? part : len;
}

static void
put_some_sectors(int fd, const unsigned char *data, size_t len, off_t at)
{
	for (size_t part; len > 0; data += part, at += (off_t)part, len -= part) {
		part = in_sector(at, len);
		if (shim_random(2) == 0)
			put(fd, data, part, at);
	}
}

void
node_tear(struct shim_node *n, const unsigned char *data, size_t len, off_t at)
{
	for (size_t part; len > 0; data += part, at += (off_t)part, len -= part) {
		part = in_sector(at, len);
		if (shim_random(2) != 0)
			continue;
		node_before_write(n, data, part, at);
		n->last->arrived = true;
		put(n->fd, data, part, at);
	}
}

static void
take_back(int fd, const struct shim_change *c)
{
	put(fd, c->data, c->len, c->at);
}

static void
do_again(int fd, const struct shim_change *c, bool torn)
{
	if (c->truncate) {
		if (ftruncate(fd, c->at) < 0)
			give_up("truncate", "a file after the cut");
	} else if (torn) {
		put_some_sectors(fd, c->data + c->len, c->len, c->at);
	} else {
		put(fd, c->data + c->len, c->len, c->at);
	}
}

static int
copy_beside(const struct shim_node *n, const char *name)
{
	off_t from = 0;
	struct stat sb;
	int fd;

	if (fstat(n->fd, &sb) < 0)
		give_up("stat", n->path);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, sb.st_mode & 0777);
	if (fd < 0)
		give_up("open", name);
	while (from < sb.st_size)
		if (sendfile(fd, n->fd, &from, (size_t)(sb.st_size - from)) <= 0)
			give_up("copy", name);
	return fd;
}

/* Each change by its own chance: from few of them to most, as the cut has it. */
static void
lose(const struct shim_node *n, int fd, enum shim_loss how)
{
	static const unsigned in_16[] = { 2, 8, 14 };
	const unsigned survive = in_16[shim_random(3)];

	for (const struct shim_change *c = n->last; c != NULL; c = c->prev)
		take_back(fd, c);
	if (ftruncate(fd, n->durable_size) < 0)
		give_up("truncate", n->path);
	for (const struct shim_change *c = n->first; c != NULL; c = c->next)
		if (c->arrived)
			do_again(fd, c, false);
		else if (how != SHIM_LOSE_ALL && !c->orphan && shim_random(16) < survive)
			do_again(fd, c, how == SHIM_TEAR_SOME && shim_random(2) == 0);
}

/* The node of the file that the cut left; after a mere kill it is still not synced. */
static void
succeed(struct shim_node *n, const char *path, enum shim_loss how)
{
	struct shim_node *heir;

	if (how != SHIM_LOSE_NONE || (n->first == NULL && !n->made))
		return;
	if ((heir = node_of(path)) == NULL)
		give_up("open", path);
	heir->made = n->made;
	heir->is_journal = n->is_journal;
	heir->durable_size = n->durable_size;
	heir->first = n->first;
	heir->last = n->last;
	n->first = n->last = NULL;
}

static bool
stays(bool changed, enum shim_loss how)
{
	return !changed || how == SHIM_LOSE_NONE || (how != SHIM_LOSE_ALL && shim_random(2) == 0);
}

/* What the cut leaves of its content, under its name. */
static void
leave_file(struct shim_node *n, const char *path, enum shim_loss how)
{
	char name[4200];
	int fd;

	(void)snprintf(name, sizeof(name), "%s.cut", path);
	fd = copy_beside(n, name);
	if (how != SHIM_LOSE_NONE)
		lose(n, fd, how);
	(void)close(fd);
	if (rename(name, path) < 0)
		give_up("rename", name);
	succeed(n, path, how);
}

static void
cut_node(struct shim_node *n, const char *path, enum shim_loss how)
{
	if (n->deleted) {
		/* Another file took the name, and that survived: so did the deletion before it. */
		if (access(path, F_OK) < 0 && !stays(true, how))
			leave_file(n, path, how);
	} else if (stays(n->made, how)) {
		leave_file(n, path, how);
	} else {
		(void)unlink(path);
	}
}

static void
drop_shared_memory(const char *path)
{
	char name[4200];

	(void)snprintf(name, sizeof(name), "%s-shm", path);
	(void)unlink(name);
}

/* The newest first, so that of files of one name the last one is seen first. */
void
node_power_cut(const char *prefix, enum shim_loss how)
{
	char path[4096];

	for (struct shim_node *n = nodes, *next; n != NULL; n = next) {
		bool here;

		next = n->next;
		if (n->dead)
			continue;
		here = where(n, path, sizeof(path));
		if (!here)
			(void)snprintf(path, sizeof(path), "%s", n->path);
		if (strncmp(path, prefix, strlen(prefix)) != 0)
			continue;
		if (here || n->deleted) {
			drop_shared_memory(path);
			cut_node(n, path, how);
		}
		forget(n); /* what is neither was removed past SQLite */
		n->dead = true;
		node_release(n);
	}
}
