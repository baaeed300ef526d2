/* Rows of the catalogue: files that are watched. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_file[] = {
	{ "file_exists", BL_GAUGE, "1",
	    "1: the watched file or folder is there; 0: it is not",
	    "1：被监视的文件或文件夹存在；0：不存在" },
	{ "file_size_bytes", BL_GAUGE, "bytes",
	    "Size of the watched file, or of all files that match",
	    "被监视文件的大小，或全部匹配文件的总大小" },
	{ "file_age_s", BL_GAUGE, "s",
	    "Time since the watched file, or the newest that matches, was changed",
	    "被监视文件（或最新的匹配文件）距上次修改的时间" },
	{ "file_count", BL_GAUGE, "1",
	    "Files of the watched folder that match",
	    "被监视文件夹中匹配的文件数" },
	{ "file_oldest_age_s", BL_GAUGE, "s",
	    "Time since the oldest file that matches was changed",
	    "最旧的匹配文件距上次修改的时间" },
	{ 0 },
};
/* clang-format on */
