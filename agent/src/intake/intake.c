/*
 * The series of one source: a table from what they are called to the sink's
 * handles, which only grows, up to the source's cap.
 *
 * What the sink or the catalogue refuses is remembered as well, as many as the cap:
 * the sink counts and names each series that it refuses, so it is asked once.
 */
#include "intake_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "branchline/catalogue.h"
#include "branchline/log.h"

const char *const intake_reason_names[INTAKE_REASONS] = {
	[INTAKE_BAD_NAME] = "bad_name",
	[INTAKE_BAD_LABEL] = "bad_label",
	[INTAKE_OWN_NAME] = "own_name",
	[INTAKE_OTHER_KIND] = "other_kind",
	[INTAKE_TOO_MANY] = "too_many_series",
	[INTAKE_BAD_VALUE] = "bad_value",
	[INTAKE_NO_MEMORY] = "no_memory",
};

static const char *const in_words[INTAKE_REASONS] = {
	[INTAKE_BAD_NAME] = "nothing of its name can stand in ours, or it is too long",
	[INTAKE_BAD_LABEL] = "it has too many labels, or one is too long or no UTF-8",
	[INTAKE_OWN_NAME] = "the agent has a metric of this name itself; give it a prefix",
	[INTAKE_OTHER_KIND] = "it came as a gauge and as a counter",
	[INTAKE_TOO_MANY] = "there are as many as may be (max_series)",
	[INTAKE_BAD_VALUE] = "its value is no number, or one that is too large",
	[INTAKE_NO_MEMORY] = "out of memory",
};

struct entry {
	uint32_t hash;
	uint32_t len;  /* of key */
	int32_t slot;  /* or -1 - enum intake_reason */
	uint32_t unit; /* hash of the one that it has, or that found no room */
	enum bl_series_kind kind;
	char key[];
};

struct intake {
	char *source, *prefix;
	uint32_t max_series, interval_ms;
	bool by_user;
	struct sample_sink *sink;

	struct entry **table; /* open addressing, a power of two, at most half full */
	uint32_t table_size, n_entries;
	int32_t *handle; /* by slot */
	int32_t newest;  /* the highest of them */
	uint32_t slots_size;
	/* Who asked for the slots, and for what was refused; none unless by_user. */
	struct users {
		uint32_t *user;
		uint32_t n, size;
	} slots, refusals;

	uint64_t refused[INTAKE_REASONS];
	bool told[INTAKE_REASONS];
};

/* ---- life ---- */

int
intake_open(struct intake **out, const struct intake_opts *opts, struct bl_err *err)
{
	struct intake *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t != NULL) {
		t->source = strdup(opts->source);
		t->prefix = opts->prefix != NULL ? strdup(opts->prefix) : NULL;
	}
	if (t == NULL || t->source == NULL || (opts->prefix != NULL && t->prefix == NULL)) {
		intake_close(t);
		return bl_fail(err, BL_ENOMEM, "take series from %s: out of memory", opts->source);
	}
	t->max_series = opts->max_series != 0 ? opts->max_series : INTAKE_SERIES_DEFAULT;
	t->by_user = opts->by_user;
	t->max_series *= t->by_user ? 2 : 1;
	t->interval_ms = opts->interval_ms;
	t->sink = opts->sink;
	t->newest = -1;
	*out = t;
	return BL_OK;
}

void
intake_close(struct intake *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->table_size; i++)
		free(t->table[i]);
	free(t->table);
	free(t->handle);
	free(t->slots.user);
	free(t->refusals.user);
	free(t->prefix);
	free(t->source);
	free(t);
}

/* ---- what is refused ---- */

void
intake_harmless(char *out, size_t size, struct bl_str s)
{
	size_t n = s.len < size - 1 ? s.len : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = s.p[i] >= 0x20 && s.p[i] <= 0x7e ? s.p[i] : '?';
	out[n] = '\0';
}

void
intake_refuse(struct intake *t, enum intake_reason why, struct bl_str name)
{
	char text[100];

	t->refused[why]++;
	if (t->told[why])
		return;
	t->told[why] = true;
	intake_harmless(text, sizeof(text), name);
	bl_warn("intake", "a series is refused, and so is what is like it: %s source=%s name=%s",
	    in_words[why], t->source, text);
}

