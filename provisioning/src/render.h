/* The configuration files that are made from an organisation's settings. */
#ifndef RENDER_H
#define RENDER_H

#include "branchline/err.h"

#include "org.h"

int render_broker(const struct org *o, struct bl_err *err); /* broker/mosquitto.conf, broker/acl */
int render_collector(const struct org *o, struct bl_err *err); /* collector/collector.yaml */

#endif
