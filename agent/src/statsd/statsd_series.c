/*
 * What was sent, by series, and what of it is put at a tick.
 *
 * An entry is what a name with its tags and a type stands for: one series, a timer's
 * seven.  Counters begin with a 0 that is put when they are first sent, so
 * that what came before the next tick is growth, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "statsd_internal.h"

/* What a counter takes at once: a double keeps every whole number up to there. */
#define COUNTER_MAX 9007199254740992.0
#define NUMBER_MAX  1e100
#define ASKED       8 /* values' worth of work: what is not known by heart is looked up and cleaned */

static const char *const timer_suffix[STATSD_TIMER_SERIES] = { "_sum", "_min", "_max", "_p50",
	"_p95", "_p99" };

int
statsd_series_open(struct statsd_series *t, const struct statsd_conf *conf,
    const struct inlet_host *host, struct bl_err *err)
{
	const struct intake_opts opts = { .source = "statsd",
		.prefix = conf->prefix,
		.max_series = (uint32_t)conf->max_series,
		.interval_ms = host->interval_ms,
		.sink = host->sink };

	*t = (struct statsd_series){ .conf = conf, .host = host, .set_room = STATSD_SET_ROOM };
	if ((t->names = statsd_names_create((uint32_t)conf->max_series, host->clock)) == NULL)
		return bl_fail(err, BL_ENOMEM, "statsd: out of memory");
	return intake_open(&t->intake, &opts, err);
}

void
statsd_series_close(struct statsd_series *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		statsd_set_reset(&t->entry[i].set, &t->set_room);
		if (t->entry[i].timer != NULL)
			bl_sketch_free(t->entry[i].timer->sketch);
		free(t->entry[i].timer);
	}
	free(t->entry);
	free(t->owner);
	statsd_names_free(t->names);
	intake_close(t->intake);
	intake_close(t->stamped);
	*t = (struct statsd_series){ 0 };
}

/* ---- a new one ---- */

static bool
is_dropped(const struct statsd_conf *conf, struct bl_str key)
{
	for (size_t i = 0; i < conf->drop_tags.n; i++)
		if (strlen(conf->drop_tags.item[i]) == key.len &&
		    memcmp(conf->drop_tags.item[i], key.p, key.len) == 0)
			return true;
	return false;
}

bool
statsd_tag(const struct statsd_conf *conf, struct bl_str *tags, char mark, struct bl_label *out)
{
	struct bl_str rest;

	while (statsd_split(tags, ',', &rest)) {
		(void)statsd_split(&rest, mark, &out->key);
		out->value = rest.p != NULL ? rest : (struct bl_str){ "true", 4 };
		if (out->key.len > 0 && !is_dropped(conf, out->key))
			return true;
	}
	return false;
}

static bool
add_labels(const struct statsd_conf *conf, struct bl_str tags, char mark, struct intake_name *out)
{
	struct bl_label label;

	while (statsd_tag(conf, &tags, mark, &label)) {
		if (out->n_labels == BL_LABELS_MAX)
			return false;
		out->label[out->n_labels++] = label;
	}
	return true;
}

/* "requests_total" and "requests.total" need no other one. */
static bool
says_total(struct bl_str name)
{
	return name.len > 6 && memcmp(name.p + name.len - 5, "total", 5) == 0 &&
	       (name.p[name.len - 6] == '_' || name.p[name.len - 6] == '.');
}

static const char *
suffix_of(enum statsd_kind kind, struct bl_str name)
{
	switch (kind) {
	case STATSD_COUNTER:
		return says_total(name) ? "" : "_total";
	case STATSD_DECREMENT:
		return "_decremented_total";
	case STATSD_TIMER:
	case STATSD_HISTOGRAM:
		return "_count";
	case STATSD_SET:
		return "_distinct";
	case STATSD_CHECK:
		return "_status";
	case STATSD_GAUGE:
		break;
	}
	return "";
}

static bool
counts(enum statsd_kind kind)
{
	return kind != STATSD_GAUGE && kind != STATSD_SET && kind != STATSD_CHECK;
}

static bool
is_timer(enum statsd_kind kind)
{
	return kind == STATSD_TIMER || kind == STATSD_HISTOGRAM;
}

/* A slot of the series "name + suffix", or negative (counted). */
static int32_t
ask(struct statsd_series *t, struct intake_name *n, struct bl_str name, const char *suffix,
    enum bl_series_kind kind)
{
	char text[STATSD_NAME_MAX + 32];
	const size_t len = strlen(suffix);

	memcpy(text, name.p, name.len);
	memcpy(text + name.len, suffix, len);
	n->name = (struct bl_str){ text, name.len + len };
	n->kind = kind;
	return intake_series(t->intake, n);
}

