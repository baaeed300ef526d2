/* What the mix's series are called; see mix.h. */
#include "mix.h"

#include <string.h>

#define G(group, field, unit, label, value, stream)                                                \
	{                                                                                          \
		group, field, group "_" field, unit, label, value, BL_GAUGE, stream                \
	}
#define C(group, field, unit, label, value)                                                        \
	{                                                                                          \
		group, field, group "_" field, unit, label, value, BL_COUNTER, BL_STREAM_HOST      \
	}
#define H(group, field, unit, label, value) G(group, field, unit, label, value, BL_STREAM_HOST)
#define P(field, unit, value)               G("probe", field, unit, "probe", value, BL_STREAM_PROBES)

#define CPU(cpu)                                                                                   \
	H("cpu", "user", "pct", "cpu", cpu), H("cpu", "system", "pct", "cpu", cpu),                \
	    H("cpu", "iowait", "pct", "cpu", cpu), H("cpu", "irq", "pct", "cpu", cpu),             \
	    H("cpu", "softirq", "pct", "cpu", cpu), H("cpu", "steal", "pct", "cpu", cpu)
#define DISK(path)                                                                                 \
	H("fs", "total", "bytes", "path", path), H("fs", "used", "bytes", "path", path),           \
	    H("fs", "inodes", "1", "path", path), H("fs", "iused", "1", "path", path)
#define DISKIO(name)                                                                               \
	C("io", "rbytes", "bytes", "disk", name), C("io", "wbytes", "bytes", "disk", name),        \
	    C("io", "reads", "1", "disk", name), C("io", "writes", "1", "disk", name),             \
	    C("io", "busy_ms", "ms", "disk", name)
#define NET(name)                                                                                  \
	C("net", "rbytes", "bytes", "if", name), C("net", "sbytes", "bytes", "if", name),          \
	    C("net", "rpackets", "1", "if", name), C("net", "spackets", "1", "if", name)
#define PROBE(name)                                                                                \
	P("status", "1", name), P("connect_ms", "ms", name), P("first_ms", "ms", name),            \
	    P("total_ms", "ms", name)
#define STEP(name) H("step", "took_s", "s", "step", name), H("step", "ended", "1", "step", name)

static const struct mix_series series[MIX_SERIES] = {
	CPU("0"),
	CPU("1"),
	H("load", "l1", "1", NULL, NULL),
	H("load", "l5", "1", NULL, NULL),
	H("load", "l15", "1", NULL, NULL),
	H("mem", "used", "bytes", NULL, NULL),
	H("mem", "available", "bytes", NULL, NULL),
	H("mem", "cached", "bytes", NULL, NULL),
	H("mem", "buffers", "bytes", NULL, NULL),
	H("mem", "shared", "bytes", NULL, NULL),
	H("mem", "dirty", "bytes", NULL, NULL),
	DISK("/"),
	DISK("/var"),
	DISK("/srv"),
	DISKIO("sda"),
	DISKIO("sdb"),
	NET("eth0"),
	NET("eth1"),
	NET("wlan0"),
	NET("wg0"),
	H("proc", "threads", "1", "name", "till"),
	H("proc", "cpu", "pct", "name", "till"),
	H("proc", "files", "1", "name", "till"),
	H("proc", "mem", "pct", "name", "till"),
	H("proc", "count", "1", "name", "till"),
	PROBE("cash"),
	PROBE("stock"),
	PROBE("loyalty"),
	PROBE("orders"),
	PROBE("portal"),
	STEP("review"),
	STEP("picking"),
	STEP("packing"),
	STEP("shipping"),
	STEP("payment"),
	STEP("return"),
	H("queue", "orders", "1", NULL, NULL),
	H("temp", "inside", "c", NULL, NULL),
	H("ups", "charge", "pct", NULL, NULL),
	H("wifi", "signal", "db", NULL, NULL),
};

const struct mix_series *
mix_series(unsigned i)
{
	return &series[i];
}

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

void
mix_defs(struct bl_series_def def[MIX_SERIES], bool split)
{
	memset(def, 0, MIX_SERIES * sizeof(*def));
	for (unsigned i = 0; i < MIX_SERIES; i++) {
		const struct mix_series *s = &series[i];

		def[i].id = i + 1;
		def[i].stream = split ? s->stream : BL_STREAM_HOST;
		def[i].kind = s->kind;
		def[i].interval_ms = 10000;
		def[i].name = str(s->metric);
		def[i].unit = str(s->unit);
		if (s->label == NULL)
			continue;
		def[i].n_labels = 1;
		def[i].label[0] = (struct bl_label){ str(s->label), str(s->label_value) };
	}
}
