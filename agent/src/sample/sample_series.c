/*
 * Putting values: a series is declared when it is first put, its handle kept
 * by the sampler.  Also the rounding that keeps values short for the codec.
 */
#include "sample_internal.h"

#include <math.h>
#include <string.h>

static struct bl_str
str(const char *s)
{
	return (struct bl_str){ s, strlen(s) };
}

static bool
declared(
    const struct sample_to *to, int32_t *handle, const struct sample_spec *spec, const char *label)
{
	struct bl_series_def def;

	if (*handle >= 0)
		return true;
	if (*handle == SAMPLE_REFUSED)
		return false;

	memset(&def, 0, sizeof(def));
	def.stream = BL_STREAM_HOST;
	def.kind = spec->kind;
	def.interval_ms = to->interval_ms;
	def.name = str(spec->name);
	def.unit = str(spec->unit);
	if (spec->label != NULL) {
		def.n_labels = 1;
		def.label[0].key = str(spec->label);
		def.label[0].value = str(label);
	}
	*handle = to->sink->declare(to->sink->ctx, &def);
	if (*handle < 0) /* memory may be there at the next tick; a cap stays reached */
		*handle = *handle == BL_ENOMEM ? SAMPLE_NEW : SAMPLE_REFUSED;
	return *handle >= 0;
}

double
sample_counter(double *last, double now)
{
	if (now >= *last || *last - now > *last / 8)
		*last = now;
	return *last;
}

void
sample_put(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, double value)
{
	if (declared(to, handle, spec, label))
		to->sink->put(to->sink->ctx, *handle, value);
}

void
sample_put_unknown(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, enum bl_unknown reason)
{
	if (declared(to, handle, spec, label))
		to->sink->unknown(to->sink->ctx, *handle, reason);
}

void
sample_put_known(const struct sample_to *to, int32_t *handle, const struct sample_spec *spec,
    const char *label, double value)
{
	if (isnan(value))
		sample_put_unknown(to, handle, spec, label, BL_UNKNOWN_UNREADABLE);
	else
		sample_put(to, handle, spec, label, value);
}

void
sample_put_left_out(
    const struct sample_to *to, int32_t *handle, const struct sample_spec *spec, unsigned n)
{
	if (n > 0 || *handle >= 0)
		sample_put(to, handle, spec, NULL, n);
	if (n > 0 && to->sink->left_out != NULL)
		to->sink->left_out(to->sink->ctx, spec->name, n);
}

void
sample_put_lost(const struct sample_to *to, int32_t handle)
{
	if (handle >= 0)
		to->sink->unknown(to->sink->ctx, handle, BL_UNKNOWN_UNREADABLE);
}

double
sample_round3(double v)
{
	return round(v * 1000.0) / 1000.0;
}

double
sample_round2(double v)
{
	return round(v * 100.0) / 100.0;
}

double
sample_pct(double part, double whole)
{
	return whole > 0 ? sample_round2(100.0 * part / whole) : 0.0;
}
