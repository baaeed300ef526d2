/*
 * The HTTP server: libmicrohttpd, and nothing else in this folder knows it.
 *
 * Threads: a pool of the library's own calls on_request and the others named
 * on_*; one of ours, the reaper, ends connections whose request or answer takes
 * too long.  The library only ends idle ones, and a byte a second is not idle.
 *
 * What 0.9.75 lets pass is refused here, before a handler sees it: both
 * Content-Length and Transfer-Encoding, either of them twice, a coding that is
 * not exactly "chunked", not exactly one Host.
 */
#include "http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "branchline/buf.h"
#include "branchline/log.h"

#define MEMORY_PER_CONNECTION (24u * 1024u)   /* request line and headers must fit in */
#define ANSWER_TIMEOUT_FACTOR 4               /* a large answer over a slow line */
#define SWALLOW_MAX           (1024u * 1024u) /* of a body that is too large */
#define REAP_EVERY_MS         500
#define STREAM_BLOCK          (32u * 1024u)
#define STREAM_PIECE_MAX      (1024u * 1024u) /* made at a time, rather a tenth of it */
#define STREAM_MAX_MS         3600000 /* an answer that is taken, or made, slowly ends then */

struct conn {
	struct conn *next, *prev;
	int fd;
	int64_t deadline_mono_ms;
	bool peer_allowed; /* Unix socket: its uid may administrate */
	char address[64];
};

struct http_server {
	struct http_opts opts;
	struct MHD_Daemon *daemon;
	pthread_t reaper;

	pthread_mutex_t lock; /* guards all below; nothing waits inside */
	pthread_cond_t wake;
	bool stopping;
	struct conn *conns;
	struct http_counters counters;
};

/* One request. */
struct call {
	struct http_request q;
	struct bl_buf body;
	size_t swallowed;
	bool begun, target_ok, too_large;
};

static int64_t
mono_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		abort(); /* exists on every kernel we run on */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- connections and their deadlines ----------------------------------- */

static void
deadline_set(struct http_server *s, struct conn *c, int64_t after_ms)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	c->deadline_mono_ms = mono_ms() + after_ms;
	pthread_mutex_unlock(&s->lock);
}

static int64_t
timeout_ms(const struct http_server *s)
{
	return (int64_t)s->opts.timeout_s * 1000;
}

static struct conn *
conn_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* Only root and whoever runs the collector. */
static void
learn_unix_peer(struct conn *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return;
	c->peer_allowed = cred.uid == 0 || cred.uid == geteuid();
	(void)snprintf(c->address, sizeof(c->address), "unix uid=%u", (unsigned)cred.uid);
}

static void
learn_tcp_peer(struct conn *c, const struct sockaddr *sa)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;

	if (sa->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &v4->sin_addr, c->address, sizeof(c->address));
	else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		(void)inet_ntop(
		    AF_INET, &v6->sin6_addr.s6_addr[12], c->address, sizeof(c->address));
	else if (sa->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, c->address, sizeof(c->address));
}

static struct conn *
conn_create(struct http_server *s, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL; /* on_request refuses what has no context */
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	c->fd = info != NULL ? info->connect_fd : -1;
	if (s->opts.unix_socket)
		learn_unix_peer(c);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (!s->opts.unix_socket && info != NULL && info->client_addr != NULL)
		learn_tcp_peer(c, info->client_addr);
	c->deadline_mono_ms = mono_ms() + timeout_ms(s);
	return c;
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	struct conn *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		if ((c = conn_create(s, connection)) == NULL)
			return;
		pthread_mutex_lock(&s->lock);
		c->next = s->conns;
		if (s->conns != NULL)
			s->conns->prev = c;
		s->conns = c;
		s->counters.connections++;
		pthread_mutex_unlock(&s->lock);
		*context = c;
		return;
	}
	if (c == NULL)
		return;
	/* The library closes the descriptor after this: the reaper cannot meet a stranger's. */
	pthread_mutex_lock(&s->lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->counters.connections--;
	pthread_mutex_unlock(&s->lock);
	free(c);
	*context = NULL;
}

static void
reap_locked(struct http_server *s)
{
	const int64_t now = mono_ms();

	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (now < c->deadline_mono_ms)
			continue;
		(void)shutdown(c->fd, SHUT_RDWR); /* gone already: as well */
		c->deadline_mono_ms = INT64_MAX;
		s->counters.timed_out++;
	}
}

