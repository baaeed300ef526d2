/* Rows of the catalogue: network interfaces. */
#include "catalogue_internal.h"

/* clang-format off */
const struct bl_metric catalogue_network[] = {
	{ "net_received_bytes_total", BL_COUNTER, "bytes",
	    "Bytes received on the interface",
	    "接口接收的字节数" },
	{ "net_sent_bytes_total", BL_COUNTER, "bytes",
	    "Bytes sent on the interface",
	    "接口发送的字节数" },
	{ "net_received_packets_total", BL_COUNTER, "1",
	    "Packets received on the interface",
	    "接口接收的数据包数" },
	{ "net_sent_packets_total", BL_COUNTER, "1",
	    "Packets sent on the interface",
	    "接口发送的数据包数" },
	{ "net_receive_errors_total", BL_COUNTER, "1",
	    "Packets received damaged",
	    "接收出错的数据包数" },
	{ "net_send_errors_total", BL_COUNTER, "1",
	    "Packets that could not be sent for an error",
	    "发送出错的数据包数" },
	{ "net_receive_dropped_total", BL_COUNTER, "1",
	    "Packets received and thrown away",
	    "接收后被丢弃的数据包数" },
	{ "net_send_dropped_total", BL_COUNTER, "1",
	    "Packets thrown away instead of sent",
	    "未发送而被丢弃的数据包数" },
	{ "net_interfaces_skipped", BL_GAUGE, "1",
	    "Interfaces beyond the configured cap, which are not sampled",
	    "超出配置上限而未采集的接口数" },
	{ 0 },
};
/* clang-format on */
