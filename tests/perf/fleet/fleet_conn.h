/*
 * One connection: TCP, TLS with the agent's own certificate, MQTT packets over it.
 * Non-blocking; its descriptor is watched by the caller's epoll, edge by level.
 *
 * TLS is what an agent's link does (shared/link): 1.2, chain and name verified, full
 * handshake.  Bytes are counted where they leave for the socket and come from it: all of TLS,
 * nothing of TCP and IP.
 */
#ifndef FLEET_CONN_H
#define FLEET_CONN_H

#include "fleet_identity.h"
#include "fleet_mqtt.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>

/* What all connections share. */
struct fleet_tls {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
	mbedtls_x509_crt ca;
	bool has_ca;
	int epoll_fd;
	uint64_t in_bytes, out_bytes;
};

int fleet_tls_open(struct fleet_tls *t, const char *ca_pem, struct bl_err *err);
void fleet_tls_close(struct fleet_tls *t);

enum fleet_conn_stage { FLEET_CONN_TCP, FLEET_CONN_TLS, FLEET_CONN_OPEN };

struct fleet_conn {
	struct fleet_tls *tls;
	int fd;
	enum fleet_conn_stage stage;
	mbedtls_ssl_config conf;
	mbedtls_x509_crt own;
	mbedtls_pk_context key;
	mbedtls_ssl_context ssl;
	uint32_t events;
	bool want_write;
	struct bl_buf in, out; /* plain bytes that wait */
	size_t out_at;
	size_t out_try; /* what a write that has to be repeated was given; 0: none */
	char why[160];  /* of the failure */
};

/* Begins to connect; tag comes back with each event of epoll.  Keeps tls. */
int fleet_conn_open(struct fleet_conn **out, struct fleet_tls *tls, const struct fleet_identity *id,
    void *tag, struct bl_err *err);
void fleet_conn_free(struct fleet_conn *c); /* NULL is fine */

/*
 * Something can be done: goes on with the handshake, sends what waits, reads what
 * is there into in.  False: it is over, why says it.
 */
bool fleet_conn_step(struct fleet_conn *c, void *tag);
/* Sends of out what goes.  False: as above. */
bool fleet_conn_flush(struct fleet_conn *c, void *tag);
/* What stood at the front of in has been read. */
void fleet_conn_took(struct fleet_conn *c, size_t bytes);

#endif
