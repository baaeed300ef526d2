/* Messages of DNS, written byte by byte. */
#ifndef DNS_KIT_H
#define DNS_KIT_H

#include <stddef.h>
#include <stdint.h>

#define A    1
#define TXT  16
#define HERE "\xc0\x0c" /* a pointer to the question's name */

struct msg {
	uint8_t b[20000];
	size_t len;
};

void put(struct msg *m, const void *p, size_t len);
void put16(struct msg *m, unsigned v);
void put_name(struct msg *m, const char *text);

/* name: in text, or HERE. */
void put_record(
    struct msg *m, const char *name, unsigned type, unsigned ttl, const void *data, size_t len);

#endif
