/*
 * What the tests of the link share: certificates of their own, and a TLS server,
 * `openssl s_server -rev`, which sends each line back reversed.
 */
#ifndef LINK_KIT_H
#define LINK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include "branchline/link.h"

/* A folder with everything, and paths of files in it. */
extern char link_folder[64];
extern char link_ca[96], link_cert[96], link_key[96], link_other_key[96];

/* cmocka's group setup and teardown. */
int link_kit_make(void **state);
int link_kit_remove(void **state);

struct bl_link_cfg link_kit_config(uint16_t port);

struct link_server {
	pid_t pid;
	FILE *out;
	uint16_t port;
};

void link_server_start(struct link_server *s);
/* The same behind a proxy and WebSocket: link_peer.py. */
void link_peer_start(struct link_server *s, const char *program);
void link_server_stop(struct link_server *s);

#endif
