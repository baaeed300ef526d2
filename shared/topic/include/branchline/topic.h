/*
 * Topics and ids.  Identity comes from the topic alone.  Pure, any thread.
 */
#ifndef BRANCHLINE_TOPIC_H
#define BRANCHLINE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_ID_TEXT_MAX 63 /* of a device or site id */
#define BL_TOPIC_MAX   128
#define BL_PARTS       64

enum bl_topic_kind {
	BL_TOPIC_OTHER = 0, /* none of ours, or malformed */
	BL_TOPIC_HELLO,     /* bl/1/up/<part>/<device>/... */
	BL_TOPIC_LIVE,
	BL_TOPIC_PAST,
	BL_TOPIC_PRESENCE,
	BL_TOPIC_RECEIPT, /* bl/1/down/<device>/... */
	BL_TOPIC_CONFIG,
	BL_TOPIC_COMMAND,
	BL_TOPIC_CENTRE, /* bl/1/centre */
};

struct bl_topic {
	enum bl_topic_kind kind;
	uint8_t part;                    /* up topics only */
	char device[BL_ID_TEXT_MAX + 1]; /* empty for centre */
};

/* [a-z0-9][a-z0-9-]{0,62} */
bool bl_id_text_valid(const char *id);

/* The part of a site: FNV-1a (32 bit) of its id, modulo 64.  Fixed when a device is added. */
uint8_t bl_part_of_site(const char *site_id);

/*
 * Writes the topic to out.  up kinds need part < 64 and a valid device; down
 * kinds a valid device; centre neither (NULL).  False: arguments off, or out too small.
 */
bool bl_topic_format(
    char *out, size_t size, enum bl_topic_kind kind, unsigned part, const char *device);

/* topic need not be terminated.  False: not ours or malformed; t->kind is BL_TOPIC_OTHER. */
bool bl_topic_parse(const char *topic, size_t len, struct bl_topic *t);

#endif
