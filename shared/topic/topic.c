/* Topics and ids; see the header for the grammar. */
#include "branchline/topic.h"

#include <stdio.h>
#include <string.h>

#define PREFIX_UP   "bl/1/up/"
#define PREFIX_DOWN "bl/1/down/"
#define CENTRE      "bl/1/centre"

static const struct {
	enum bl_topic_kind kind;
	bool up;
	const char *leaf;
} topic_leaves[] = {
	{ BL_TOPIC_HELLO, true, "hello" },
	{ BL_TOPIC_LIVE, true, "live" },
	{ BL_TOPIC_PAST, true, "past" },
	{ BL_TOPIC_PRESENCE, true, "presence" },
	{ BL_TOPIC_RECEIPT, false, "receipt" },
	{ BL_TOPIC_CONFIG, false, "config" },
	{ BL_TOPIC_COMMAND, false, "command" },
};

#define N_LEAVES (sizeof(topic_leaves) / sizeof(topic_leaves[0]))

static bool
id_char(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
}

static bool
id_valid(const char *id, size_t len)
{
	if (len == 0 || len > BL_ID_TEXT_MAX || !id_char(id[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!id_char(id[i]) && id[i] != '-')
			return false;
	return true;
}

bool
bl_id_text_valid(const char *id)
{
	return id_valid(id, strnlen(id, BL_ID_TEXT_MAX + 1));
}

uint8_t
bl_part_of_site(const char *site_id)
{
	uint32_t h = 2166136261u;

	for (; *site_id != '\0'; site_id++)
		h = (h ^ (uint8_t)*site_id) * 16777619u;
	return (uint8_t)(h % BL_PARTS);
}

bool
bl_topic_format(char *out, size_t size, enum bl_topic_kind kind, unsigned part, const char *device)
{
	int n = -1;

	if (kind == BL_TOPIC_CENTRE) {
		n = snprintf(out, size, CENTRE);
		return n > 0 && (size_t)n < size;
	}
	if (device == NULL || !bl_id_text_valid(device))
		return false;
	for (size_t i = 0; i < N_LEAVES; i++) {
		if (topic_leaves[i].kind != kind)
			continue;
		if (!topic_leaves[i].up)
			n = snprintf(out, size, PREFIX_DOWN "%s/%s", device, topic_leaves[i].leaf);
		else if (part < BL_PARTS)
			n = snprintf(
			    out, size, PREFIX_UP "%02u/%s/%s", part, device, topic_leaves[i].leaf);
	}
	return n > 0 && (size_t)n < size;
}

/* "<device>/<leaf>" with a leaf of the right direction. */
static bool
parse_tail(const char *p, size_t len, bool up, struct bl_topic *t)
{
	const char *slash = memchr(p, '/', len);
	size_t id_len, leaf_len;

	if (slash == NULL)
		return false;
	id_len = (size_t)(slash - p);
	leaf_len = len - id_len - 1;
	if (!id_valid(p, id_len))
		return false;
	for (size_t i = 0; i < N_LEAVES; i++) {
		if (topic_leaves[i].up != up || strlen(topic_leaves[i].leaf) != leaf_len ||
		    memcmp(topic_leaves[i].leaf, slash + 1, leaf_len) != 0)
			continue;
		memcpy(t->device, p, id_len);
		t->kind = topic_leaves[i].kind;
		return true;
	}
	return false;
}

bool
bl_topic_parse(const char *topic, size_t len, struct bl_topic *t)
{
	const size_t up = strlen(PREFIX_UP), down = strlen(PREFIX_DOWN);

	*t = (struct bl_topic){ .kind = BL_TOPIC_OTHER };
	if (len == strlen(CENTRE) && memcmp(topic, CENTRE, len) == 0) {
		t->kind = BL_TOPIC_CENTRE;
		return true;
	}
	if (len > down && memcmp(topic, PREFIX_DOWN, down) == 0)
		return parse_tail(topic + down, len - down, false, t);
	if (len <= up + 3 || memcmp(topic, PREFIX_UP, up) != 0)
		return false;
	topic += up;
	len -= up;
	if (topic[0] < '0' || topic[0] > '6' || topic[1] < '0' || topic[1] > '9' || topic[2] != '/')
		return false;
	t->part = (uint8_t)((topic[0] - '0') * 10 + (topic[1] - '0'));
	if (t->part >= BL_PARTS)
		return false;
	return parse_tail(topic + 3, len - 3, true, t);
}
