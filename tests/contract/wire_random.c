/* Random messages of every type, of a seed. */
#include <math.h>
#include <string.h>

#include "wire_content.h"
#include "wire_samples.h"

static uint64_t state = 1;

void
wire_random_seed(uint64_t seed)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint64_t
below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

/* Of every kind that the column encoder treats differently. */
static double
random_value(unsigned kind, double *last)
{
	switch (kind) {
	case 0:
		return *last;
	case 1:
		return *last += (double)below(100000);
	case 2:
		return (double)below(10000) / 100 - 20;
	case 3:
		return ldexp((double)below(1000), 12);
	case 4:
		return below(8) == 0 ? 1 : 0;
	case 5:
		return *last *= 1.0001;
	case 6:
		return below(30) == 0 ? -1e15 : (double)below(5);
	case 7:
		return ldexp((double)below(UINT64_C(1) << 53), (int)below(2000) - 1050);
	case 8:
		return below(9) != 0 ? ldexp((double)below(99), -9)
		       : below(2)    ? INFINITY
				     : -INFINITY;
	default:
		return (double)below(UINT64_C(1) << 53) - 4503599627370496.0;
	}
}

static void
add_random_thin(struct bl_batch_enc *e, uint32_t id, int64_t at, double value)
{
	const double low = below(4) == 0 ? value - (double)below(1000) / 8 : value;
	const uint32_t count = below(3) == 0 ? 30 : 1 + (uint32_t)below(400);

	wire_add_thin(e, id, at, value, low, low + (double)below(1000) / 4, count);
}

static void
add_random(struct bl_batch_enc *e, uint32_t id, int64_t at, double value, bool holes, bool thin)
{
	if (holes && below(5) == 0)
		wire_add(e, id, at, value, (enum bl_unknown)(1 + below(4)));
	else if (thin && isfinite(value))
		add_random_thin(e, id, at, value);
	else
		wire_add(e, id, at, value, BL_KNOWN);
}

static void
fill_random(struct bl_batch_enc *e)
{
	const unsigned series = 1 + (unsigned)below(20), ticks = 1 + (unsigned)below(30);
	const bool holes = below(3) == 0;
	const unsigned thin = below(3) == 0 ? 1 + (unsigned)below(series) : 0;
	double last[20];
	unsigned kind[20];
	int64_t at = 1000000;

	for (unsigned s = 0; s < series; s++) {
		kind[s] = (unsigned)below(10);
		last[s] = (double)below(1000);
	}
	for (unsigned t = 0; t < ticks; t++, at += 1000 + (int64_t)below(3))
		for (unsigned s = 0; s < series; s++)
			if (!holes || below(6) != 0)
				add_random(e, 1 + s * (1 + s % 5 / 4), at,
				    random_value(kind[s], &last[s]), holes, s < thin);
	if (below(4) == 0)
		wire_fill_events(e);
	if (below(4) == 0)
		wire_fill_gaps(e);
}

static void
random_batch(struct bl_buf *out)
{
	struct bl_batch_header h = wire_header((enum bl_stream)(1 + below(3)));

	h.seq = 1 + below(UINT64_C(1) << (1 + below(60)));
	h.next_seq = 0;
	h.lowest_held = 0;
	wire_batch(fill_random, h, out);
}

static void
random_bundle(struct bl_buf *out)
{
	const unsigned n = 2 + (unsigned)below(5);
	struct bl_buf of[6];

	for (unsigned i = 0; i < n; i++) {
		bl_buf_init(&of[i], BL_BATCH_WIRE_MAX);
		random_batch(&of[i]);
	}
	wire_bundle(of, n, below(2) == 0, out);
}

void
wire_random(struct bl_buf *out)
{
	switch (below(13)) {
	case 0:
		wire_dict(1 + (uint32_t)below(60000), 1 + (uint32_t)below(50), out);
		break;
	case 1:
		wire_golden((unsigned)below(wire_golden_count()), out);
		break;
	case 2:
		random_bundle(out);
		break;
	default:
		random_batch(out);
		break;
	}
}
