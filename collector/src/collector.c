/*
 * Puts the parts together: store, control, fleet, delivery, evaluator, ingest, API; and takes them
 * apart in the opposite order, so that nobody calls what is gone.
 *
 * The telemetry store belongs to ingest's writer thread while ingest runs;
 * the API reads through connections of its own.
 */
#include "collector_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "branchline/buf.h"
#include "branchline/log.h"
#include "branchline/pki.h"

char *
collector_path(const struct config *cfg, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", cfg->state_dir, name) < 0 ? NULL : path;
}

/* The client id is the certificate's common name: the broker's rules are about that name. */
static int
common_name(const char *path, char out[65], struct bl_err *err)
{
	struct bl_pki_info info;
	struct bl_buf pem;
	char chunk[4096];
	size_t n;
	FILE *f;
	int rc;

	if ((f = fopen(path, "re")) == NULL)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_ENOTFOUND, "read certificate %s", path);
	bl_buf_init(&pem, 1 << 20);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		bl_buf_bytes(&pem, chunk, n);
	bl_buf_u8(&pem, 0); /* the parser wants its end; more than the cap is cut and refused */
	pem.len = pem.len > 0 ? pem.len - 1 : 0;
	(void)fclose(f);
	rc = bl_pki_info(&pem, &info, err);
	bl_buf_free(&pem);
	if (rc < 0) {
		bl_err_prefix(err, "read certificate %s", path);
		return rc;
	}
	memcpy(out, info.common_name, sizeof(info.common_name));
	return BL_OK;
}

static int
lookup(void *ctx, const char *device, struct ingest_device *out, struct bl_err *err)
{
	struct collector *c = ctx;
	struct fleet_place place;
	int rc = fleet_device_lookup(c->lookup, device, &place, err);

	if (rc != FLEET_KNOWN)
		return rc < 0 ? rc : 0;
	out->part = place.part;
	out->retired = place.retired;
	return 1;
}

/* On the writer's thread. */
static void
stored(void *ctx)
{
	const struct collector *c = ctx;

	eval_log_grew(c->eval);
}

void
collector_store_damaged(void *ctx, int64_t batch)
{
	struct collector *c = ctx;

	atomic_store(&c->complaint, batch);
}

/* On the ingest writer's thread. */
static int64_t
complaint(void *ctx)
{
	struct collector *c = ctx;

	return atomic_exchange(&c->complaint, -1);
}

/* On the ingest writer's thread. */
static int
room(void *ctx, bool full, struct bl_err *err)
{
	struct collector *c = ctx;

	if (full)
		disk_full(c->disk);
	return disk_room(c->disk, err);
}

/* On any thread that changes something. */
static void
control_full(void *ctx)
{
	const struct collector *c = ctx;

	disk_full(c->disk);
}

static int
start_ingest(struct collector *c, struct bl_err *err)
{
	const struct config_broker *b = &c->cfg->broker;
	struct bl_link_cfg link = {
		.host = b->host,
		.port = (uint16_t)b->port,
		.verify_name = b->verify_name,
		.ca_file = b->ca,
		.crl_file = b->crl,
		.resume = true,
		.handover = true,
	};
	struct ingest_opts opts = {
		.store = c->store,
		.clock = c->clock,
		.lookup = lookup,
		.lookup_ctx = c,
		.queue_bytes = c->cfg->ingest.queue_bytes,
		.queue_messages = (unsigned)c->cfg->ingest.queue_messages,
		.credit_bytes_per_s = c->cfg->ingest.credit_bytes_per_s,
		.reconnect_floor_ms = c->cfg->ingest.reconnect_floor_ms,
		.marker_path = c->marker_path,
		.took = collector_latest_took,
		.took_ctx = c,
		.stored = stored,
		.stored_ctx = c,
		.complaint = complaint,
		.complaint_ctx = c,
		.room = room,
		.room_ctx = c,
	};
	int rc;

	if ((rc = common_name(b->live.certificate, c->live_id, err)) < 0 ||
	    (rc = common_name(b->past.certificate, c->past_id, err)) < 0)
		return rc;
	opts.live.link = opts.past.link = link;
	opts.live.link.cert_file = b->live.certificate;
	opts.live.link.key_file = b->live.key;
	opts.live.client_id = c->live_id;
	opts.past.link.cert_file = b->past.certificate;
	opts.past.link.key_file = b->past.key;
	opts.past.client_id = c->past_id;
	/* Two connections under one client id would throw each other out. */
	if (strcmp(c->live_id, c->past_id) == 0)
		return bl_fail(err, BL_EINVAL,
		    "broker.live and broker.past need certificates of different names, both say"
		    " \"%s\"",
		    c->live_id);
	return ingest_start(&c->ingest, &opts, err);
}

