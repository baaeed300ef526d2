/* Ticks for a spool, and what it says of itself. */
#ifndef SPOOL_HANDSHAKE_KIT_H
#define SPOOL_HANDSHAKE_KIT_H

#include "spool_kit.h"

void ticks(struct kit *k, int n);
struct spool_status status(struct kit *k);

#endif
