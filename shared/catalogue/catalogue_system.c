/* Rows of the catalogue: the machine as a whole. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_system[] = {
	{ "uptime_s", BL_GAUGE, "s",
	    "Time since the machine was started",
	    "机器启动以来的时间" },
	{ 0 },
};
/* clang-format on */
