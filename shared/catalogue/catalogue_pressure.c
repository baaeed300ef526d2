/* Rows of the catalogue: waiting for CPU, memory and disks. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_pressure[] = {
	{ "pressure_some_pct", BL_GAUGE, "pct",
	    "Share of time in which some tasks waited for the resource",
	    "有任务在等待该资源的时间比例" },
	{ "pressure_full_pct", BL_GAUGE, "pct",
	    "Share of time in which all tasks that could run waited for the resource",
	    "所有可运行任务都在等待该资源的时间比例" },
	{ "pressure_some_us_total", BL_COUNTER, "us",
	    "Time in which some tasks waited for the resource",
	    "有任务在等待该资源的时间" },
	{ "pressure_full_us_total", BL_COUNTER, "us",
	    "Time in which all tasks that could run waited for the resource",
	    "所有可运行任务都在等待该资源的时间" },
	{ 0 },
};
/* clang-format on */