static int32_t
refuse(struct intake *t, enum intake_reason why, const struct intake_name *n)
{
	/* The sink tells the ledger. */
	if (why == INTAKE_TOO_MANY && t->sink->left_out != NULL)
		t->sink->left_out(t->sink->ctx, t->source, 1);
	intake_refuse(t, why, n->name);
	return -1 - (int32_t)why;
}

/* ---- the table ---- */

/* Name and labels, without the label source, which all have. */
static size_t
key_of(const struct bl_series_def *def, char *out)
{
	char *at = out;

	memcpy(at, def->name.p, def->name.len);
	at += def->name.len;
	for (uint32_t i = 0; i < def->n_labels; i++) {
		const struct bl_label *l = &def->label[i];

		*at++ = '\0'; /* is in none of them */
		memcpy(at, l->key.p, l->key.len);
		at += l->key.len;
		*at++ = '\0';
		memcpy(at, l->value.p, l->value.len);
		at += l->value.len;
	}
	return (size_t)(at - out);
}
#define KEY_MAX (BL_NAME_MAX + BL_LABELS_MAX * (2 + BL_NAME_MAX + BL_LABEL_VALUE_MAX))

/* FNV-1a; somebody who makes names collide slows down himself, within the cap. */
static uint32_t
hash_of(const char *key, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)key[i]) * 16777619u;
	return h;
}

static struct entry **
place_of(struct entry **table, uint32_t size, uint32_t hash, const char *key, size_t len)
{
	uint32_t at = hash & (size - 1);

	while (table[at] != NULL && (table[at]->hash != hash || table[at]->len != len ||
					memcmp(table[at]->key, key, len) != 0))
		at = (at + 1) & (size - 1);
	return &table[at];
}

static bool
table_grow(struct intake *t)
{
	const uint32_t size = t->table_size == 0 ? 64 : t->table_size * 2;
	struct entry **more = calloc(size, sizeof(struct entry *));

	if (more == NULL)
		return false;
	for (uint32_t i = 0; i < t->table_size; i++)
		if (t->table[i] != NULL) {
			const struct entry *e = t->table[i];

			*place_of(more, size, e->hash, e->key, e->len) = t->table[i];
		}
	free(t->table);
	t->table = more;
	t->table_size = size;
	return true;
}

static bool
slots_grow(struct intake *t)
{
	const uint32_t size = t->slots_size * 2 + 32;
	int32_t *more = realloc(t->handle, size * sizeof(*more));

	if (more == NULL)
		return false;
	t->handle = more;
	t->slots_size = size;
	return true;
}

/* ---- shares ---- */

/* Room for one more; n counts also where users do not. */
static bool
users_grow(const struct intake *t, struct users *u)
{
	uint32_t *more;

	if (!t->by_user || u->n < u->size)
		return true;
	if ((more = realloc(u->user, (u->size * 2 + 32) * sizeof(*more))) == NULL)
		return false;
	u->user = more;
	u->size = u->size * 2 + 32;
	return true;
}

static void
users_add(const struct intake *t, struct users *u, uint32_t user)
{
	if (t->by_user)
		u->user[u->n] = user;
	u->n++;
}

/* Nobody has more than are left: so the first has half, the next a quarter, and one is left for a
 * user who has none. */
static bool
has_share(const struct intake *t, const struct users *u, uint32_t user)
{
	uint32_t held = 0;

	for (uint32_t i = 0; t->by_user && i < u->n; i++)
		held += u->user[i] == user;
	return u->n < t->max_series && held < t->max_series - u->n;
}

bool
intake_share_used(const struct intake *t, uint32_t user)
{
	return t->by_user && user != 0 && t->slots.n < t->max_series &&
	       t->refusals.n < t->max_series &&
	       (!has_share(t, &t->slots, user) || !has_share(t, &t->refusals, user));
}

/* ---- a series ---- */

/* What the sink says of a new one: its handle, or -1 - enum intake_reason. */
static int32_t
declare(struct intake *t, const struct bl_series_def *def)
{
	int32_t handle;

	if (bl_catalogue_own(def->name.p, def->name.len))
		return -1 - INTAKE_OWN_NAME;
	if ((handle = t->sink->declare(t->sink->ctx, def)) >= 0)
		return handle;
	return -1 - (handle == BL_EFULL       ? INTAKE_TOO_MANY
			: handle == BL_ENOMEM ? INTAKE_NO_MEMORY
					      : INTAKE_BAD_LABEL);
}

