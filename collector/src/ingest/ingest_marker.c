/*
 * The decode marker: a page of a file, mapped, that says which message is being
 * decoded.  When the process dies of it, the page still says so at the next
 * start; from the third time on the message is set aside without being looked
 * into, however often it comes, until another version of the program may decode it.
 *
 * Mapped memory survives the death of the process, not a power cut; that is
 * enough, and it costs two stores a message.  A kill -9 in the middle of a decode
 * counts, too, but a message that is then decoded well is forgiven.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "branchline/log.h"

#include "ingest_internal.h"

#define MARKER_MAGIC 0x324b52414d4c42u /* "BLMARK2" */
#define MARKER_SLOTS 64

struct page {
	uint64_t magic;
	uint64_t version;      /* of the program whose deaths these are */
	volatile uint64_t now; /* being decoded; 0: none */
	struct {
		uint64_t sum;
		uint64_t strikes;
	} slot[MARKER_SLOTS];
	uint64_t next_slot;
};

struct marker {
	struct page *page;
	bool any; /* some slot is used */
};

uint64_t
marker_sum(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h | 1; /* 0 means "none" */
}

static void
strike(struct page *p, uint64_t sum)
{
	for (int i = 0; i < MARKER_SLOTS; i++)
		if (p->slot[i].sum == sum) {
			p->slot[i].strikes++;
			return;
		}
	p->slot[p->next_slot % MARKER_SLOTS].sum = sum;
	p->slot[p->next_slot % MARKER_SLOTS].strikes = 1;
	p->next_slot = (p->next_slot + 1) % MARKER_SLOTS;
}

static uint64_t
own_version(void)
{
	return marker_sum(0, BL_VERSION, sizeof(BL_VERSION));
}

int
marker_open(struct marker **out, const char *path, struct bl_err *err)
{
	struct marker *m = NULL;
	struct page *p;
	int fd;

	*out = NULL;
	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return bl_fail_errno(err, BL_EIO, "open decode marker %s", path);
	if (ftruncate(fd, (off_t)sizeof(*p)) != 0) {
		const int rc = bl_fail_errno(err, BL_EIO, "size decode marker %s", path);

		(void)close(fd);
		return rc;
	}
	p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p == MAP_FAILED)
		return bl_fail_errno(err, BL_EIO, "map decode marker %s", path);
	if ((m = calloc(1, sizeof(*m))) == NULL) {
		(void)munmap(p, sizeof(*p));
		return bl_fail(err, BL_ENOMEM, "decode marker: out of memory");
	}
	if (p->magic != MARKER_MAGIC || p->version != own_version() ||
	    p->next_slot >= MARKER_SLOTS) {
		memset(p, 0, sizeof(*p));
		p->magic = MARKER_MAGIC;
		p->version = own_version();
	}
	if (p->now != 0) {
		bl_warn("ingest", "the last run ended while it was decoding a message; one that"
				  " does this three times is set aside");
		strike(p, p->now);
		p->now = 0;
	}
	m->page = p;
	for (int i = 0; i < MARKER_SLOTS; i++)
		m->any = m->any || p->slot[i].sum != 0;
	*out = m;
	return BL_OK;
}

void
marker_close(struct marker *m)
{
	if (m == NULL)
		return;
	m->page->now = 0;
	(void)munmap(m->page, sizeof(*m->page));
	free(m);
}

unsigned
marker_enter(struct marker *m, uint64_t sum)
{
	if (m == NULL)
		return 0;
	for (int i = 0; m->any && i < MARKER_SLOTS; i++)
		if (m->page->slot[i].sum == sum && m->page->slot[i].strikes >= MARKER_STRIKES)
			return MARKER_STRIKES;
	m->page->now = sum;
	return 0;
}

void
marker_leave(struct marker *m, uint64_t sum)
{
	if (m == NULL)
		return;
	m->page->now = 0;
	if (!m->any)
		return;
	/* Decoded, well or badly, but alive. */
	m->any = false;
	for (int i = 0; i < MARKER_SLOTS; i++) {
		if (m->page->slot[i].sum == sum)
			m->page->slot[i].sum = m->page->slot[i].strikes = 0;
		m->any = m->any || m->page->slot[i].sum != 0;
	}
}
