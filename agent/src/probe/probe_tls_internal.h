/*
 * What the files that call mbedTLS share: a connection, and the certificates
 * that it is judged by.  Prober thread only.
 */
#ifndef PROBE_TLS_INTERNAL_H
#define PROBE_TLS_INTERNAL_H

#include "probe_internal.h"

#include <sys/stat.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

/* One file of trusted certificates, shared by the connections made with it. */
struct trust {
	struct trust *next;
	unsigned refs;
	char *path;        /* owned; as configured */
	char problem[128]; /* why it could not be read; empty: it could */
	struct stat file;
	mbedtls_x509_crt chain;
};

struct probe_tls_env {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	struct trust *trusted; /* one a path: the newest */
};

struct probe_tls {
	int fd;
	uint16_t port;
	bool judged;
	bool offered; /* a session to resume; with this secret: */
	unsigned char offered_master[48];
	bool send_dead;    /* the peer is gone; its alert may still be waiting to be read */
	bool literal;      /* host is an address: names in certificates do not apply */
	uint64_t bytes_in; /* raw */
	char first[5];     /* raw */
	char host[PROBE_HOST_MAX + 1];
	struct trust *trust;
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
};

int64_t probe_tls_unix_s(const mbedtls_x509_time *t);

/* Gives a reference back; NULL is fine. */
void probe_trust_drop(struct trust *t);

#endif
