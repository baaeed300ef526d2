/*
 * The configuration of each sampler: the structs that bl_conf fills by the
 * tables sampler_ops.options.
 *
 * Every one begins with `enabled`; a sampler that is not enabled opens and
 * puts nothing, so the owner needs no special case.  Lists of names take the
 * wildcards * and ?.
 */
#ifndef SAMPLE_CONF_H
#define SAMPLE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "branchline/conf.h"

struct sample_cpu_conf {
	bool enabled;
	bool modes; /* cpu_mode_pct, one series a mode */
};

struct sample_memory_conf {
	bool enabled;
	bool swap;
	bool details;     /* what is dirty, shared, promised, and of the kernel's own */
	bool events;      /* swapping, major faults, OOM kills */
	int64_t every_ms; /* of the events */
};

struct sample_disk_conf {
	bool enabled;
	bool io;                        /* counters per device */
	struct bl_conf_strlist types;   /* further file systems to count as local */
	struct bl_conf_strlist include; /* mount points; empty: all local ones */
	struct bl_conf_strlist exclude;
	struct bl_conf_strlist include_devices; /* empty: whole disks that nothing stands on */
	struct bl_conf_strlist exclude_devices;
	int64_t max_mounts;
	int64_t max_devices;
};

struct sample_network_conf {
	bool enabled;
	bool loopback;
	bool virtuals;                  /* veth*, docker*, br-* and their like */
	struct bl_conf_strlist include; /* interfaces; empty: as the two above say */
	struct bl_conf_strlist exclude;
	int64_t max_interfaces;
};

struct sample_pressure_conf {
	bool enabled;
	int average; /* 0: 10 s, 1: 60 s, 2: 300 s */
	int64_t every_ms;
};

struct sample_tcp_conf {
	bool enabled;
	int64_t every_ms;
	bool states; /* connections by state: a walk over all sockets */
	int64_t states_every_ms;
	int64_t max_sockets; /* above, the states are unknown */
	bool conntrack;
};

struct sample_time_conf {
	bool enabled;
	int64_t every_ms;
};

struct sample_sensors_conf {
	bool enabled;
	int64_t every_ms;
	struct bl_conf_strlist include; /* sensors; empty: all */
	struct bl_conf_strlist exclude;
	int64_t max_sensors;
};

struct sample_kernel_conf {
	bool enabled;
	int64_t every_ms;
};

struct sample_units_conf {
	bool enabled;
	bool bus;
	struct bl_conf_strlist watch;
	int64_t every_ms;
};

struct sample_uptime_conf {
	bool enabled;
};

struct sample_self_conf {
	bool enabled;
};

struct sample_synthetic_conf {
	bool enabled;
	int64_t series; /* 1..1000 */
};

#endif
