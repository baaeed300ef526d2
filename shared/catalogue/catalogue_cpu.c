/* Rows of the catalogue: CPU, load and what is running. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_cpu[] = {
	{ "cpu_used_pct", BL_GAUGE, "pct",
	    "Share of all processors' time that was used for work",
	    "全部处理器时间中用于工作的比例" },
	{ "cpu_mode_pct", BL_GAUGE, "pct",
	    "Share of all processors' time spent in each mode (user, system, waiting for disks ...)",
	    "全部处理器时间在各模式（用户、内核、等待磁盘等）中的比例" },
	{ "cpu_count", BL_GAUGE, "1",
	    "Processors that are switched on",
	    "已启用的处理器数" },
	{ "load1", BL_GAUGE, "1",
	    "Tasks that run or wait for disks, on average over 1 minute",
	    "1 分钟内运行或等待磁盘的任务平均数" },
	{ "load5", BL_GAUGE, "1",
	    "Tasks that run or wait for disks, on average over 5 minutes",
	    "5 分钟内运行或等待磁盘的任务平均数" },
	{ "load15", BL_GAUGE, "1",
	    "Tasks that run or wait for disks, on average over 15 minutes",
	    "15 分钟内运行或等待磁盘的任务平均数" },
	{ "processes_running", BL_GAUGE, "1",
	    "Tasks that run or want to run right now",
	    "此刻正在运行或等待处理器的任务数" },
	{ "processes_total", BL_GAUGE, "1",
	    "Processes there are",
	    "进程总数" },
	{ 0 },
};
/* clang-format on */
