/* The areas; each file ends its rows with { 0 }. */
#ifndef CATALOGUE_INTERNAL_H
#define CATALOGUE_INTERNAL_H

#include "branchline/catalogue.h"

extern const struct bl_metric catalogue_agent[];
extern const struct bl_metric catalogue_cpu[];
extern const struct bl_metric catalogue_disk[];
extern const struct bl_metric catalogue_file[];
extern const struct bl_metric catalogue_log[];
extern const struct bl_metric catalogue_memory[];
extern const struct bl_metric catalogue_network[];
extern const struct bl_metric catalogue_plugins[];
extern const struct bl_metric catalogue_pressure[];
extern const struct bl_metric catalogue_probe[];
extern const struct bl_metric catalogue_process[];
extern const struct bl_metric catalogue_sensors[];
extern const struct bl_metric catalogue_system[];

#endif
