/* Rows of the catalogue: the machine as a whole. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_system[] = {
	{ "uptime_s", BL_GAUGE, "s",
	    "Time since the machine was started",
	    "机器启动以来的时间" },
	{ "time_synchronised", BL_GAUGE, "1",
	    "1: something keeps the clock right, 0: nothing does",
	    "1：时钟正在被校准，0：没有校准" },
	{ "time_offset_ms", BL_GAUGE, "ms",
	    "By how much the clock is known to be off, which the kernel is working off",
	    "已知的时钟偏差，内核正在逐步修正" },
	{ "time_error_max_ms", BL_GAUGE, "ms",
	    "By how much the clock may be off at most",
	    "时钟误差的上限" },
	{ "time_error_estimated_ms", BL_GAUGE, "ms",
	    "By how much the clock is off, as its keeper estimates",
	    "校时程序估计的时钟误差" },
	{ "time_frequency_ppm", BL_GAUGE, "ppm",
	    "By how much the clock is made to run faster or slower",
	    "对时钟快慢的修正量" },
	{ "kernel_open_files", BL_GAUGE, "1",
	    "Open files of the whole machine",
	    "整机打开的文件数" },
	{ "kernel_open_files_max", BL_GAUGE, "1",
	    "Open files that the machine allows; none where there is no limit",
	    "整机允许打开的文件数；无限制则无值" },
	{ "kernel_entropy_bits", BL_GAUGE, "1",
	    "Bits of randomness that the kernel has ready",
	    "内核可用的随机熵位数" },
	{ 0 },
};
/* clang-format on */