static void *
reaper_main(void *arg)
{
	struct http_server *s = arg;
	struct timespec until;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		const int64_t at = mono_ms() + REAP_EVERY_MS;
		until.tv_sec = at / 1000;
		until.tv_nsec = at % 1000 * 1000000;
		(void)pthread_cond_timedwait(&s->wake, &s->lock, &until); /* woken or late: look */
		reap_locked(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- one request ------------------------------------------------------- */

const char *
http_header(const struct http_request *q, const char *name)
{
	/* The library's interface lacks a const; it only reads. */
	union {
		const void *in;
		struct MHD_Connection *out;
	} u = { .in = q->connection };

	return MHD_lookup_connection_value(u.out, MHD_HEADER_KIND, name);
}

/* The target as it came, before the library decodes it.  Its result is the request's context. */
static void *
on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct call *c = calloc(1, sizeof(*c));

	(void)cls;
	(void)connection;
	if (c == NULL)
		return NULL;
	bl_buf_init(&c->body, HTTP_BODY_MAX + 1);
	c->target_ok = http_parse_target(&c->q, target);
	return c;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode code)
{
	struct http_server *s = cls;
	struct call *c = *context;

	(void)code;
	deadline_set(s, conn_of(connection), timeout_ms(s)); /* for the next request */
	if (c == NULL)
		return;
	bl_buf_free(&c->body);
	free(c);
	*context = NULL;
}

struct framing {
	unsigned lengths, encodings, hosts;
	bool chunked, length_bad;
	unsigned long long length;
};

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *f = cls;

	(void)kind;
	if (value == NULL)
		value = "";
	if (strcasecmp(name, "Content-Length") == 0) {
		f->lengths++;
		f->length_bad |= *value == '\0' || strlen(value) > 18 ||
				 strspn(value, "0123456789") != strlen(value);
		f->length = strtoull(value, NULL, 10);
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		f->encodings++;
		f->chunked = strcasecmp(value, "chunked") == 0;
	} else if (strcasecmp(name, "Host") == 0) {
		f->hosts++;
	}
	return MHD_YES;
}

static bool
host_shaped(const char *host)
{
	return host[0] != '\0' && strlen(host) < 256 &&
	       strspn(
		   host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%") ==
		   strlen(host);
}

/* NULL: the frame is sound; else a sentence, and *status. */
static const char *
frame_problem(
    struct MHD_Connection *connection, const struct call *c, const char *version, unsigned *status)
{
	struct framing f = { 0 };
	const char *host;

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &f); /* a count */
	*status = 400;
	if (f.encodings > 0 && (f.lengths > 0 || f.encodings > 1 || !f.chunked))
		return "The body's framing is ambiguous: one Content-Length, or one "
		       "Transfer-Encoding: chunked.";
	if (f.lengths > 1 || f.length_bad)
		return "Content-Length must stand once, as a plain number.";
	host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	if (f.hosts > 1 || (f.hosts == 0 && strcmp(version, "HTTP/1.0") != 0) ||
	    (host != NULL && !host_shaped(host)))
		return "Exactly one valid Host header is needed.";
	if (!c->target_ok)
		return "The request's address is not well formed.";
	/* A little too large is read to its end first: who is still sending misses the answer. */
	if (f.length > SWALLOW_MAX) {
		*status = 413;
		return "A body may have at most 64 KiB.";
	}
	return NULL;
}

/* ---- answers that are made while they are sent -------------------------- */

struct sending {
	struct http_stream stream;
	struct http_server *server;
	struct conn *conn;
	struct bl_buf piece; /* what was made and is not sent yet, from sent on */
	size_t sent;
	int64_t until_mono_ms;
	bool ended;
};

static void
on_stream_end(void *cls)
{
	struct sending *g = cls;

	g->stream.end(g->stream.ctx);
	bl_buf_free(&g->piece);
	free(g);
}

/* One step.  1: go on, perhaps with nothing to send yet; 0: no more; negative: failed. */
static int
next_piece(struct sending *g)
{
	int rc;

	bl_buf_reset(&g->piece);
	g->sent = 0;
	rc = g->ended ? 0 : g->stream.next(g->stream.ctx, &g->piece);
	g->ended = rc == 0;
	if (rc < 0 || g->piece.failed)
		return -1;
	return g->piece.len > 0 ? 1 : rc;
}

/*
 * Whoever has nothing to send is not told by sending that nobody listens any more.  A peer that
 * has only ended its own side is taken for gone, too: none that we know does that.
 */