/* Room to say whose this slot is. */
static bool
owner_room(struct statsd_series *t, int32_t slot)
{
	const uint32_t n = (uint32_t)slot * 2 + 64;
	uint32_t *more;

	if ((uint32_t)slot < t->n_owner)
		return true;
	if ((more = realloc(t->owner, n * sizeof(*more))) == NULL)
		return false;
	memset(more + t->n_owner, 0, (n - t->n_owner) * sizeof(*more));
	t->owner = more;
	t->n_owner = n;
	return true;
}

/* The entry of a slot, or -1. */
static int32_t
owner_of(const struct statsd_series *t, int32_t slot)
{
	return (uint32_t)slot < t->n_owner ? (int32_t)t->owner[slot] - 1 : -1;
}

/* The timer's other six; false: one of them is refused, or is somebody else's. */
static bool
ask_timer(struct statsd_series *t, struct intake_name *n, const struct statsd_line *l,
    struct bl_str name, struct statsd_timer *timer)
{
	n->unit = l->kind == STATSD_TIMER ? (struct bl_str){ "ms", 2 } : (struct bl_str){ "1", 1 };
	for (unsigned i = 0; i < STATSD_TIMER_SERIES; i++) {
		timer->slot[i] =
		    ask(t, n, name, timer_suffix[i], i == STATSD_TIMER_SUM ? BL_COUNTER : BL_GAUGE);
		if (timer->slot[i] < 0)
			return false;
		if (owner_of(t, timer->slot[i]) >= 0) {
			intake_refuse(t->intake, INTAKE_OTHER_KIND, l->name);
			return false;
		}
	}
	return true;
}

static bool
grow(struct statsd_series *t)
{
	const uint32_t size = t->size > 0 ? t->size * 2 : 32;
	struct statsd_entry *more;

	if (t->n < t->size)
		return true;
	if ((more = realloc(t->entry, size * sizeof(*more))) == NULL)
		return false;
	t->entry = more;
	t->size = size;
	return true;
}

/* Nobody has growth before the first value of a counter. */
static void
begin(struct statsd_series *t, struct statsd_entry *e)
{
	e->born_boot_ms = INT64_MIN;
	if (!counts(e->kind))
		return;
	t->born_boot_ms = e->born_boot_ms = bl_boot_ms(t->host->clock);
	intake_put(t->intake, e->slot, 0);
	if (e->timer != NULL)
		intake_put(t->intake, e->timer->slot[STATSD_TIMER_SUM], 0);
	t->fresh = true;
}

/* The slots of an entry: its own, and a timer's others. */
static int32_t
slot_of(const struct statsd_entry *e, unsigned i)
{
	return i == 0 ? e->slot : e->timer->slot[i - 1];
}

static unsigned
n_slots(const struct statsd_entry *e)
{
	return e->timer != NULL ? 1 + STATSD_TIMER_SERIES : 1;
}

static bool
room_for(struct statsd_series *t, const struct statsd_entry *e)
{
	bool room = grow(t);

	for (unsigned i = 0; room && i < n_slots(e); i++)
		room = owner_room(t, slot_of(e, i));
	return room;
}

/* A slot that nobody has yet becomes an entry; its number, or -1 (counted). */
static int32_t
add(struct statsd_series *t, struct intake_name *n, const struct statsd_line *l, struct bl_str name,
    int32_t slot)
{
	struct statsd_entry e = { .kind = l->kind, .slot = slot };

	if (is_timer(l->kind) && (e.timer = calloc(1, sizeof(*e.timer))) == NULL)
		goto no_memory;
	if (e.timer != NULL && !ask_timer(t, n, l, name, e.timer)) {
		free(e.timer);
		return -1;
	}
	if (!room_for(t, &e))
		goto no_memory;
	begin(t, &e);
	t->entry[t->n++] = e;
	for (unsigned i = 0; i < n_slots(&e); i++)
		t->owner[slot_of(&e, i)] = t->n;
	return (int32_t)t->n - 1;

no_memory:
	free(e.timer);
	intake_refuse(t->intake, INTAKE_NO_MEMORY, l->name);
	return -1;
}

bool
statsd_series_named(struct statsd_series *t, const struct statsd_line *l, struct intake_name *n,
    struct bl_str *name)
{
	struct bl_str rest = l->name;
	char clean[BL_NAME_MAX + 1];

	*n = (struct intake_name){ .unit = { "1", 1 } };
	(void)statsd_split(&rest, ',', name); /* Telegraf's way: NAME,KEY=VALUE:1|c */
	/* What we put behind it must not make a name of nothing. */
	if (name->len > STATSD_NAME_MAX || !intake_clean_name(NULL, *name, clean)) {
		intake_refuse(t->intake, INTAKE_BAD_NAME, l->name);
		return false;
	}
	if (!add_labels(t->conf, l->tags, ':', n) || !add_labels(t->conf, rest, '=', n)) {
		intake_refuse(t->intake, INTAKE_BAD_LABEL, l->name);
		return false;
	}
	return true;
}

