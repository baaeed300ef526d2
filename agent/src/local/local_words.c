/* The table of words; see the header. */
#include "local_words.h"

#include <stdio.h>
#include <string.h>

#include "branchline/catalogue.h"

#include "local_files.h"
#include "local_text.h"

/* clang-format off */
const struct local_word local_words[] = {
	{ "page.title", "Branchline agent", "Branchline 代理程序" },
	{ "page.site", "site", "站点" },
	{ "page.ago", "ago", "前" },
	{ "page.updated", "updated", "更新于" },
	{ "page.lost", "The agent does not answer. What follows is as of", "代理程序没有响应。以下数据截至" },
	{ "page.loading", "Asking the agent ...", "正在询问代理程序……" },
	{ "page.filter", "filter by name or label", "按名称或标签筛选" },
	{ "page.no_probes", "No probes are configured.", "没有配置探测。" },
	{ "page.no_series", "Nothing has been sampled yet.", "尚未采集任何数据。" },
	{ "page.no_match", "No series matches.", "没有匹配的序列。" },
	{ "page.old", "series are no longer measured", "个序列已不再测量" },
	{ "page.metrics", "for Prometheus", "供 Prometheus 使用" },

	{ "head.link", "Link", "连接" },
	{ "head.spool", "Queue", "队列" },
	{ "head.clock", "Clock", "时钟" },
	{ "head.sampling", "Sampling", "采样" },
	{ "head.inlets", "Reports of programs", "程序上报" },
	{ "head.probes", "Probes", "探测" },
	{ "head.series", "Current values", "当前数值" },

	{ "col.name", "name", "名称" },
	{ "col.kind", "kind", "类型" },
	{ "col.state", "state", "状态" },
	{ "col.since", "since", "起始" },
	{ "col.took", "took", "用时" },
	{ "col.why", "why", "原因" },
	{ "col.value", "value", "数值" },
	{ "col.age", "age", "时效" },
	{ "col.labels", "labels", "标签" },

	{ "health.healthy", "healthy", "正常" },
	{ "health.degraded", "needs attention", "需要关注" },
	{ "health.dead", "not running", "未运行" },
	{ "health.link_none", "No connection can be made", "无法建立连接" },
	{ "health.link_down", "Not connected to the broker", "未连接到消息服务器" },
	{ "health.retired", "The centre takes nothing: this device was retired", "中心不再接收：该设备已停用" },
	{ "health.copied", "The centre takes nothing: this queue belongs to another device", "中心不接收：该队列属于另一台设备（磁盘镜像被复制？）" },
	{ "health.centre_silent", "Connected, but the collector has not answered yet", "已连接，但采集中心尚未应答" },
	{ "health.broker_refuses", "The broker refuses messages of this device", "消息服务器拒绝该设备的消息" },
	{ "health.disk", "The disk does not take what is written", "磁盘无法写入" },
	{ "health.spool", "The queue on disk has a problem", "磁盘队列出现问题" },
	{ "health.disk_reserve", "The disk is nearly full: make room", "磁盘几乎已满：请腾出空间" },
	{ "health.spool_recovering", "A damaged queue is being recovered", "正在恢复损坏的队列" },
	{ "health.no_receipt", "No receipt, although batches wait", "有批次等待，但没有收到回执" },
	{ "health.spool_nearly_full", "The queue is over 90 % full: the oldest data will be dropped", "队列已超过 90%：最旧的数据将被丢弃" },
	{ "health.disk_slow", "The disk is too slow: samples or events were refused", "磁盘太慢：有样本或事件被拒绝" },
	{ "health.clock_unknown", "The clock is not known", "时间未知" },
	{ "health.clock_doubt", "Nobody has told this machine the time for long", "本机已长时间没有校时" },
	{ "health.clock_wild", "The machine's clock is not used: it stands or runs wrong", "本机时钟停走或走速异常，未被采用" },
	{ "health.clock_disagrees", "This machine's time service and the centre disagree", "本机时间服务与中心不一致" },
	{ "health.safe_mode", "Safe mode: little is sampled, nothing is probed", "安全模式：只进行少量采样，不做探测" },
	{ "health.sample_unknown", "Something could not be read", "有数据无法读取" },
	{ "health.series_refused", "Series are refused and not sampled", "有序列被拒绝采样" },
	{ "health.memory_short", "No memory: samples were left out", "内存不足：有样本被舍弃" },
	{ "health.memory_high", "The agent's memory is nearly at its ceiling", "代理程序的内存接近上限" },
	{ "health.steps_closed", "No steps of processes are taken", "未接收业务步骤" },
	{ "health.inlet_closed", "One of the ways for reports of programs is closed", "有程序上报入口未开启" },
	{ "health.local_closed", "No status page and no /metrics", "状态页和 /metrics 未开启" },

	{ "link.up", "connected", "已连接" },
	{ "link.connecting", "connecting", "正在连接" },
	{ "link.waiting", "down, waiting to try again", "已断开，等待重试" },
	{ "link.stopped", "stopped", "已停止" },
	{ "link.unusable", "cannot be used", "无法使用" },
	{ "link.retry", "next attempt in", "下次尝试还有" },
	{ "link.receipt", "last receipt", "最近回执" },

	{ "spool.waiting", "waiting", "等待中" },
	{ "spool.batches", "batches", "批次" },
	{ "spool.oldest", "oldest", "最旧" },
	{ "spool.of", "of", "／" },
	{ "spool.ok", "disk works", "磁盘正常" },
	{ "spool.full", "disk full", "磁盘已满" },
	{ "spool.read_only", "disk read-only", "磁盘只读" },
	{ "spool.failing", "disk fails", "磁盘故障" },
	{ "spool.held_back", "held back", "写入受阻" },
	{ "spool.damaged", "damaged", "已损坏" },
	{ "spool.no_memory", "no memory", "内存不足" },

	{ "clock.known", "known", "已知" },
	{ "clock.unknown", "not known", "未知" },

	{ "limit.series", "series", "序列" },
	{ "limit.refused", "refused", "被拒绝" },
	{ "limit.every", "every", "每" },

	{ "inlet.accepted", "taken", "已接收" },
	{ "inlet.lost", "lost", "丢失" },
	{ "inlet.failed", "closed", "未开启" },
	{ "inlet.safe_mode", "closed in safe mode", "安全模式下关闭" },

	{ "probe.up", "up", "正常" },
	{ "probe.down", "DOWN", "故障" },
	{ "probe.unknown", "unknown", "未知" },
	{ "probe.waiting", "no result yet", "尚无结果" },
	{ "probe.ran", "ran", "运行于" },
	{ "reason.ok", "", "" },
	{ "reason.dns", "name not found", "域名解析失败" },
	{ "reason.refused", "connection refused", "连接被拒绝" },
	{ "reason.unreachable", "unreachable", "无法到达" },
	{ "reason.timeout", "timeout", "超时" },
	{ "reason.tls", "TLS failed", "TLS 失败" },
	{ "reason.certificate", "certificate", "证书问题" },
	{ "reason.status", "status code", "状态码不符" },
	{ "reason.body", "body", "内容不符" },
	{ "reason.http", "no proper HTTP", "不是正常的 HTTP" },
	{ "reason.answer", "another answer", "应答不符" },
	{ "reason.protocol", "protocol", "协议错误" },
	{ "reason.not_allowed", "not allowed to try", "没有权限探测" },
	{ "reason.proxy", "proxy", "代理服务器故障" },
	{ "reason.redirect", "redirect", "重定向" },
	{ "reason.internal", "could not try", "代理无法探测" },

	{ "value.unreadable", "unreadable", "无法读取" },
	{ "value.timeout", "timeout", "超时" },
	{ "value.unsupported", "not on this machine", "本机不支持" },
	{ "value.late", "missed", "错过采样" },

	{ "top.keys", "q quit   arrows, PgUp/PgDn scroll   / filter", "q 退出   方向键/PgUp/PgDn 滚动   / 筛选" },
	{ "top.filter", "filter", "筛选" },
	{ NULL, NULL, NULL },
};
/* clang-format on */

