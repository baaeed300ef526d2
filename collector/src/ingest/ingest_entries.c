/* Dictionaries, clock maps, "gone" and presence. */
#include <string.h>

#include "branchline/fault.h"
#include "branchline/log.h"

#include "ingest_internal.h"

static void
owe_receipt(struct ingest_core *c, const struct arrival *a, const struct bl_id *spool)
{
	struct owed *o = ingest_owe(c, a->dev, spool);

	if (o != NULL)
		ingest_owe_receipt(c, a->dev, o);
}

static void
want_again(struct ingest_core *c, const struct arrival *a, const struct bl_id *spool, bool dict)
{
	struct owed *o = ingest_owe(c, a->dev, spool);

	if (o == NULL)
		return;
	ingest_owe_now(c);
	o->want_since_mono_ms = bl_mono_ms(c->clock);
	o->want_dict = o->want_dict || dict;
	o->want_clock = o->want_clock || !dict;
}

int
ingest_take_dict(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_dict_reader rd;
	struct bl_series_def def;
	struct bl_err why = { 0 };
	struct store_spool *sp;
	int rc, put = STORE_ENTRY_KNOWN;

	/* All of it before anything is stored: a bad entry must not leave half of its message. */
	rc = bl_dict_decode(a->m->payload, a->m->len, &rd, &c->raw, &why);
	while (rc == BL_OK && (rc = bl_dict_next(&rd, &def, &why)) == 1)
		rc = BL_OK;
	if (rc < 0 || (rc = bl_dict_decode(a->m->payload, a->m->len, &rd, &c->raw, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = ingest_own_spool(c, a, &rd.spool, &sp, err)) != 1)
		return rc;
	while ((rc = bl_dict_next(&rd, &def, &why)) == 1) {
		put = store_dict(c->store, sp, &def, &why);
		if (put < 0 || put == STORE_ENTRY_CONFLICT || put == STORE_ENTRY_EARLY)
			break;
	}
	(void)bl_fault_hit("ingest.dict");
	owe_receipt(c, a, &rd.spool);
	if (put == STORE_ENTRY_CONFLICT)
		return ingest_aside(c, a, STORE_ASIDE_CONFLICT,
		    "a dictionary entry that means something else already", sp, 0, 0, err);
	if (put == STORE_ENTRY_EARLY) {
		want_again(c, a, &rd.spool, true);
		c->outcome = OUTCOME_LATER;
	}
	if (put == BL_EINVAL)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (put < 0 && err != NULL)
		*err = why;
	return put < 0 ? put : BL_OK;
}

int
ingest_take_clock(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_clockmap_reader rd;
	struct bl_clock_segment seg;
	struct bl_err why = { 0 };
	struct store_spool *sp;
	int rc, put = STORE_ENTRY_KNOWN;

	rc = bl_clockmap_decode(a->m->payload, a->m->len, &rd, &why);
	while (rc == BL_OK && (rc = bl_clockmap_next(&rd, &seg, &why)) == 1)
		rc = BL_OK;
	if (rc < 0 || (rc = bl_clockmap_decode(a->m->payload, a->m->len, &rd, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = ingest_own_spool(c, a, &rd.spool, &sp, err)) != 1)
		return rc;
	while ((rc = bl_clockmap_next(&rd, &seg, &why)) == 1) {
		put = store_clock(c->store, sp, &seg, &why);
		if (put < 0 || put == STORE_ENTRY_CONFLICT || put == STORE_ENTRY_EARLY)
			break;
	}
	owe_receipt(c, a, &rd.spool);
	if (put == STORE_ENTRY_CONFLICT)
		return ingest_aside(c, a, STORE_ASIDE_CONFLICT,
		    "a segment of the clock map that says something else already", sp, 0, 0, err);
	if (put == STORE_ENTRY_EARLY) {
		want_again(c, a, &rd.spool, false);
		c->outcome = OUTCOME_LATER;
	}
	if (put == BL_EINVAL)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	if (put < 0 && err != NULL)
		*err = why;
	return put < 0 ? put : BL_OK;
}

int
ingest_take_gone(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct store_spool *sp;
	struct bl_gone g;
	int rc;

	if ((rc = bl_gone_decode(a->m->payload, a->m->len, &g, &why)) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = ingest_own_spool(c, a, &g.spool, &sp, err)) != 1)
		return rc;
	for (uint32_t i = 0; i < g.n; i++) {
		rc = store_gone(c->store, sp, g.gone[i].stream, g.gone[i].range.first,
		    g.gone[i].range.last, g.gone[i].reason, &why);
		if (rc == BL_EINVAL)
			return ingest_aside(
			    c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
		if (rc < 0) {
			if (err != NULL)
				*err = why;
			return rc;
		}
	}
	owe_receipt(c, a, &g.spool);
	return BL_OK;
}

int
ingest_take_presence(struct ingest_core *c, const struct arrival *a, struct bl_err *err)
{
	struct bl_err why = { 0 };
	struct bl_presence p;
	int rc;

	if (bl_presence_decode(a->m->payload, a->m->len, &p, &why) < 0)
		return ingest_aside(c, a, STORE_ASIDE_UNDECODABLE, why.msg, NULL, 0, 0, err);
	ingest_decoded(c, a);
	if ((rc = store_presence(c->store, a->topic.device, &p, err)) < 0)
		return rc;
	return ingest_identity_birth(c, a->dev, &p, err);
}