static void
slot_take(struct intake *t, int32_t handle, uint32_t user)
{
	t->handle[t->slots.n] = handle;
	users_add(t, &t->slots, user);
	if (handle > t->newest)
		t->newest = handle;
}

/* A new entry at *place, which the table has room for.  What becomes of the asking. */
static int32_t
add(struct intake *t, struct entry **place, const struct bl_series_def *def, uint32_t user,
    uint32_t hash, const char *key, size_t len)
{
	struct entry *e;
	int32_t got;

	/* Nothing more is asked then: a flood of names is to cost little. */
	if (!has_share(t, &t->slots, user) || !has_share(t, &t->refusals, user))
		return -1 - INTAKE_TOO_MANY;
	if ((t->slots.n == t->slots_size && !slots_grow(t)) || !users_grow(t, &t->slots) ||
	    !users_grow(t, &t->refusals) || (e = malloc(sizeof(*e) + len)) == NULL)
		return -1 - INTAKE_NO_MEMORY;
	got = declare(t, def);
	if (got == -1 - INTAKE_NO_MEMORY) { /* another time, perhaps */
		free(e);
		return got;
	}
	*e = (struct entry){ .hash = hash,
		.len = (uint32_t)len,
		.kind = def->kind,
		.slot = got,
		.unit = hash_of(def->unit.p, def->unit.len) };
	memcpy(e->key, key, len);
	if (got >= 0) {
		e->slot = (int32_t)t->slots.n;
		slot_take(t, got, user);
	} else {
		users_add(t, &t->refusals, user);
	}
	*place = e;
	t->n_entries++;
	return e->slot;
}

/*
 * Its unit is the one that was said last, "1" and nothing aside: another definition of the same
 * series, which counts as one where it is new.  Where that has no room the series stays as it is.
 */
static void
take_unit(struct intake *t, struct entry *e, const struct bl_series_def *def, uint32_t user)
{
	const uint32_t unit = hash_of(def->unit.p, def->unit.len);
	int32_t got;

	if (e->slot < 0 || e->unit == unit || (def->unit.len == 1 && def->unit.p[0] == '1'))
		return;
	e->unit = unit;
	if (!has_share(t, &t->slots, user) || !users_grow(t, &t->slots) ||
	    (t->slots.n == t->slots_size && !slots_grow(t)) || (got = declare(t, def)) < 0)
		return;
	t->handle[e->slot] = got;
	if (got > t->newest)
		slot_take(t, got, user);
}

int32_t
intake_series(struct intake *t, const struct intake_name *n)
{
	struct intake_def d;
	struct entry **place;
	char key[KEY_MAX];
	size_t len;
	uint32_t hash;
	int32_t got;
	int bad;

	if ((bad = intake_define(&d, n, t->prefix, t->source)) >= 0)
		return refuse(t, (enum intake_reason)bad, n);
	d.def.interval_ms = t->interval_ms;
	len = key_of(&d.def, key);
	hash = hash_of(key, len);
	if (t->n_entries * 2 >= t->table_size && !table_grow(t))
		return refuse(t, INTAKE_NO_MEMORY, n);
	place = place_of(t->table, t->table_size, hash, key, len);
	if (*place == NULL)
		got = add(t, place, &d.def, n->user, hash, key, len);
	else if ((*place)->slot >= 0 && (*place)->kind != n->kind)
		got = -1 - INTAKE_OTHER_KIND;
	else {
		take_unit(t, *place, &d.def, n->user);
		got = (*place)->slot;
	}
	return got >= 0 ? got : refuse(t, (enum intake_reason)(-1 - got), n);
}

int32_t
intake_handle(const struct intake *t, int32_t slot)
{
	return t->handle[slot];
}

void
intake_put(struct intake *t, int32_t slot, double value)
{
	if (isfinite(value))
		t->sink->put(t->sink->ctx, t->handle[slot], value);
	else
		t->refused[INTAKE_BAD_VALUE]++;
}

void
intake_unknown(struct intake *t, int32_t slot, enum bl_unknown reason)
{
	t->sink->unknown(t->sink->ctx, t->handle[slot], reason);
}

uint32_t
intake_count(const struct intake *t, uint64_t refused[INTAKE_REASONS])
{
	if (refused != NULL)
		memcpy(refused, t->refused, sizeof(t->refused));
	return t->slots.n;
}