const char *
local_word(const char *key, bool zh)
{
	for (const struct local_word *w = local_words; w->key != NULL; w++)
		if (strcmp(w->key, key) == 0)
			return zh ? w->zh : w->en;
	return key;
}

const char *
local_word_of(const char *area, const char *word, bool zh)
{
	char key[64];
	const char *found;

	(void)snprintf(key, sizeof(key), "%s.%s", area, word);
	found = local_word(key, zh);
	return found == key ? word : found;
}

static void
pair(struct bl_buf *out, bool first, const char *key, const char *en, const char *zh)
{
	local_text_put(out, first ? "\n" : ",\n");
	local_text_json(out, key, strlen(key));
	local_text_put(out, ":[");
	local_text_json(out, en, strlen(en));
	local_text_put(out, ",");
	local_text_json(out, zh, strlen(zh));
	local_text_put(out, "]");
}

void
local_words_json(struct bl_buf *out)
{
	bool first = true;

	local_text_put(out, "{\"words\":{");
	for (const struct local_word *w = local_words; w->key != NULL; w++)
		pair(out, w == local_words, w->key, w->en, w->zh);
	local_text_put(out, "},\"metrics\":{");
	for (const struct bl_catalogue_area *a = bl_catalogue_areas; a->name != NULL; a++)
		for (const struct bl_metric *m = a->row; m->name != NULL; m++) {
			pair(out, first, m->name, m->en, m->zh);
			first = false;
		}
	local_text_put(out, "},\"units\":{");
	for (const struct bl_unit *u = bl_catalogue_units; u->name != NULL; u++)
		pair(out, u == bl_catalogue_units, u->name, u->en, u->zh);
	local_text_put(out, "}}\n");
}