/* On the evaluator's thread. */
static void
outbox_changed(void *ctx)
{
	const struct collector *c = ctx;

	deliver_wake(c->deliver);
}

static int
start_deliver(struct collector *c, struct bl_err *err)
{
	const struct config_mail *m = &c->cfg->mail;
	const struct deliver_opts opts = {
		.control = c->control,
		.clock = c->clock,
		.smtp_host = m->host,
		.smtp_port = (uint16_t)m->port,
		.smtp_from = m->from,
		.smtp_user = m->user,
		.smtp_password_file = m->password_file,
		.smtp_security = (enum deliver_security)m->security,
		.smtp_ca = m->ca,
		.board_url = c->cfg->board_url,
		.private_webhooks = c->cfg->private_webhooks,
	};

	return deliver_start(&c->deliver, &opts, err);
}

static int
start_eval(struct collector *c, struct bl_err *err)
{
	const struct config_notice *n = &c->cfg->notice;
	const struct eval_opts opts = {
		.control = c->control,
		.telemetry_path = c->telemetry_path,
		.clock = c->clock,
		.notice = { .fresh_ms = n->fresh_ms,
		    .stale_ms = n->stale_ms,
		    .digest_quiet_ms = n->digest_quiet_ms,
		    .digest_max_ms = n->digest_max_ms },
		.keep = { .raw_ms = c->cfg->retention.raw_ms,
		    .minutes_ms = c->cfg->retention.cells_minutes_ms,
		    .hours_ms = c->cfg->retention.cells_hours_ms },
		.age = c->age,
		.outbox_changed = outbox_changed,
		.store_damaged = collector_store_damaged,
		.ctx = c,
	};
	const int rc = eval_open(&c->eval, &opts, err);

	return rc < 0 ? rc : eval_start(c->eval, err);
}

static int
open_store(struct collector *c, struct bl_err *err)
{
	const struct store_opts opts = {
		.path = c->telemetry_path,
		.clock = c->clock,
		.aside_bytes = c->cfg->store.set_aside_bytes,
		.aside_rows = c->cfg->store.set_aside_messages,
	};
	char epoch[BL_ID_HEX_SIZE];
	int rc = store_open(&c->store, &opts, err);

	if (rc < 0)
		return rc;
	/* Parts of the store that was damaged are taken over with the rest. */
	c->opened = store_salvaging(c->store) ? STORE_REPLACED : rc;
	bl_id_hex(store_epoch(c->store), epoch);
	bl_info("collector", "telemetry store %s path=%s epoch=%s",
	    rc == STORE_CREATED    ? "made"
	    : rc == STORE_SET_BACK ? "set back to an older copy"
	    : rc == STORE_REPLACED ? "made anew in place of a damaged one"
				   : "open",
	    c->telemetry_path, epoch);
	return BL_OK;
}

/* Before ingest starts: what comes from then on bears the time of a clock that may be wrong. */
static int
begin_age(struct collector *c, struct bl_err *err)
{
	struct store_read *r;
	int64_t now;
	int rc = store_read_open(&r, c->telemetry_path, c->clock, err);

	if (rc < 0)
		return rc;
	if (store_age_now(&c->age, r, c->clock, &now, err) < 0) {
		bl_warn("collector", "what is too old is not known yet: %s", err->msg);
		*err = (struct bl_err){ 0 };
	}
	store_read_close(r);
	return BL_OK;
}

