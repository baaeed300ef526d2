/* What the files of the configuration share: the tables, put together at run time. */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config.h"

#define CONFIG_ROOT_KEYS_MAX 32u

struct config_schema {
	struct bl_conf_key samplers[CONFIG_SAMPLERS_MAX + 1];
	struct bl_conf_section samplers_section;
	struct bl_conf_key root[CONFIG_ROOT_KEYS_MAX + 1];
	struct bl_conf_section root_section;
	size_t sampler_offset[CONFIG_SAMPLERS_MAX]; /* from the start of struct config_values */
	size_t sampler_of[CONFIG_SAMPLERS_MAX];     /* table's place -> samplers[] */
};

extern const struct bl_conf_section config_inlets_section;

/* All tables; free() it.  NULL: out of memory. */
struct config_schema *config_schema_create(void);

#endif
