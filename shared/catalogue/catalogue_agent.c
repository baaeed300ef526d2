/* Rows of the catalogue: the agent itself. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_agent[] = {
	{ "agent_cpu_ms_total", BL_COUNTER, "ms",
	    "Processor time that the agent has used",
	    "代理程序已用的处理器时间" },
	{ "agent_resident_bytes", BL_GAUGE, "bytes",
	    "Memory that the agent occupies",
	    "代理程序占用的内存" },
	{ "agent_open_files", BL_GAUGE, "1",
	    "Files and connections that the agent has open",
	    "代理程序打开的文件和连接数" },
	{ "agent_threads", BL_GAUGE, "1",
	    "Threads of the agent",
	    "代理程序的线程数" },
	{ "agent_step_events", BL_COUNTER, "1",
	    "Steps of business processes that local programs reported and the agent accepted",
	    "本机程序上报且已被代理程序接收的业务步骤数" },
	{ "agent_step_refused", BL_COUNTER, "1",
	    "Reports of steps that the agent refused",
	    "被代理程序拒绝的步骤上报数" },
	{ "agent_spool_bytes", BL_GAUGE, "bytes",
	    "Size of the agent's queue on disk",
	    "代理程序磁盘队列的大小" },
	{ "agent_waiting_batches", BL_GAUGE, "1",
	    "Batches that the centre has not confirmed yet",
	    "中心尚未确认的批次数" },
	{ "synthetic", BL_GAUGE, "1",
	    "Values that prove delivery; tests and load only",
	    "用于验证传输的数值，仅供测试和压力使用" },
	{ 0 },
};
/* clang-format on */
