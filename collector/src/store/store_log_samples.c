/*
 * Samples of a span one by one, for the evaluator and for questions.
 */
#include "store_log.h"
#include "store_samples.h"

struct visit {
	store_log_sample_cb cb;
	void *ctx;
};

static bool
give_one(const struct visit *v, const struct samples *l, const struct sample *x)
{
	struct store_log_sample out = { .series = l->series,
		.unix_ms = x->unix_ms,
		.value = x->value,
		.unknown = x->unknown,
		.boot = l->boot[x->boot].id,
		.boot_ms = x->boot_ms,
		.thin = { x->value, x->value, x->unknown == BL_KNOWN } };

	if (x->thin > 0) {
		const struct sample_thin *t = &l->thin[x->thin - 1];

		out.thin = t->thin;
		out.before_ms = t->before_ms;
		out.before = t->before;
	}
	return v->cb(v->ctx, &out);
}

static bool
give(void *ctx, const struct samples *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!give_one(ctx, l, &l->s[i]))
			return false;
	return true;
}

static int
visit_all(struct store_read *r, const char *device, struct samples_ask *a, struct visit *v,
    struct bl_err *err)
{
	int rc;

	if (device != NULL && (rc = read_device_id(r, device, &a->device_id, err)) <= 0)
		return rc; /* never heard of: no samples */
	return samples_of(r, a, give, v, NULL, err);
}

int
store_log_samples(struct store_read *r, const char *device, enum bl_stream stream,
    const int64_t *ids, size_t n, int64_t from_unix_ms, int64_t to_unix_ms, store_log_sample_cb cb,
    void *ctx, struct bl_err *err)
{
	struct samples_ask a = { .stream = stream,
		.ids = ids,
		.n = n,
		.from_unix_ms = from_unix_ms,
		.to_unix_ms = to_unix_ms,
		.deadline_mono_ms = INT64_MAX,
		.leave_damaged = true };
	struct visit v = { cb, ctx };

	return visit_all(r, device, &a, &v, err);
}

int
store_log_samples_whole(struct store_read *r, const struct store_log_ask *q, store_log_sample_cb cb,
    void *ctx, struct bl_err *err)
{
	struct samples_ask a = { .device_id = q->device_no,
		.stream = q->stream,
		.ids = q->ids,
		.n = q->n,
		.from_unix_ms = q->from_unix_ms,
		.to_unix_ms = q->to_unix_ms,
		.deadline_mono_ms = q->deadline_mono_ms,
		.need_all = true,
		.sparse = q->sparse };
	struct visit v = { cb, ctx };

	return visit_all(r, q->device, &a, &v, err);
}
