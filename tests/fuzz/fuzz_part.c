/*
 * libFuzzer target: a stored part.  What decodes encodes to the same bytes, and
 * can be merged and asked.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct bl_part *p, const uint8_t *data, size_t size)
{
	struct bl_part twice;
	struct bl_buf again;
	double v;

	bl_buf_init(&again, 1 << 20);
	if (bl_part_encode(p, &again) != BL_OK || again.len != size ||
	    memcmp(again.data, data, size) != 0)
		abort();
	if (bl_part_init(&twice, p->sketch != NULL) != BL_OK || bl_part_merge(&twice, p) != BL_OK ||
	    (p->n > 0 && !bl_part_equal(&twice, p)))
		abort();
	(void)bl_part_merge(&twice, p);
	for (int f = BL_FN_MEAN; f <= BL_FN_PERCENTILE; f++)
		(void)bl_part_value(&twice, (enum bl_function)f, 0.9, &v);
	bl_part_free(&twice);
	bl_buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_part p;

	if (bl_part_init(&p, false) != BL_OK)
		return 0;
	if (bl_part_decode(&p, data, size, NULL) == BL_OK)
		check(&p, data, size);
	bl_part_free(&p);
	return 0;
}
