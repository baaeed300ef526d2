/*
 * Several machines with one identity: a copied disk, a set-up file used twice.
 *
 * The broker lets the newest in and ends the others' sessions, so they take turns. Each birth says
 * who is there: the boot it came from, and the spool of the hello before it. A machine that
 * restarts never comes back as who it was before; one that does, after somebody else was there, has
 * a rival. Two returns within an hour are a conflict: both are told with their receipts (they then
 * stay away longer, see shared/mqtt), and it stands in the store, with the addresses from which
 * they reported.
 *
 * Copies that share boot and spool (two containers of one host) are known by their count of
 * connections, which only rises. Retained births come again with every connection of ours, and say
 * nothing new.
 */
#include <stdlib.h>
#include <string.h>

#include "branchline/log.h"
#include "branchline/report.h"

#include "ingest_internal.h"

#define PARTIES        4
#define RETURNS        64 /* remembered: more within an hour are not counted */
#define RETURN_MS      3600000
#define CONFLICT_AFTER 2

struct party {
	struct bl_id spool, boot;
	uint64_t connections;
	char software[sizeof(((struct bl_presence *)NULL)->software)];
	char address[BL_REPORT_ADDRESS_MAX + 1];
};

struct identity {
	unsigned n, now; /* parties; who was there last */
	struct party party[PARTIES];
	unsigned n_returns;
	int64_t returned_mono_ms[RETURNS]; /* a ring */
};

void
ingest_identity_free(struct device *d)
{
	free(d->identity);
	d->identity = NULL;
}

void
ingest_identity_hello(struct device *d, const struct bl_id *spool)
{
	d->hello_spool = *spool;
}

uint32_t
ingest_rival(const struct ingest_core *c, const struct device *d)
{
	const struct identity *id = d->identity;
	const int64_t now = bl_mono_ms(c->clock);
	unsigned n = 0;

	for (unsigned i = 0; id != NULL && i < id->n_returns && i < RETURNS; i++)
		n += now - id->returned_mono_ms[i] < RETURN_MS;
	return n >= CONFLICT_AFTER ? n : 0;
}

/* ---- who is there ---- */

static void
party_set(struct party *p, const struct bl_id *spool, const struct bl_presence *said)
{
	*p =
	    (struct party){ .spool = *spool, .boot = said->boot, .connections = said->connections };
	memcpy(p->software, said->software, sizeof(p->software));
}

static struct party *
party_find(struct identity *id, const struct bl_id *spool, const struct bl_id *boot)
{
	for (unsigned i = 0; i < id->n; i++)
		if (bl_id_equal(&id->party[i].spool, spool) &&
		    bl_id_equal(&id->party[i].boot, boot))
			return &id->party[i];
	return NULL;
}

/* A place for one more: the one after who is there now is the oldest when all are taken. */
static struct party *
party_new(struct identity *id)
{
	id->now = id->n < PARTIES ? id->n++ : (id->now + 1) % PARTIES;
	return &id->party[id->now];
}

static int
keep(struct ingest_core *c, const struct device *d, const struct party *p, bool returned,
    struct bl_err *err)
{
	const struct store_party row = { .spool = p->spool,
		.boot = p->boot,
		.software = p->software,
		.address = p->address,
		.returned = returned };

	return store_party(c->store, d->name, &row, err);
}

/* Somebody is back after another one. */
static int
returned(struct ingest_core *c, struct device *d, const struct party *who, struct bl_err *err)
{
	struct identity *id = d->identity;
	const bool known = ingest_rival(c, d) > 0;
	unsigned swallowed;
	struct owed *o;
	int rc = BL_OK;

	id->returned_mono_ms[id->n_returns++ % RETURNS] = bl_mono_ms(c->clock);
	if (id->n_returns == 2 * RETURNS)
		id->n_returns = RETURNS;
	if (ingest_rival(c, d) == 0)
		return BL_OK;
	if ((o = ingest_owe(c, d, &d->hello_spool)) != NULL)
		ingest_owe_receipt(c, d, o);
	if (bl_log_allow(&c->rival_log, bl_mono_ms(c->clock), LOG_EVERY_MS, &swallowed))
		bl_warn("ingest",
		    "several machines use one identity and take turns: has one been copied? "
		    "device=%s"
		    " suppressed=%u",
		    d->name, swallowed);
	for (unsigned i = 0; i < id->n && rc == BL_OK; i++)
		if (!known || &id->party[i] == who)
			rc = keep(c, d, &id->party[i], &id->party[i] == who, err);
	return rc;
}

/* The first time that there is a second one. */
static struct identity *
begin(struct device *d)
{
	if (d->identity == NULL && (d->identity = calloc(1, sizeof(*d->identity))) != NULL) {
		d->identity->n = 1;
		d->identity->party[0] = (struct party){ .spool = d->birth_spool,
			.boot = d->birth_boot,
			.connections = d->birth_connections };
	}
	return d->identity;
}

int
ingest_identity_birth(
    struct ingest_core *c, struct device *d, const struct bl_presence *p, struct bl_err *err)
{
	struct identity *id;
	struct party *who;

	if (!p->online || bl_id_is_zero(&d->hello_spool))
		return BL_OK;
	if (d->identity == NULL &&
	    (bl_id_is_zero(&d->birth_boot) || (bl_id_equal(&d->birth_boot, &p->boot) &&
						  bl_id_equal(&d->birth_spool, &d->hello_spool) &&
						  p->connections >= d->birth_connections))) {
		d->birth_boot = p->boot;
		d->birth_spool = d->hello_spool;
		d->birth_connections = p->connections;
		return BL_OK;
	}
	if ((id = begin(d)) == NULL)
		return BL_OK; /* no memory: seen with the next birth */
	if ((who = party_find(id, &d->hello_spool, &p->boot)) == NULL) {
		party_set(party_new(id), &d->hello_spool, p);
		return BL_OK;
	}
	memcpy(who->software, p->software, sizeof(who->software));
	if (who == &id->party[id->now] && p->connections >= who->connections) {
		who->connections = p->connections;
		return BL_OK;
	}
	id->now = (unsigned)(who - id->party);
	who->connections = p->connections;
	return returned(c, d, who, err);
}

int
ingest_identity_report(
    struct ingest_core *c, struct device *d, const struct bl_report *r, struct bl_err *err)
{
	struct party *who;

	if (d->identity == NULL || !r->link.has ||
	    (who = party_find(d->identity, &r->spool, &r->boot)) == NULL)
		return BL_OK;
	memcpy(who->address, r->link.local_address, sizeof(who->address));
	return ingest_rival(c, d) > 0 ? keep(c, d, who, false, err) : BL_OK;
}