static bool
peer_gone(const struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/*
 * The peer takes what it gets, and that there is nothing yet is no delay of its own: as long again
 * for the next piece, but not for ever.
 */
static void
goes_on(struct sending *g)
{
	const int64_t left_ms = g->until_mono_ms - mono_ms();
	const int64_t most_ms = ANSWER_TIMEOUT_FACTOR * timeout_ms(g->server);

	deadline_set(g->server, g->conn, left_ms < most_ms ? left_ms : most_ms);
}

static ssize_t
on_stream(void *cls, uint64_t at, char *out, size_t max)
{
	struct sending *g = cls;
	size_t n;
	int rc;

	(void)at; /* it only goes on */
	if (g->sent == g->piece.len && (rc = next_piece(g)) <= 0)
		return rc == 0 ? MHD_CONTENT_READER_END_OF_STREAM
			       : MHD_CONTENT_READER_END_WITH_ERROR;
	goes_on(g);
	/* Others of this thread have their turn first, and the reaper's word counts. */
	if (g->piece.len == 0)
		return peer_gone(g->conn) ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
	n = g->piece.len - g->sent < max ? g->piece.len - g->sent : max;
	memcpy(out, g->piece.data + g->sent, n);
	g->sent += n;
	return (ssize_t)n;
}

static struct MHD_Response *
stream_response(struct http_server *s, struct MHD_Connection *connection, struct http_answer *a)
{
	struct sending *g = calloc(1, sizeof(*g));
	struct MHD_Response *r;

	if (g == NULL) {
		http_answer_drop_stream(a);
		return NULL;
	}
	g->stream = a->stream;
	g->server = s;
	g->conn = conn_of(connection);
	g->until_mono_ms =
	    mono_ms() + (s->opts.stream_max_s > 0 ? s->opts.stream_max_s * 1000 : STREAM_MAX_MS);
	/* The reaper alone ends it: a step with nothing to send yet is not idle. */
	if (MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u) != MHD_YES)
		bl_debug("api", "http server: a stream keeps the time of an idle connection");
	bl_buf_init(&g->piece, STREAM_PIECE_MAX);
	r = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, g, on_stream_end);
	if (r == NULL)
		on_stream_end(g);
	a->stream.next = NULL;
	return r;
}

static enum MHD_Result
send_answer(struct http_server *s, struct MHD_Connection *connection, struct http_answer *a)
{
	struct MHD_Response *r;
	enum MHD_Result ok = MHD_YES;
	union {
		const void *in;
		void *out;
	} shared = { .in = a->shared };

	if (a->stream.next != NULL)
		r = stream_response(s, connection, a);
	else if (a->body != NULL)
		r = MHD_create_response_from_buffer(a->len, a->body, MHD_RESPMEM_MUST_FREE);
	else
		r = MHD_create_response_from_buffer(
		    a->shared != NULL ? a->len : 0, shared.out, MHD_RESPMEM_PERSISTENT);
	if (r == NULL) {
		free(a->body);
		return MHD_NO; /* out of memory: the connection ends */
	}
	if (a->content_type != NULL)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type);
	if (a->close && ok == MHD_YES)
		ok = MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	for (size_t i = 0; i < a->n_headers && ok == MHD_YES; i++)
		ok = MHD_add_response_header(r, a->header[i].name, a->header[i].value);
	if (ok == MHD_YES)
		ok = MHD_queue_response(connection, a->status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
refuse(struct http_server *s, struct MHD_Connection *connection, const struct call *c,
    unsigned status, const char *code, const char *detail)
{
	struct http_answer a = { .status = status };

	pthread_mutex_lock(&s->lock);
	s->counters.malformed++;
	pthread_mutex_unlock(&s->lock);
	s->opts.refuse(s->opts.api, &c->q, status, code, detail, &a);
	a.close = true;
	deadline_set(s, conn_of(connection), timeout_ms(s));
	return send_answer(s, connection, &a);
}

/* The headers are here: look at the frame before the body is read. */
static enum MHD_Result
begin(struct http_server *s, struct MHD_Connection *connection, struct call *c, const char *method,
    const char *version)
{
	const struct conn *peer = conn_of(connection);
	const char *problem;
	unsigned status;

	c->begun = true;
	c->q.method = method;
	c->q.connection = connection;
	c->q.local_socket = s->opts.unix_socket;
	if (peer == NULL)
		return MHD_NO; /* there was no memory for it */
	(void)snprintf(c->q.address, sizeof(c->q.address), "%s", peer->address);
	c->q.peer_allowed = peer->peer_allowed;
	c->q.loopback = strncmp(peer->address, "127.", 4) == 0 || strcmp(peer->address, "::1") == 0;
	if ((problem = frame_problem(connection, c, version, &status)) != NULL)
		return refuse(s, connection, c, status,
		    status == 413 ? "too_large" : "invalid_request", problem);
	return MHD_YES;
}

/* A piece of the body.  What is too large is swallowed for a while, so that the answer is read. */
static enum MHD_Result
take_body(struct call *c, const char *data, size_t *len)
{
	if (!c->too_large)
		bl_buf_bytes(&c->body, data, *len);
	c->too_large |= c->body.failed || c->body.len > HTTP_BODY_MAX;
	if (c->too_large)
		c->swallowed += *len;
	*len = 0;
	return c->swallowed > SWALLOW_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *data, size_t *len, void **context)
{
	struct http_server *s = cls;
	struct call *c = *context;
	struct http_answer a = { 0 };

	(void)url;
	if (c == NULL)
		return MHD_NO; /* there was no memory for it */
	if (!c->begun)
		return begin(s, connection, c, method, version);
	if (*len > 0)
		return take_body(c, data, len);
	if (c->too_large)
		return refuse(
		    s, connection, c, 413, "too_large", "A body may have at most 64 KiB.");
	if (c->body.len > 0) {
		bl_buf_u8(&c->body, 0);
		c->q.body_len = c->body.len - 1;
		c->q.body = (char *)c->body.data;
	}
	deadline_set(s, conn_of(connection), INT64_MAX / 2); /* our own time does not count */
	s->opts.handle(s->opts.api, &c->q, &a);
	deadline_set(s, conn_of(connection), ANSWER_TIMEOUT_FACTOR * timeout_ms(s));
	return send_answer(s, connection, &a);
}

/* ---- starting and stopping --------------------------------------------- */

static void
on_log(void *cls, const char *format, va_list args)
{
	char text[256];

	(void)cls;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)vsnprintf(text, sizeof(text), format, args);
#pragma GCC diagnostic pop
	text[strcspn(text, "\n")] = '\0';
	/* Mostly what strangers send: a failed TLS handshake, a broken request. */
	bl_debug("api", "http server: %s", text);
}

