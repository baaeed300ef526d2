/* What the files of `setup` share: the set-up file as it was read. */
#ifndef SETUP_INTERNAL_H
#define SETUP_INTERNAL_H

#include "config.h"

struct file {
	int64_t version;
	char *device, *site;
	int64_t part;
	struct config_broker broker; /* what stands in the file of it; no files */
	char *ca, *certificate, *key, *crl, *agent;
};

/* The text of agent.yaml in dir; free() it.  NULL: out of memory. */
char *setup_config(const struct file *in, const char *dir);

#endif
