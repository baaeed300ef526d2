/* The state as JSON, and asking for it; see the header. */
#include "status.h"
#include "status_meter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "branchline/clock.h"

#define ASK_MS     5000
#define ANSWER_MAX (256u * 1024u)

const char *
status_stream_name(enum bl_stream s)
{
	switch (s) {
	case BL_STREAM_EVENTS:
		return "events";
	case BL_STREAM_PROBES:
		return "probes";
	case BL_STREAM_HOST:
		return "host";
	}
	return "?";
}

const char *
status_gap_reason(enum bl_gap_reason r)
{
	switch (r) {
	case BL_GAP_OFF:
		return "off";
	case BL_GAP_EVICTED:
		return "evicted";
	case BL_GAP_DISK_FULL:
		return "disk_full";
	case BL_GAP_DAMAGED:
		return "damaged";
	case BL_GAP_CLOCK:
		return "clock";
	case BL_GAP_LOST_AT_CENTRE:
		return "lost_at_centre";
	case BL_GAP_ROLLED_BACK:
		return "rolled_back";
	case BL_GAP_VANISHED:
		return "vanished";
	case BL_GAP_OVERLOAD:
		return "overload";
	case BL_GAP_THINNED:
		return "thinned";
	}
	return "?";
}

const char *
status_trouble_name(enum spool_trouble t)
{
	switch (t) {
	case SPOOL_FINE:
		return "ok";
	case SPOOL_DISK_FULL:
		return "full";
	case SPOOL_DISK_READ_ONLY:
		return "read_only";
	case SPOOL_DISK_FAILS:
		return "failing";
	case SPOOL_HELD_BACK:
		return "held_back";
	case SPOOL_IS_DAMAGED:
		return "damaged";
	case SPOOL_NO_MEMORY:
		return "no_memory";
	}
	return "?";
}

static json_t *
time_or_null(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

static json_t *
id_or_null(const struct bl_id *id)
{
	char hex[BL_ID_HEX_SIZE];

	if (bl_id_is_zero(id))
		return json_null();
	bl_id_hex(id, hex);
	return json_string(hex);
}

static json_t *
stream_json(const struct spool_stream_status *s)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:I}", "next_seq",
	    (json_int_t)s->next_seq, "lowest_held", (json_int_t)s->lowest_held,
	    "receipted_contiguous", (json_int_t)s->receipted_contiguous, "held_batches",
	    (json_int_t)s->held_batches, "held_bytes", (json_int_t)s->held_bytes, "waiting_batches",
	    (json_int_t)s->waiting_batches, "waiting_bytes", (json_int_t)s->waiting_bytes,
	    "oldest_waiting_unix_ms", time_or_null(s->oldest_waiting_unix_ms), "open_samples",
	    (json_int_t)s->open_samples, "dropped_batches", (json_int_t)s->dropped_batches,
	    "dropped_samples", (json_int_t)s->dropped_samples);
}

json_t *
status_spool_json(const struct spool_status *s)
{
	json_t *streams = json_object();

	for (unsigned i = 0; i < BL_STREAMS; i++)
		(void)json_object_set_new(streams, status_stream_name((enum bl_stream)(i + 1)),
		    stream_json(&s->stream[i]));
	return json_pack("{s:s,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:o,s:o,s:I,s:I,s:I,s:b,s:b,s:o}",
	    "device", s->device, "id", id_or_null(&s->spool), "predecessor",
	    id_or_null(&s->predecessor), "epoch", id_or_null(&s->epoch), "file_bytes",
	    (json_int_t)s->file_bytes, "max_bytes", (json_int_t)s->max_bytes, "accepted_samples",
	    (json_int_t)s->accepted_samples, "accepted_events", (json_int_t)s->accepted_events,
	    "last_commit_unix_ms", time_or_null(s->last_commit_unix_ms), "last_receipt_unix_ms",
	    time_or_null(s->last_receipt_unix_ms), "gaps", (json_int_t)s->gaps, "series",
	    (json_int_t)s->dict_version, "clock_segments", (json_int_t)s->clock_version,
	    "clock_trusted", s->clock_trusted, "reserve_gone", s->reserve_gone, "streams", streams);
}

json_t *
status_gaps_json(const struct bl_gap *gaps, unsigned n)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < n; i++) {
		const struct bl_gap *g = &gaps[i];
		const bool same =
		    bl_id_equal(&g->begin_boot, &g->end_boot) && !bl_id_is_zero(&g->begin_boot);

		(void)json_array_append_new(list,
		    json_pack("{s:s,s:s,s:o,s:o,s:o,s:o}", "reason", status_gap_reason(g->reason),
			"stream", status_stream_name(g->stream), "seq_first",
			g->seq_first > 0 ? json_integer((json_int_t)g->seq_first) : json_null(),
			"seq_last",
			g->seq_last > 0 ? json_integer((json_int_t)g->seq_last) : json_null(),
			"duration_ms",
			same && g->end_boot_ms >= g->begin_boot_ms
			    ? json_integer(g->end_boot_ms - g->begin_boot_ms)
			    : json_null(),
			"samples",
			g->samples > 0 ? json_integer((json_int_t)g->samples) : json_null()));
	}
	return list;
}

/* ---- the socket ---- */

