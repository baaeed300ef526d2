/*
 * What tests of the rule engine share beside rule_kit.h: minutes, everything
 * forgotten, orders drawn by lot.
 */
#ifndef RULE_ENGINE_KIT_H
#define RULE_ENGINE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rule_kit.h"

int64_t at(int64_t minute);
void clear(struct kit *k);

struct shuffle {
	uint64_t state;
};

uint64_t next(struct shuffle *s, uint64_t below);

#endif
