/*
 * libFuzzer target: an MQTT topic.  What parses is written again as the same
 * bytes, so that nobody has two names; its device is a good id.
 */
#include "branchline/topic.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), again[BL_TOPIC_MAX];
	struct bl_topic t, u;

	(void)bl_part_of_site(text);
	(void)bl_id_text_valid(text);
	if (bl_topic_parse(text, size, &t)) {
		const bool centre = t.kind == BL_TOPIC_CENTRE;

		CHECK(t.kind != BL_TOPIC_OTHER && t.part < BL_PARTS);
		CHECK(centre ? t.device[0] == '\0' : bl_id_text_valid(t.device));
		CHECK(bl_topic_format(
		    again, sizeof(again), t.kind, t.part, centre ? NULL : t.device));
		CHECK(strlen(again) == size && memcmp(again, data, size) == 0);
		CHECK(bl_topic_parse(again, size, &u) && u.kind == t.kind && u.part == t.part);
	} else {
		CHECK(t.kind == BL_TOPIC_OTHER);
	}
	free(text);
	return 0;
}