static struct MHD_Daemon *
start_daemon(struct http_server *s)
{
	const struct http_opts *o = &s->opts;
	union {
		const char *in;
		void *out;
	} cert = { .in = o->cert_pem }, key = { .in = o->key_pem };
	static char versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, cert.out },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, key.out },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, versions },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
	const unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG |
			       (o->cert_pem != NULL ? MHD_USE_TLS : 0u);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER,
	    on_log, NULL, MHD_OPTION_LISTEN_SOCKET, o->listen_fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_THREAD_POOL_SIZE, o->threads, MHD_OPTION_CONNECTION_LIMIT,
	    o->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
	    o->unix_socket ? 0u : o->per_address_max, MHD_OPTION_CONNECTION_TIMEOUT, o->timeout_s,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_ARRAY,
	    o->cert_pem != NULL ? tls : none, MHD_OPTION_END);
}

static int
init_locks(struct http_server *s)
{
	pthread_condattr_t attr;
	int bad;

	if (pthread_condattr_init(&attr) != 0)
		return -1;
	bad = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	      pthread_cond_init(&s->wake, &attr) != 0;
	(void)pthread_condattr_destroy(&attr); /* cannot fail on Linux */
	if (bad)
		return -1;
	if (pthread_mutex_init(&s->lock, NULL) == 0)
		return 0;
	(void)pthread_cond_destroy(&s->wake); /* nobody waits on it */
	return -1;
}

int
http_start(struct http_server **out, const struct http_opts *opts, struct bl_err *err)
{
	struct http_server *s;
	int rc;

	*out = NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL || init_locks(s) != 0) {
		free(s);
		(void)close(opts->listen_fd); /* taken, also on failure */
		return bl_fail(err, BL_ENOMEM, "API: out of memory");
	}
	s->opts = *opts;
	/* From here on the library closes the descriptor, also when it does not start. */
	if ((s->daemon = start_daemon(s)) == NULL) {
		rc = bl_fail(err, BL_EINVAL,
		    "API: the HTTPS server does not start; do certificate and key belong "
		    "together, and is each a PEM file?");
		goto fail_locks;
	}
	if (pthread_create(&s->reaper, NULL, reaper_main, s) != 0) {
		rc = bl_fail(err, BL_ENOMEM, "API: no thread");
		goto fail_daemon;
	}
	*out = s;
	return BL_OK;

fail_daemon:
	MHD_stop_daemon(s->daemon);
fail_locks:
	(void)pthread_cond_destroy(&s->wake); /* nobody waits on them */
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
	return rc;
}

void
http_stop(struct http_server *s)
{
	if (s == NULL)
		return;
	MHD_stop_daemon(s->daemon); /* waits for running requests, closes all connections */
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->reaper, NULL); /* it is ours and joinable */
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void
http_counters(struct http_server *s, struct http_counters *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counters;
	pthread_mutex_unlock(&s->lock);
}
