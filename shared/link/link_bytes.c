/*
 * What the network carried for this link: the kernel's own count of each socket
 * (TCP_INFO), with the headers of IP and TCP that a carrier bills for.
 *
 * Counted: every segment sent or received, SYN, acknowledgements and
 * retransmissions too, and the payload of each as often as it was sent.  Not
 * counted: name look-ups, and what lies below IP.  The kernel does not tell
 * of segments lost on the way here, nor of those after close, which are
 * estimated (CLOSE_SEGMENTS).  The owner's thread, like all of the link.
 */
#include "link_internal.h"

#include <linux/tcp.h>
#include <stddef.h>

#define IP4_HEADER        20u
#define IP6_HEADER        40u
#define TCP_HEADER        20u
#define TIMESTAMPS        12u /* the option that every segment carries when agreed on */
#define SYN_MORE          8u  /* what a SYN carries beyond: segment size, SACK, scale */
#define CLOSE_SEGMENTS    2u  /* each way, after the last look: FIN, and the answer to one */
#define STATE_SYN_SENT    2u  /* of tcpi_state; <netinet/tcp.h> has the names, but no counters */
#define STATE_ESTABLISHED 1u

static uint64_t
headers_of(const struct bl_link *l, const struct tcp_info *t)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);
	uint64_t header = TCP_HEADER;

	if (getsockname(l->outer_fd, (struct sockaddr *)&at, &size) != 0)
		at.ss_family = AF_INET;
	header += at.ss_family == AF_INET6 ? IP6_HEADER : IP4_HEADER;
	/* Before the answer to a SYN nothing is agreed on, but the SYN asks for it. */
	if (t->tcpi_state == STATE_SYN_SENT || (t->tcpi_options & TCPI_OPT_TIMESTAMPS) != 0)
		header += TIMESTAMPS;
	return header;
}

/* Of the socket that is open now; zeroes when there is none. */
static struct bl_link_bytes
look(const struct bl_link *l, bool closing)
{
	struct bl_link_bytes b = { 0 };
	struct tcp_info t = { 0 };
	socklen_t size = sizeof(t);
	uint64_t header;

	if (l->outer_fd < 0 || getsockopt(l->outer_fd, IPPROTO_TCP, TCP_INFO, &t, &size) != 0)
		return b;
	if (size < offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(t.tcpi_bytes_sent)) {
		/* A kernel from before 4.19: the records alone. */
		b.in_bytes = l->report.wire_in_bytes;
		b.out_bytes = l->report.wire_out_bytes;
		return b;
	}
	header = headers_of(l, &t);
	b.out_bytes = t.tcpi_bytes_sent + header * t.tcpi_segs_out;
	b.in_bytes = t.tcpi_bytes_received + header * t.tcpi_segs_in;
	if (t.tcpi_segs_out > 0)
		b.out_bytes += SYN_MORE;
	if (t.tcpi_segs_in > 0)
		b.in_bytes += SYN_MORE;
	if (closing && t.tcpi_state == STATE_ESTABLISHED) {
		b.out_bytes += CLOSE_SEGMENTS * header + t.tcpi_notsent_bytes;
		b.in_bytes += CLOSE_SEGMENTS * header;
	}
	return b;
}

void
bl_link_bytes(const struct bl_link *l, struct bl_link_bytes *out)
{
	const struct bl_link_bytes now = look(l, false);

	out->in_bytes = l->bytes.in_bytes + now.in_bytes;
	out->out_bytes = l->bytes.out_bytes + now.out_bytes;
}

void
link_bytes_close(struct bl_link *l)
{
	const struct bl_link_bytes last = look(l, true);

	l->bytes.in_bytes += last.in_bytes;
	l->bytes.out_bytes += last.out_bytes;
	link_close_fd(&l->outer_fd);
}

unsigned
bl_link_rtt_ms(const struct bl_link *l)
{
	struct tcp_info t = { 0 };
	socklen_t size = sizeof(t);

	/* The kernel knows the way to the proxy, and nothing of what lies behind it. */
	if (l->outer_fd < 0 || l->proxy_host[0] != '\0' ||
	    getsockopt(l->outer_fd, IPPROTO_TCP, TCP_INFO, &t, &size) != 0)
		return 0;
	return (t.tcpi_rtt + 999) / 1000;
}
