/* Rows of the catalogue: logs that are watched. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_log[] = {
	{ "log_present", BL_GAUGE, "1",
	    "1: the watched log is there; 0: it is not",
	    "1：被监视的日志存在；0：不存在" },
	{ "log_lines_total", BL_COUNTER, "1",
	    "Lines that were written to the watched log since the agent began to read it",
	    "自代理程序开始读取以来，写入被监视日志的行数" },
	{ "log_matched_lines_total", BL_COUNTER, "1",
	    "Of these lines the ones that match the watched expression",
	    "其中符合监视表达式的行数" },
	{ "log_skipped_bytes_total", BL_COUNTER, "bytes",
	    "Bytes of the watched log that were passed over because it grew too fast",
	    "被监视日志增长过快而跳过的字节数" },
	{ "log_matched_lines_per_min", BL_GAUGE, "1",
	    "Lines of the last minute that match the watched expression",
	    "最近一分钟内符合监视表达式的行数" },
	{ 0 },
};
/* clang-format on */
