/* Rows of the catalogue: processes. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_process[] = {
	{ "processes_state", BL_GAUGE, "1",
	    "Processes by state: running, sleeping, blocked (waiting for a disk) and so on",
	    "按当前状态统计的进程数：运行、睡眠、阻塞（等待磁盘）等" },
	{ "process_up", BL_GAUGE, "1",
	    "1: at least one process of the watched program runs; 0: none",
	    "1：被监视的程序至少有一个进程在运行；0：没有" },
	{ "process_count", BL_GAUGE, "1",
	    "Processes of the watched program that run",
	    "被监视程序正在运行的进程数" },
	{ "process_cpu_ms_total", BL_COUNTER, "ms",
	    "Processor time that the watched program has used since the agent began to watch",
	    "自代理程序开始监视以来，被监视程序使用的处理器时间" },
	{ "process_resident_bytes", BL_GAUGE, "bytes",
	    "Memory that the watched program's processes occupy; what they share counts for each",
	    "被监视程序各进程占用的内存，共享部分重复计算" },
	{ "process_restarts_total", BL_COUNTER, "1",
	    "How often the watched program's oldest process was another, later one than before",
	    "被监视程序的最早进程被更晚启动的进程取代的次数（重启次数）" },
	{ "process_age_s", BL_GAUGE, "s",
	    "How long the watched program's oldest process has been running; 0: none runs",
	    "被监视程序最早进程的运行时间；0：未运行" },
	{ 0 },
};
/* clang-format on */
