/* See fleet_conn.h. */
#include "fleet_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX  (1024u * 1024u)
#define OUT_MAX (8u * 1024u * 1024u) /* a window of frames is 256 KiB */

/* ---- shared ---- */

int
fleet_tls_open(struct fleet_tls *t, const char *ca_pem, struct bl_err *err)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->epoll_fd = -1;
	mbedtls_entropy_init(&t->entropy);
	mbedtls_ctr_drbg_init(&t->drbg);
	mbedtls_x509_crt_init(&t->ca);
	if ((rc = mbedtls_ctr_drbg_seed(&t->drbg, mbedtls_entropy_func, &t->entropy, NULL, 0)) != 0)
		return bl_fail(err, BL_EIO, "TLS: no randomness: -0x%04x", (unsigned)-rc);
	rc = mbedtls_x509_crt_parse(&t->ca, (const unsigned char *)ca_pem, strlen(ca_pem) + 1);
	if (rc != 0)
		return bl_fail(err, BL_EINVAL, "TLS: the CA's certificate: -0x%04x", (unsigned)-rc);
	if ((t->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return bl_fail_errno(err, BL_EIO, "epoll");
	return BL_OK;
}

void
fleet_tls_close(struct fleet_tls *t)
{
	if (t->epoll_fd >= 0)
		(void)close(t->epoll_fd);
	mbedtls_x509_crt_free(&t->ca);
	mbedtls_ctr_drbg_free(&t->drbg);
	mbedtls_entropy_free(&t->entropy);
}

/* ---- the socket ---- */

static int
send_cb(void *ctx, const unsigned char *data, size_t len)
{
	struct fleet_conn *c = ctx;
	const ssize_t sent = send(c->fd, data, len, MSG_NOSIGNAL);

	if (sent >= 0) {
		c->tls->out_bytes += (uint64_t)sent;
		return (int)sent;
	}
	if (errno != EAGAIN && errno != EINTR)
		return MBEDTLS_ERR_SSL_CONN_EOF;
	c->want_write = true;
	return MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int
receive_cb(void *ctx, unsigned char *data, size_t len)
{
	struct fleet_conn *c = ctx;
	const ssize_t got = recv(c->fd, data, len, 0);

	if (got > 0) {
		c->tls->in_bytes += (uint64_t)got;
		return (int)got;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return MBEDTLS_ERR_SSL_WANT_READ;
	return MBEDTLS_ERR_SSL_CONN_EOF;
}

static bool
watch(struct fleet_conn *c, void *tag, int how, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = tag };

	if (how == EPOLL_CTL_MOD && events == c->events)
		return true;
	c->events = events;
	return epoll_ctl(c->tls->epoll_fd, how, c->fd, &ev) == 0;
}

static int
dial(struct fleet_conn *c, const struct fleet_identity *id, struct bl_err *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)id->port) };
	const char *host = strcmp(id->host, "localhost") == 0 ? "127.0.0.1" : id->host;
	const int on = 1;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		return bl_fail(err, BL_EINVAL, "%s: expected an IPv4 address", id->host);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return bl_fail_errno(err, BL_EIO, "socket");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
		return bl_fail_errno(err, BL_ENET, "connect to %s:%u", id->host, id->port);
	return BL_OK;
}

/* ---- TLS ---- */

static int
parse_own(struct fleet_conn *c, const struct fleet_identity *id)
{
	int rc = mbedtls_x509_crt_parse(
	    &c->own, (const unsigned char *)id->certificate, strlen(id->certificate) + 1);

	if (rc == 0)
		rc = mbedtls_pk_parse_key(
		    &c->key, (const unsigned char *)id->key, strlen(id->key) + 1, NULL, 0);
	return rc;
}

