/*
 * libFuzzer target: questions on the agent's control socket, in pieces split
 * at NUL bytes.  Only "status" or "now" and a newline is asked of the spool, once,
 * and whoever says something else is let go.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent_internal.h"
#include "fuzz.h"

static unsigned asked;

int __wrap_spool_thread_status(struct spool_thread *t, uint64_t token);

/* The linker puts this in the spool thread's place (--wrap). */
int
__wrap_spool_thread_status(struct spool_thread *t, uint64_t token)
{
	(void)t;
	CHECK(token == 3);
	asked++;
	return BL_OK;
}

static void
say(struct agent *a, int fd, const uint8_t *data, size_t size)
{
	if (a->client[3].fd < 0)
		return;
	CHECK(size == 0 || send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size);
	CHECK(agent_control_serve(a, a->client[3].fd, 1));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct agent a;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	for (unsigned i = 0; i < AGENT_CLIENTS; i++)
		a.client[i] = (struct agent_client){ .fd = -1 };
	a.client[3].fd = pair[0];
	asked = 0;
	while (size > 0) {
		const uint8_t *nul = memchr(data, 0, size);
		const size_t n = nul != NULL ? (size_t)(nul - data) : size;

		say(&a, pair[1], data, n);
		data += n + (nul != NULL);
		size -= n + (nul != NULL);
	}
	CHECK(asked <= 1 && (a.client[3].fd < 0 || asked == a.client[3].asked));
	(void)close(pair[1]);
	if (a.client[3].fd >= 0) {
		say(&a, pair[1], NULL, 0); /* the end of the stream */
		CHECK(a.client[3].fd < 0);
	}
	return 0;
}
