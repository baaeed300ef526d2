/* See spool_handshake_kit.h. */
#include "spool_handshake_kit.h"

void
ticks(struct kit *k, int n)
{
	for (int i = 0; i < n; i++)
		kit_tick(k, BL_STREAM_HOST);
	kit_commit(k);
}

struct spool_status
status(struct kit *k)
{
	struct bl_err err = { 0 };
	struct spool_status st;

	assert_int_equal(spool_status(k->s, &st, &err), BL_OK);
	return st;
}