static int
set_up(struct fleet_conn *c, const struct fleet_identity *id)
{
	int rc = mbedtls_ssl_config_defaults(&c->conf, MBEDTLS_SSL_IS_CLIENT,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc != 0 || (rc = parse_own(c, id)) != 0)
		return rc;
	mbedtls_ssl_conf_min_version(
	    &c->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_rng(&c->conf, mbedtls_ctr_drbg_random, &c->tls->drbg);
	mbedtls_ssl_conf_ca_chain(&c->conf, &c->tls->ca, NULL);
	if ((rc = mbedtls_ssl_conf_own_cert(&c->conf, &c->own, &c->key)) != 0 ||
	    (rc = mbedtls_ssl_setup(&c->ssl, &c->conf)) != 0 ||
	    (rc = mbedtls_ssl_set_hostname(&c->ssl, id->verify_name)) != 0)
		return rc;
	mbedtls_ssl_set_bio(&c->ssl, c, send_cb, receive_cb, NULL);
	return 0;
}

int
fleet_conn_open(struct fleet_conn **out, struct fleet_tls *tls, const struct fleet_identity *id,
    void *tag, struct bl_err *err)
{
	struct fleet_conn *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return bl_fail(err, BL_ENOMEM, "connect: out of memory");
	c->tls = tls;
	c->fd = -1;
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_x509_crt_init(&c->own);
	mbedtls_pk_init(&c->key);
	mbedtls_ssl_init(&c->ssl);
	bl_buf_init(&c->in, IN_MAX);
	bl_buf_init(&c->out, OUT_MAX);
	if ((rc = set_up(c, id)) != 0)
		rc = bl_fail(
		    err, BL_EINVAL, "device %s: TLS set-up: -0x%04x", id->device, (unsigned)-rc);
	else if ((rc = dial(c, id, err)) == BL_OK && !watch(c, tag, EPOLL_CTL_ADD, EPOLLOUT))
		rc = bl_fail_errno(err, BL_EIO, "epoll");
	if (rc < 0) {
		fleet_conn_free(c);
		return rc;
	}
	*out = c;
	return BL_OK;
}

void
fleet_conn_free(struct fleet_conn *c)
{
	if (c == NULL)
		return;
	mbedtls_ssl_free(&c->ssl);
	mbedtls_pk_free(&c->key);
	mbedtls_x509_crt_free(&c->own);
	mbedtls_ssl_config_free(&c->conf);
	if (c->fd >= 0)
		(void)close(c->fd);
	bl_buf_free(&c->in);
	bl_buf_free(&c->out);
	free(c);
}

static bool
over(struct fleet_conn *c, const char *what, int code)
{
	(void)snprintf(c->why, sizeof(c->why), "%s (-0x%04x)", what, (unsigned)-code);
	return false;
}

static bool
again(int rc)
{
	return rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static bool
watch_for(struct fleet_conn *c, void *tag)
{
	return watch(c, tag, EPOLL_CTL_MOD, EPOLLIN | (c->want_write ? EPOLLOUT : 0));
}

static bool
connected(struct fleet_conn *c)
{
	int code = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0)
		return true;
	(void)snprintf(c->why, sizeof(c->why), "connect: %s", strerror(code));
	return false;
}

bool
fleet_conn_flush(struct fleet_conn *c, void *tag)
{
	if (c->stage != FLEET_CONN_OPEN)
		return true;
	c->want_write = false;
	while (c->out_at < c->out.len) {
		/* Again with the same bytes: the record that has been made is of those. */
		const size_t len = c->out_try > 0 ? c->out_try : c->out.len - c->out_at;
		const int rc = mbedtls_ssl_write(&c->ssl, c->out.data + c->out_at, len);

		c->out_try = again(rc) ? len : 0;
		if (again(rc))
			break;
		if (rc <= 0)
			return over(c, "the connection broke while sending", rc);
		c->out_at += (size_t)rc;
	}
	if (c->out_at == c->out.len) {
		bl_buf_free(&c->out); /* thousands of connections at rest */
		bl_buf_init(&c->out, OUT_MAX);
		c->out_at = 0;
	}
	return watch_for(c, tag);
}

static bool
read_all(struct fleet_conn *c)
{
	static unsigned char part[16384]; /* one thread */

	for (;;) {
		const int rc = mbedtls_ssl_read(&c->ssl, part, sizeof(part));

		if (again(rc))
			return true;
		if (rc <= 0)
			return over(c, "the other end closed the connection", rc);
		bl_buf_bytes(&c->in, part, (size_t)rc);
		if (c->in.failed)
			return over(c, "more came than can be kept", 0);
	}
}

bool
fleet_conn_step(struct fleet_conn *c, void *tag)
{
	int rc;

	if (c->stage == FLEET_CONN_TCP) {
		if (!connected(c))
			return false;
		c->stage = FLEET_CONN_TLS;
	}
	if (c->stage == FLEET_CONN_TLS) {
		c->want_write = false;
		rc = mbedtls_ssl_handshake(&c->ssl);
		if (again(rc))
			return watch_for(c, tag);
		if (rc != 0)
			return over(c, "TLS handshake", rc);
		c->stage = FLEET_CONN_OPEN;
	}
	return read_all(c) && fleet_conn_flush(c, tag);
}

void
fleet_conn_took(struct fleet_conn *c, size_t bytes)
{
	if (bytes >= c->in.len) {
		bl_buf_free(&c->in);
		bl_buf_init(&c->in, IN_MAX);
		return;
	}
	memmove(c->in.data, c->in.data + bytes, c->in.len - bytes);
	c->in.len -= bytes;
}