int
status_socket_path(const char *state_dir, char *out, size_t size, int *dir_fd, struct bl_err *err)
{
	*dir_fd = -1;
	if (strlen(state_dir) + sizeof("/" STATUS_SOCKET) <= size) {
		(void)snprintf(out, size, "%s/%s", state_dir, STATUS_SOCKET);
		return BL_OK;
	}
	/* A socket address holds 107 bytes; the way round is the folder's descriptor. */
	if ((*dir_fd = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return bl_fail_errno(
		    err, errno == ENOENT ? BL_ENOTFOUND : BL_EIO, "open folder %s", state_dir);
	(void)snprintf(out, size, "/proc/self/fd/%d/%s", *dir_fd, STATUS_SOCKET);
	return BL_OK;
}

static int
connect_to(const char *state_dir, int *out, struct bl_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int rc, fd, dir_fd;

	*out = -1;
	rc = status_socket_path(state_dir, sa.sun_path, sizeof(sa.sun_path), &dir_fd, err);
	if (rc < 0)
		return rc;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) {
		rc = bl_fail_errno(err, BL_EIO, "make a socket");
	} else if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		rc = errno == ENOENT || errno == ECONNREFUSED ? BL_ENOTFOUND
		     : errno == EACCES || errno == EPERM      ? BL_EDENIED
							      : BL_EIO;
		(void)bl_fail_errno(err, rc, "ask the agent at %s/%s", state_dir, STATUS_SOCKET);
		(void)close(fd);
	} else {
		*out = fd;
	}
	if (dir_fd >= 0)
		(void)close(dir_fd);
	return rc;
}

static int
read_answer(int fd, char *text, size_t size, size_t *len, struct bl_err *err)
{
	const int64_t end = bl_mono_ms(bl_clock_real()) + ASK_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	*len = 0;
	for (;;) {
		const int64_t left = end - bl_mono_ms(bl_clock_real());

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return bl_fail(err, BL_ETIMEDOUT,
			    "the agent lives but did not answer within %d s", ASK_MS / 1000);
		n = read(fd, text + *len, size - *len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return bl_fail_errno(err, BL_EIO, "read the agent's answer");
		if (n == 0)
			return BL_OK;
		*len += (size_t)n;
		if (*len == size)
			return bl_fail(err, BL_EFULL, "the agent's answer is too long");
	}
}

static int
ask(const char *state_dir, const char *question, size_t max, json_t **out, struct bl_err *err)
{
	char *text = NULL;
	json_error_t why;
	size_t len = 0;
	int fd, rc;

	*out = NULL;
	if ((rc = connect_to(state_dir, &fd, err)) < 0)
		return rc;
	if ((text = malloc(max)) == NULL)
		rc = bl_fail(err, BL_ENOMEM, "ask the agent: out of memory");
	else if (send(fd, question, strlen(question), MSG_NOSIGNAL) < 0)
		rc = bl_fail_errno(err, BL_EIO, "ask the agent");
	else
		rc = read_answer(fd, text, max, &len, err);
	if (rc == BL_OK && len == 0)
		rc = bl_fail(err, BL_EIO,
		    "the agent closed the connection without an answer: it ends just now, or is of "
		    "an older version");
	if (rc == BL_OK && (*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)) == NULL)
		rc = bl_fail(err, BL_ECORRUPT, "the agent's answer is no JSON: %s", why.text);
	free(text);
	(void)close(fd);
	return rc;
}

int
status_ask(const char *state_dir, json_t **out, struct bl_err *err)
{
	return ask(state_dir, "status\n", ANSWER_MAX, out, err);
}

int
status_ask_now(const char *state_dir, json_t **out, struct bl_err *err)
{
	return ask(state_dir, "now\n", STATUS_NOW_MAX, out, err);
}

int
status_of_files(const char *state_dir, json_t **out, struct bl_err *err)
{
	struct bl_gap gaps[16];
	struct spool_status s;
	char *path;
	int rc, n;

	*out = NULL;
	if (asprintf(&path, "%s/%s", state_dir, STATUS_SPOOL) < 0)
		return bl_fail(err, BL_ENOMEM, "read the spool: out of memory");
	if ((rc = spool_status_of_file(path, &s, err)) >= 0) {
		n = spool_recent_gaps_of_file(path, gaps, 16, err);
		*out = json_pack("{s:s,s:s,s:I,s:o,s:o,s:{s:o},s:{s:s,s:[s]}}", "daemon", "dead",
		    "device", s.device, "now_unix_ms", (json_int_t)bl_unix_ms(bl_clock_real()),
		    "spool", status_spool_json(&s), "gaps",
		    status_gaps_json(gaps, n > 0 ? (unsigned)n : 0), "meter", "months",
		    status_usage_json(&s.usage), "health", "state", "dead", "reasons",
		    "the agent is not running");
		if (*out == NULL)
			rc = bl_fail(err, BL_ENOMEM, "read the spool: out of memory");
	}
	free(path);
	return rc < 0 ? rc : BL_OK;
}

enum status_health
status_health(const json_t *status)
{
	const char *state =
	    json_string_value(json_object_get(json_object_get(status, "health"), "state"));

	if (state == NULL || strcmp(state, "dead") == 0)
		return STATUS_DEAD;
	return strcmp(state, "healthy") == 0 ? STATUS_HEALTHY : STATUS_DEGRADED;
}
