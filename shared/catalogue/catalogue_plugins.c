/*
 * Rows of the catalogue: monitoring plug-ins.  They are reported by another program, under any name
 * that it likes; so these names are not kept for the agent alone.  plugin_value has no row: its
 * series have whatever unit the plug-in gives them.
 */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_plugins[] = {
	{ "plugin_state", BL_GAUGE, "1",
	    "What a monitoring plug-in says: 0 ok, 1 warning, 2 critical, 3 unknown",
	    "监控插件的结论：0 正常，1 警告，2 严重，3 未知" },
	{ "plugin_duration_ms", BL_GAUGE, "ms",
	    "How long a monitoring plug-in ran",
	    "监控插件的运行时间" },
	{ "plugin_ms", BL_GAUGE, "ms",
	    "A time that a monitoring plug-in measured; the label says which",
	    "监控插件测得的时间，由标签区分" },
	{ "plugin_bytes", BL_GAUGE, "bytes",
	    "A size that a monitoring plug-in measured; the label says which",
	    "监控插件测得的大小，由标签区分" },
	{ "plugin_pct", BL_GAUGE, "pct",
	    "A share that a monitoring plug-in measured; the label says which",
	    "监控插件测得的比例，由标签区分" },
	{ "plugin_total", BL_COUNTER, "1",
	    "A count that a monitoring plug-in read; the label says which",
	    "监控插件读取的计数，由标签区分" },
	{ "plugin_ms_limit", BL_GAUGE, "ms",
	    "A limit of a time that a monitoring plug-in measures",
	    "监控插件所测时间的阈值" },
	{ "plugin_bytes_limit", BL_GAUGE, "bytes",
	    "A limit of a size that a monitoring plug-in measures",
	    "监控插件所测大小的阈值" },
	{ "plugin_pct_limit", BL_GAUGE, "pct",
	    "A limit of a share that a monitoring plug-in measures",
	    "监控插件所测比例的阈值" },
	{ "plugin_runs_total", BL_COUNTER, "1",
	    "Runs of monitoring plug-ins",
	    "监控插件的运行次数" },
	{ "plugin_runs_missed_total", BL_COUNTER, "1",
	    "Runs of monitoring plug-ins that were left out: the one before took too long, or the machine slept",
	    "被跳过的监控插件运行次数：上一次耗时过长或机器休眠" },
	{ "plugin_processes_left_total", BL_COUNTER, "1",
	    "Processes that were still there when their plug-in had ended, and were ended",
	    "插件结束后仍在运行而被终止的进程数" },
	{ "plugin_bad_values_total", BL_COUNTER, "1",
	    "Performance data of monitoring plug-ins that could not be read",
	    "无法解析的监控插件性能数据数" },
	{ "plugin_reports_dropped_total", BL_COUNTER, "1",
	    "Reports of monitoring plug-ins that were dropped because the agent took none for too long",
	    "代理程序长时间不接收而丢弃的监控插件报告数" },
	{ "plugin_reports_refused_total", BL_COUNTER, "1",
	    "Reports of monitoring plug-ins that the agent refused",
	    "代理程序拒绝的监控插件报告数" },
	{ 0 },
};
/* clang-format on */