static int
check_state_dir(const struct config *cfg, struct bl_err *err)
{
	struct stat sb;

	if (stat(cfg->state_dir, &sb) != 0)
		return bl_fail_errno(err, errno == EACCES ? BL_EDENIED : BL_ENOTFOUND,
		    "state_dir %s", cfg->state_dir);
	if (!S_ISDIR(sb.st_mode))
		return bl_fail(err, BL_EINVAL, "state_dir %s is not a folder", cfg->state_dir);
	return BL_OK;
}

static bool
make_paths(struct collector *c)
{
	c->telemetry_path = collector_path(c->cfg, "telemetry.db");
	c->control_path = collector_path(c->cfg, "control.db");
	c->marker_path = collector_path(c->cfg, "decode.marker");
	c->parts_path = collector_path(c->cfg, "parts");
	c->socket_path = c->cfg->web.admin_socket != NULL ? strdup(c->cfg->web.admin_socket)
							  : collector_path(c->cfg, "admin.sock");
	return c->telemetry_path != NULL && c->control_path != NULL && c->marker_path != NULL &&
	       c->socket_path != NULL && c->parts_path != NULL;
}

static int
open_fresh(struct collector *c, struct bl_err *err)
{
	const int64_t bytes = c->cfg->store.open_hours_bytes;

	return bytes > 0 ? store_fresh_open(&c->fresh, (uint64_t)bytes, err) : BL_OK;
}

int
collector_start(struct collector **out, const struct config *cfg, const struct bl_clock *clock,
    struct bl_err *err)
{
	struct control_opts control = { .clock = clock, .full = control_full };
	struct collector *c;
	int rc;

	*out = NULL;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return bl_fail(err, BL_ENOMEM, "out of memory");
	c->cfg = cfg;
	c->clock = clock;
	atomic_init(&c->complaint, -1);
	if (!make_paths(c)) {
		rc = bl_fail(err, BL_ENOMEM, "out of memory");
		goto fail;
	}
	control.path = c->control_path;
	control.full_ctx = c;
	if ((rc = check_state_dir(cfg, err)) < 0 ||
	    (rc = disk_open(&c->disk, cfg->state_dir, cfg->store.ballast_bytes, clock, err)) < 0 ||
	    (rc = open_store(c, err)) < 0 ||
	    (rc = parts_open(&c->parts, c->parts_path, 0, err)) < 0 ||
	    (rc = open_fresh(c, err)) < 0 || (rc = control_open(&c->control, &control, err)) < 0 ||
	    (rc = fleet_lookup_open(&c->lookup, c->control, err)) < 0 ||
	    (rc = begin_age(c, err)) < 0 || (rc = start_deliver(c, err)) < 0 ||
	    (rc = start_eval(c, err)) < 0 || (rc = collector_latest_open(c, err)) < 0 ||
	    (rc = start_ingest(c, err)) < 0 || (rc = collector_latest_fill(c, err)) < 0 ||
	    (rc = collector_compact_start(c, err)) < 0 || (rc = collector_api_start(c, err)) < 0)
		goto fail;
	*out = c;
	return BL_OK;

fail:
	collector_stop(c);
	return rc;
}

void
collector_stop(struct collector *c)
{
	if (c == NULL)
		return;
	collector_api_stop(c);
	collector_compact_stop(c);
	ingest_stop(c->ingest);
	collector_latest_close(c);
	eval_close(c->eval);
	deliver_stop(c->deliver);
	fleet_lookup_close(c->lookup);
	control_close(c->control);
	store_close(c->store);
	parts_close(c->parts);
	store_fresh_close(c->fresh);
	disk_close(c->disk);
	free(c->telemetry_path);
	free(c->control_path);
	free(c->marker_path);
	free(c->parts_path);
	free(c->socket_path);
	free(c);
}
