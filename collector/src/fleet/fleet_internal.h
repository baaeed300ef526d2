/* Seen inside this folder only. */
#ifndef FLEET_INTERNAL_H
#define FLEET_INTERNAL_H

#include "fleet.h"

/* Fills out with an id that no row of table has: base, base-2, base-3 ...  FLEET_DONE/FLEET_EXISTS.
 */
int fleet_free_id(
    struct sqlite3 *db, const char *table, const char *base, char *out, struct bl_err *err);

/* The text of a thing for the audit log; owned by w (initialised here).  NULL: too large. */
const char *fleet_site_text(struct jsonw *w, const struct fleet_site *s);
const char *fleet_device_text(struct jsonw *w, const struct fleet_device *d);

#endif
