/* Rows of the catalogue: memory and swap. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_memory[] = {
	{ "memory_total_bytes", BL_GAUGE, "bytes",
	    "Memory that the kernel can use",
	    "内核可用的内存总量" },
	{ "memory_used_bytes", BL_GAUGE, "bytes",
	    "Memory that could not be had without swapping: total less available",
	    "已用内存：总量减去可用量" },
	{ "memory_available_bytes", BL_GAUGE, "bytes",
	    "Memory that programs can still get without swapping",
	    "程序无需交换仍可获得的内存" },
	{ "memory_used_pct", BL_GAUGE, "pct",
	    "Used share of the memory",
	    "内存使用率" },
	{ "memory_cached_bytes", BL_GAUGE, "bytes",
	    "Memory that holds contents of files",
	    "用于缓存文件内容的内存" },
	{ "memory_buffers_bytes", BL_GAUGE, "bytes",
	    "Memory that holds blocks of disks",
	    "用于缓存磁盘块的内存" },
	{ "swap_total_bytes", BL_GAUGE, "bytes",
	    "Swap space there is",
	    "交换空间总量" },
	{ "swap_used_bytes", BL_GAUGE, "bytes",
	    "Swap space in use",
	    "已用的交换空间" },
	{ 0 },
};
/* clang-format on */
