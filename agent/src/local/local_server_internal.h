/* Between the server's two files: connections (local_client.c) and what they want (local.c). */
#ifndef LOCAL_SERVER_INTERNAL_H
#define LOCAL_SERVER_INTERNAL_H

#include "local.h"
#include "http_head.h"

enum client_state { CLIENT_FREE, CLIENT_READS, CLIENT_WAITS, CLIENT_SENDS, CLIENT_ENDS };

struct client {
	enum client_state state;
	int fd;
	uint32_t id; /* another one for each connection; never 0 */
	int64_t deadline_mono_ms;
	char *in; /* owned; HTTP_HEAD_MAX, while it reads */
	size_t in_len;
	enum local_what what;
	char head[640];
	size_t head_len, head_sent;
	bool bare;                 /* HEAD: the answer has no body */
	const unsigned char *body; /* of own, or constant */
	size_t body_len, body_sent;
	struct bl_buf own;
};

struct local {
	int epoll_fd, listen_fd;
	char *path; /* of a Unix socket; owned */
	const struct bl_conf_strlist *hosts;
	const struct bl_clock *clock;
	struct local_calls calls;
	uint32_t last_id;
	int64_t again_mono_ms; /* the listener is watched again; INT64_MAX: it is */
	int64_t second_mono_ms;
	unsigned connects, made; /* of this second */
	struct local_counters count;
	struct client client[LOCAL_CLIENTS];
};

/* ---- local_client.c ---- */
void local_client_drop(struct client *c);
/* Takes a connection into a free place; the one that has waited longest without a word makes room.
 */
void local_client_accept(struct local *l, int fd);
void local_client_ready(struct local *l, struct client *c);
void local_client_due(struct local *l, struct client *c);
/* Says it; body of constant data. */
void local_client_say(
    struct local *l, struct client *c, int status, const char *type, const void *body, size_t len);
void local_client_say_text(struct local *l, struct client *c, int status, const char *text);

/* ---- local.c ---- */
/* A whole head has come. */
void local_request(struct local *l, struct client *c, size_t head_len);

#endif