/* Whose name and tags these are, however they are written; -1: refused and counted. */
static int32_t
resolve(struct statsd_series *t, const struct statsd_line *l)
{
	const struct statsd_entry *e;
	struct intake_name n;
	struct bl_str name;
	int32_t slot, number;

	if (!statsd_series_named(t, l, &n, &name))
		return -1;
	slot = ask(t, &n, name, suffix_of(l->kind, name), counts(l->kind) ? BL_COUNTER : BL_GAUGE);
	if (slot < 0)
		return -1;
	if ((number = owner_of(t, slot)) < 0)
		return add(t, &n, l, name, slot);
	e = &t->entry[number];
	if (e->slot == slot && (e->kind == l->kind || (is_timer(l->kind) && is_timer(e->kind))))
		return number;
	intake_refuse(t->intake, INTAKE_OTHER_KIND, l->name);
	return -1;
}

static struct statsd_entry *
entry_of(struct statsd_series *t, const struct statsd_line *l)
{
	uint64_t hash;
	int32_t number = statsd_names_find(t->names, l, &hash);

	if (number < 0) {
		if ((number = resolve(t, l)) < 0)
			return NULL;
		statsd_names_put(t->names, l, hash, number);
	}
	t->entry[number].quiet = 0;
	return &t->entry[number];
}

/* ---- values ---- */

/* False: no memory. */
static bool
add_time(struct statsd_entry *e, double value, double rate)
{
	struct statsd_timer *x = e->timer;
	const double times = 1 / rate;
	const bool first = x->sketch == NULL || bl_sketch_count(x->sketch) == 0;

	if ((x->sketch == NULL && (x->sketch = bl_sketch_create()) == NULL) ||
	    bl_sketch_add(x->sketch, value, (uint64_t)llround(times)) < 0)
		return false;
	e->value += times;
	x->sum += value * times;
	x->sum_falls = x->sum_falls || value < 0;
	x->min = first ? value : fmin(x->min, value);
	x->max = first ? value : fmax(x->max, value);
	return true;
}

static bool
take_value(
    struct statsd_series *t, struct statsd_entry *e, double rate, struct bl_str text, double value)
{
	const bool has_sign = text.p[0] == '+' || text.p[0] == '-';

	if (is_timer(e->kind))
		return add_time(e, value, rate);
	if (e->kind == STATSD_GAUGE)
		e->value =
		    value + (has_sign && t->conf->sign == STATSD_SIGN_CHANGES ? e->value : 0);
	else
		e->value += fabs(value) / rate;
	return true;
}

/* All of them are numbers within bounds: a line is taken as a whole or not at all. */
static bool
values_ok(const struct statsd_line *l)
{
	const double max = (l->kind == STATSD_COUNTER ? COUNTER_MAX : NUMBER_MAX) * l->rate;
	struct bl_str rest = l->values, text;
	double value;

	while (statsd_split(&rest, ':', &text))
		if (!statsd_number(text.p, text.len, &value) || fabs(value) > max)
			return false;
	return true;
}

/* Any text is an element. */
static unsigned
take_set(struct statsd_series *t, const struct statsd_line *l)
{
	struct statsd_entry *e = entry_of(t, l);

	if (e == NULL)
		return ASKED;
	if (statsd_set_add(&e->set, statsd_names_hash(t->names, 0, l->values), &t->set_room))
		t->count[STATSD_ACCEPTED]++;
	else
		t->count[STATSD_SET_FULL]++;
	return 1;
}

unsigned
statsd_series_take(struct statsd_series *t, const struct statsd_line *l)
{
	struct statsd_line as = *l;
	struct bl_str rest = l->values, text;
	struct statsd_entry *e = NULL;
	unsigned work = 0;

	if (l->kind == STATSD_SET)
		return take_set(t, l);
	if (!values_ok(l)) {
		intake_refuse(t->intake, INTAKE_BAD_VALUE, l->name);
		return 1;
	}
	for (; statsd_split(&rest, ':', &text); work++) {
		double value = 0;

		(void)statsd_number(text.p, text.len, &value);
		if (l->kind == STATSD_COUNTER)
			as.kind = value < 0 ? STATSD_DECREMENT : STATSD_COUNTER;
		if ((e == NULL || as.kind != e->kind) && (e = entry_of(t, &as)) == NULL)
			return work + ASKED;
		if (!take_value(t, e, l->rate, text, value)) {
			intake_refuse(t->intake, INTAKE_NO_MEMORY, l->name);
			return work;
		}
	}
	t->count[STATSD_ACCEPTED]++;
	return work;
}

struct statsd_entry *
statsd_series_check(struct statsd_series *t, const struct statsd_line *l)
{
	return entry_of(t, l);
}
