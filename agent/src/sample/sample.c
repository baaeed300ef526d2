/* Every sampler there is: grep finds them here, link order does not matter. */
#include "sample_internal.h"

#include <stddef.h>

const struct sampler_ops *const samplers[] = {
	&sampler_cpu,
	&sampler_memory,
	&sampler_disk,
	&sampler_network,
	&sampler_pressure,
	&sampler_tcp,
	&sampler_time,
	&sampler_sensors,
	&sampler_kernel,
	&sampler_units,
	&sampler_uptime,
	&sampler_self,
	&sampler_processes,
	&sampler_files,
	&sampler_logs,
	&sampler_synthetic,
	NULL,
};
