/* What a device said of its own state, and the bytes it used by month. */
#include "api_internal.h"

#include <stdio.h>

#define MONTHS_SHOWN 120

static int64_t
shown(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static void
int_or_null(struct jsonw *w, const char *key, uint64_t v)
{
	jsonw_int_or_null(w, key, v != 0, shown(v));
}

static void
null_member(struct jsonw *w, const char *key)
{
	jsonw_int_or_null(w, key, false, 0);
}

/* Nothing is older than the epoch: what a device says beyond is no time that could be shown. */
static void
write_backlog(
    struct jsonw *w, const struct bl_report_backlog backlog[BL_STREAMS], int64_t at_unix_ms)
{
	const uint64_t oldest = at_unix_ms > 0 ? (uint64_t)at_unix_ms : 0;

	jsonw_object(w, "backlog");
	for (int i = 0; i < BL_STREAMS; i++) {
		const struct bl_report_backlog *b = &backlog[i];
		const char *name = api_stream_name((enum bl_stream)(i + 1));

		if (!b->has) {
			null_member(w, name);
			continue;
		}
		jsonw_object(w, name);
		jsonw_int(w, "batches", shown(b->batches));
		jsonw_int(w, "bytes", shown(b->bytes));
		jsonw_int(w, "samples", shown(b->samples));
		int_or_null(w, "oldest_age_ms", b->age_ms < oldest ? b->age_ms : oldest);
		jsonw_object_end(w);
	}
	jsonw_object_end(w);
}

static void
write_clock(struct jsonw *w, const struct bl_report_clock *k)
{
	static const char *const sources[] = { "untrusted", "ntp", "centre" };

	if (!k->has) {
		null_member(w, "clock");
		return;
	}
	jsonw_object(w, "clock");
	jsonw_str(w, "source", sources[k->source]);
	jsonw_int(w, "wall_minus_map_ms", k->wall_minus_map_ms);
	jsonw_int(w, "uncertainty_ms", shown(k->uncertainty_ms));
	jsonw_bool(w, "wall_usable", k->wall_usable);
	jsonw_bool(w, "floor_lifted", k->floor_lifted);
	jsonw_int(w, "drift_ppb", k->drift_ppb);
	jsonw_int(w, "steps", shown(k->steps));
	jsonw_object_end(w);
}

static void
write_link(struct jsonw *w, const struct bl_report_link *l)
{
	if (!l->has) {
		null_member(w, "link");
		return;
	}
	jsonw_object(w, "link");
	jsonw_str(w, "transport", l->transport == BL_TRANSPORT_WEBSOCKET ? "websocket" : "tcp");
	jsonw_bool(w, "via_proxy", l->via_proxy);
	jsonw_str(w, "local_address", l->local_address[0] != '\0' ? l->local_address : NULL);
	int_or_null(w, "max_packet_bytes", l->max_packet_bytes);
	jsonw_int(w, "connections", shown(l->connections));
	int_or_null(w, "rtt_ms", l->rtt_ms);
	int_or_null(w, "rate_bytes_per_s", l->rate_bytes_per_s);
	jsonw_object_end(w);
}

static void
write_budget(struct jsonw *w, const struct bl_report_budget *b, int64_t at_unix_ms)
{
	if (!b->has) {
		null_member(w, "budget");
		return;
	}
	jsonw_object(w, "budget");
	int_or_null(w, "bytes_per_hour", b->bytes_per_hour);
	jsonw_int(w, "used_bytes", shown(b->used_bytes));
	jsonw_array(w, "held");
	for (int i = 0; i < BL_STREAMS; i++)
		if ((b->held >> i & 1) != 0)
			jsonw_str(w, NULL, api_stream_name((enum bl_stream)(i + 1)));
	jsonw_array_end(w);
	/* A year: what opens later than that does not open. */
	api_time(w, "opens_unix_ms",
	    b->opens_in_ms > 0 && b->opens_in_ms <= UINT64_C(366) * 86400000
		? at_unix_ms + (int64_t)b->opens_in_ms
		: STORE_TIME_NONE);
	jsonw_object_end(w);
}

static void
write_sampling(struct jsonw *w, const struct bl_report_sampling *s, int64_t at_unix_ms)
{
	if (!s->has) {
		null_member(w, "sampling");
		return;
	}
	jsonw_object(w, "sampling");
	jsonw_bool(w, "safe_mode", s->safe_mode);
	/* 16 h is the longest an agent waits. */
	api_time(w, "whole_unix_ms",
	    s->safe_mode && s->whole_in_ms <= UINT64_C(7) * 86400000
		? at_unix_ms + (int64_t)s->whole_in_ms
		: STORE_TIME_NONE);
	jsonw_int(w, "series_refused", shown(s->series_refused));
	jsonw_int(w, "samples_refused", shown(s->samples_refused));
	jsonw_int(w, "probe_results_dropped", shown(s->results_dropped));
	jsonw_object_end(w);
}

void
api_report_member(struct jsonw *w, const struct store_report *r)
{
	char hex[BL_ID_HEX_SIZE];

	if (r == NULL) {
		null_member(w, "report");
		return;
	}
	jsonw_object(w, "report");
	jsonw_int(w, "at_unix_ms", r->arrived_unix_ms);
	bl_id_hex(&r->report.spool, hex);
	jsonw_str(w, "spool", hex);
	bl_id_hex(&r->report.boot, hex);
	jsonw_str(w, "boot", hex);
	write_backlog(w, r->report.backlog, r->arrived_unix_ms);
	write_clock(w, &r->report.clock);
	write_link(w, &r->report.link);
	write_budget(w, &r->report.budget, r->arrived_unix_ms);
	write_sampling(w, &r->report.sampling, r->arrived_unix_ms);
	jsonw_object_end(w);
}

/* ---- usage ---- */

static void
write_month(struct jsonw *w, const struct store_usage *u)
{
	static const char *const classes[] = { "events_bytes", "probes_bytes", "host_bytes" };
	char month[32];

	(void)snprintf(
	    month, sizeof(month), "%04u-%02u", u->month.month / 12, u->month.month % 12 + 1);
	jsonw_object(w, NULL);
	jsonw_str(w, "month", month);
	jsonw_int(w, "in_bytes", shown(u->month.in_bytes));
	jsonw_int(w, "out_bytes", shown(u->month.out_bytes));
	for (int i = 0; i < BL_STREAMS; i++)
		jsonw_int(w, classes[i], shown(u->month.class_bytes[i]));
	jsonw_int(w, "other_bytes", shown(u->month.other_bytes));
	jsonw_int(w, "known_unix_ms", u->known_unix_ms);
	jsonw_object_end(w);
}

static void
write_months(struct jsonw *w, const struct store_usage *u, int n)
{
	jsonw_object(w, NULL);
	jsonw_array(w, "items");
	for (int i = 0; i < n; i++)
		write_month(w, &u[i]);
	jsonw_array_end(w);
	jsonw_object_end(w);
}

int
get_devices_id_usage(struct api_req *r, struct bl_err *err)
{
	struct store_usage months[MONTHS_SHOWN];
	struct store_read *reader;
	struct fleet_device d;
	int rc;

	if ((rc = fleet_device_get(r->db, r->param[0], &d, err)) < 0)
		return rc;
	if (rc == FLEET_UNKNOWN) {
		api_problem(r, 404, "not_found", "There is no device \"%s\".", r->param[0]);
		return 0;
	}
	if ((rc = api_reader_take(r->api, &reader, err)) < 0)
		return rc;
	rc = store_read_usage(reader, r->param[0], months, MONTHS_SHOWN, err);
	api_reader_give(r->api, reader);
	if (rc < 0)
		return rc;
	write_months(&r->w, months, rc);
	return api_json_send(r, 200);
}
