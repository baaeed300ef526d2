/*
 * The device report: what an agent says of its own state, on the hello topic.
 * shared/WIRE.md has the bytes.  Pure code, any thread.
 *
 * A report replaces the one before it, carries no data and gets no receipt:
 * one that is lost is made good by the next.  Every section but "state" is
 * there only when its has_ flag says so.
 */
#ifndef BRANCHLINE_REPORT_H
#define BRANCHLINE_REPORT_H

#include "branchline/buf.h"
#include "branchline/err.h"
#include "branchline/wire.h"

#define BL_REPORT_WIRE_MAX    2048u /* what a centre looks into */
#define BL_REPORT_MONTHS_MAX  13u
#define BL_REPORT_ADDRESS_MAX 63u /* text of an address */

/* What of a stream is still to come. */
struct bl_report_backlog {
	bool has;
	uint64_t batches; /* without a receipt */
	uint64_t bytes;   /* of those batches, as they would travel */
	uint64_t samples; /* accepted and in no batch yet: of the open span */
	uint64_t age_ms;  /* of the oldest that waits; 0: none */
};

struct bl_report_clock {
	bool has;
	enum bl_clock_source source;
	int64_t wall_minus_map_ms; /* the machine's clock less what the clock map says */
	uint64_t uncertainty_ms;
	bool wall_usable;  /* the machine's clock agrees with the map */
	bool floor_lifted; /* by a certificate that begins later than the clock stood */
	int64_t drift_ppb; /* of the machine's clock against the map */
	uint64_t steps;    /* of the machine's clock seen since the agent began */
};

enum bl_transport { BL_TRANSPORT_TCP = 0, BL_TRANSPORT_WEBSOCKET = 1 };

struct bl_report_link {
	bool has;
	enum bl_transport transport;
	bool via_proxy;
	char local_address[BL_REPORT_ADDRESS_MAX + 1]; /* empty: unknown */
	uint64_t max_packet_bytes;                     /* of the broker; 0: not said */
	uint64_t connections;                          /* since the spool was made */
	uint64_t rtt_ms;                               /* 0: not measured */
	uint64_t rate_bytes_per_s;                     /* 0: not measured */
};

/* Counted on the link, with IP and TCP headers; months of the zone that the agent was told. */
struct bl_report_month {
	uint32_t month; /* year * 12 + month - 1 */
	uint64_t in_bytes;
	uint64_t out_bytes;
	uint64_t class_bytes[BL_STREAMS]; /* of out: messages with data of a stream */
	uint64_t other_bytes;             /* of out: what is left */
};

struct bl_report_budget {
	bool has;
	uint64_t bytes_per_hour; /* 0: no limit for all together */
	uint64_t used_bytes;     /* of this hour */
	uint8_t held;            /* bit stream - 1: that stream is held back now */
	uint64_t opens_in_ms; /* until the first of those may go; 0: none is held, or not known */
};

/* What is not sampled of all that is configured, and why. */
struct bl_report_sampling {
	bool has;
	bool safe_mode;           /* after a crash loop: few samplers, no probes */
	uint64_t whole_in_ms;     /* until all of it is tried; 0: not in safe mode */
	uint64_t series_refused;  /* by a limit, now */
	uint64_t samples_refused; /* since the agent began */
	uint64_t results_dropped; /* of probes, since the agent began */
};

struct bl_report {
	struct bl_id spool;
	struct bl_id boot;
	int64_t boot_ms; /* now */
	struct bl_report_backlog backlog[BL_STREAMS];
	struct bl_report_clock clock;
	struct bl_report_link link;
	uint32_t n_months; /* ascending; 0: no such section */
	struct bl_report_month month[BL_REPORT_MONTHS_MAX];
	struct bl_report_budget budget;
	struct bl_report_sampling sampling;
	uint32_t unknown_sections;
};

/* BL_OK, BL_EINVAL (a field out of its bounds) or BL_ENOMEM; appends. */
int bl_report_encode(const struct bl_report *r, struct bl_buf *out);
/* BL_OK, BL_ECORRUPT with the section's name, BL_ENEWER. */
int bl_report_decode(const void *msg, size_t len, struct bl_report *r, struct bl_err *err);

#endif
