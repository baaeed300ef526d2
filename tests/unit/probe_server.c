/*
 * The server that misbehaves by path: see serve().  A thread a connection; one
 * that has nothing to say reads on until the client goes.
 */
#include "probe_harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct server server;

static void
answer(int fd, const char *text)
{
	const size_t len = strlen(text);
	size_t at = 0;

	while (at < len) {
		const ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

static void
answer_body(int fd, const char *head, const char *body)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n%s", head,
	    strlen(body), body);
	answer(fd, text);
}

static void
answer_big(int fd, size_t bytes)
{
	char text[256];
	char block[1001];

	memset(block, 'x', 1000);
	block[1000] = '\0';
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes + 6);
	answer(fd, text);
	for (size_t n = 0; n < bytes; n += 1000)
		answer(fd, block);
	answer(fd, "needle");
}

static void
answer_in_bytes(int fd)
{
	static const char text[] =
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

	for (const char *p = text; *p != '\0'; p++) {
		const char one[2] = { *p, '\0' };

		answer(fd, one);
	}
}

static void
answer_headers_without_end(int fd)
{
	answer(fd, "HTTP/1.1 200 OK\r\n");
	for (unsigned i = 0; i < 4000; i++)
		answer(fd, "X-Header: xxxxxxxxxxxxxxxxxxxxxxxx\r\n");
}

/* True: the connection stays open. */
static bool
serve(int fd, const char *path, const char *request, unsigned nth)
{
	char text[128];

	if (strcmp(path, "/ok") == 0) {
		answer_body(fd, "", "hello needle");
	} else if (strncmp(path, "/status/", 8) == 0) {
		snprintf(
		    text, sizeof(text), "HTTP/1.1 %.3s x\r\nContent-Length: 0\r\n\r\n", path + 8);
		answer(fd, text);
	} else if (strcmp(path, "/connections") == 0) {
		snprintf(text, sizeof(text), "%u", atomic_load(&server.connections));
		answer_body(fd, "", text);
	} else if (strcmp(path, "/head") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	} else if (strcmp(path, "/chunked") == 0) {
		answer_in_bytes(fd);
	} else if (strcmp(path, "/until-close") == 0) {
		answer(fd, "HTTP/1.0 200 OK\r\n\r\nhello");
		return false;
	} else if (strcmp(path, "/header") == 0) {
		answer_body(fd, "",
		    strstr(request, "\r\nX-Test: yes\r\n") != NULL &&
			    strstr(request, "\r\nHost: other.example\r\n") != NULL &&
			    strstr(request, "127.0.0.1") == NULL
			? "needle"
			: "no");
	} else if (strcmp(path, "/redirect") == 0) {
		answer(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	} else if (strncmp(path, "/to/", 4) == 0) {
		snprintf(text, sizeof(text),
		    "HTTP/1.1 302 Found\r\nLocation: %.60s\r\nContent-Length: 0\r\n\r\n", path + 4);
		answer(fd, text);
	} else if (strcmp(path, "/garbage") == 0) {
		answer(fd, "\x01\x02 rubbish");
	} else if (strcmp(path, "/huge-headers") == 0) {
		answer_headers_without_end(fd);
	} else if (strcmp(path, "/half-head") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nX-Half");
	} else if (strcmp(path, "/half-body") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
	} else if (strcmp(path, "/cut-body") == 0) {
		answer(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
		return false;
	} else if (strcmp(path, "/big") == 0) {
		answer_big(fd, 300000);
	} else if (strcmp(path, "/close") == 0) {
		return false;
	} else if (strcmp(path, "/close-after") == 0) {
		answer_body(fd, "", "hello");
		return false;
	} else if (strcmp(path, "/drop-second") == 0) {
		if (nth > 1)
			return false;
		answer_body(fd, "", "hello");
	} else if (strcmp(path, "/reset") == 0) {
		const struct linger hard = { 1, 0 };

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		return false;
	} /* "/silent": no word, until the client goes */
	return true;
}

/* Reads one request; false: the client is gone. */
static bool
request_read(int fd, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	while (strstr(buf, "\r\n\r\n") == NULL) {
		const ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		buf[len] = '\0';
	}
	return true;
}

static void *
connection_main(void *arg)
{
	const int fd = (int)(intptr_t)arg;
	char request[4096];
	char path[256];
	bool open = true;

	for (unsigned nth = 1; open && request_read(fd, request, sizeof(request)); nth++) {
		const char *begin = strchr(request, ' ') + 1;

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(begin, " "), begin);
		open = serve(fd, path, request, nth);
	}
	close(fd);
	return NULL;
}

static void *
server_main(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == EMFILE) {
		pthread_t thread;

		if (fd < 0) { /* a test has taken the descriptors away */
			sched_yield();
			continue;
		}
		atomic_fetch_add(&server.connections, 1);
		if (pthread_create(&thread, NULL, connection_main, (void *)(intptr_t)fd) != 0)
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

int
listen_on(const char *address, int backlog, uint16_t *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t len = sizeof(in);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &in.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, backlog) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	*port = ntohs(in.sin_port);
	return fd;
}

void
server_start(void)
{
	server.fd = listen_on("127.0.0.1", 64, &server.port);
	if (pthread_create(&server.thread, NULL, server_main, NULL) != 0)
		abort();
}

void
server_stop(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
}
