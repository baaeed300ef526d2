/* The line protocol as an inlet of the agent: its part of the configuration, and the seam. */
#include "inlet_steps.h"

#include <stddef.h>
#include <stdlib.h>

#include "branchline/log.h"

#include "inlet.h"

/* ---- configuration ---- */

static const struct bl_conf_key keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "yes",
	    .offset = offsetof(struct steps_conf, enabled),
	    .help = "take steps of business processes, events and values from programs of this "
		    "machine, a line each" },
	{ .name = "socket",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct steps_conf, socket),
	    .max = 4000,
	    .help = "its Unix socket; none: steps.sock in the state folder, which only the agent's "
		    "user and root can enter" },
	{ .name = "datagram_socket",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct steps_conf, datagram_socket),
	    .max = 4000,
	    .help = "a Unix datagram socket for the same lines, one each, also from `logger -u`; "
		    "none: there is none" },
	{ .name = "mode",
	    .type = BL_CONF_STR,
	    .dflt = "0660",
	    .offset = offsetof(struct steps_conf, mode),
	    .min = 1,
	    .max = 4,
	    .help = "permissions of the sockets: who may write to them may report",
	    .check = inlet_mode_check },
	{ .name = "group",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct steps_conf, group),
	    .max = 32,
	    .help = "group of the sockets; none: the agent's own" },
	{ 0 },
};

const struct bl_conf_section steps_conf_section = { "steps", sizeof(struct steps_conf), keys,
	NULL };

/* ---- the seam ---- */

struct steps {
	const struct inlet_host *host;
	struct inlet *in;
};

static int
sink_report(void *ctx, const struct inlet_report *r, uint64_t token, struct bl_err *err)
{
	const struct inlet_host *host = ((struct steps *)ctx)->host;

	return host->report(host->ctx, r, token, err);
}

static void
sink_problem(void *ctx, char *out, size_t size)
{
	const struct inlet_host *host = ((struct steps *)ctx)->host;

	host->problem(host->ctx, out, size);
}

static int
steps_open(void **out, const void *conf_, const struct inlet_host *host, struct bl_err *err)
{
	const struct steps_conf *conf = conf_;
	struct inlet_opts opts = { .path = conf->socket,
		.datagram = conf->datagram_socket,
		.mode = inlet_mode(conf->mode),
		.group = conf->group,
		.clock = host->clock };
	struct steps *s;
	int rc;

	*out = NULL;
	if (!conf->enabled)
		return BL_OK;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bl_fail(err, BL_ENOMEM, "open socket %s: out of memory", conf->socket);
	s->host = host;
	opts.sink = (struct inlet_sink){ s, sink_report, sink_problem };
	if ((rc = inlet_open(&s->in, &opts, err)) < 0) {
		free(s);
		return rc;
	}
	bl_info("steps", "steps are taken socket=%s", conf->socket);
	*out = s;
	return BL_OK;
}

static void
steps_finish(void *in)
{
	inlet_finish(((struct steps *)in)->in);
}

static void
steps_close(void *in)
{
	struct steps *s = in;

	if (s == NULL)
		return;
	inlet_close(s->in);
	free(s);
}

static int
steps_fd(const void *in)
{
	return inlet_fd(((const struct steps *)in)->in);
}

static int64_t
steps_deadline(const void *in)
{
	return inlet_deadline(((const struct steps *)in)->in);
}

static void
steps_serve(void *in)
{
	inlet_serve(((struct steps *)in)->in);
}

static void
steps_done(void *in, uint64_t token, int rc)
{
	inlet_done(((struct steps *)in)->in, token, rc);
}

static unsigned
steps_count(const void *in, struct inlet_count *out)
{
	struct inlet_counters n;
	unsigned i = 0;

	inlet_count(((const struct steps *)in)->in, &n);
	out[i++] = (struct inlet_count){ "accepted", n.accepted, false };
	out[i++] = (struct inlet_count){ "repeated", n.repeated, false };
	out[i++] = (struct inlet_count){ "bad_lines", n.bad_lines, true };
	out[i++] = (struct inlet_count){ "not_stored", n.not_stored, true };
	out[i++] = (struct inlet_count){ "late", n.late, true };
	out[i++] = (struct inlet_count){ "too_many_series", n.too_many_series, true };
	out[i++] = (struct inlet_count){ "refused_clients", n.refused_clients, true };
	out[i++] = (struct inlet_count){ "user_clients", n.user_clients, true };
	out[i++] = (struct inlet_count){ "idle_clients", n.idle_clients, false };
	out[i++] = (struct inlet_count){ "unanswered", n.unanswered, false };
	return i;
}

unsigned
steps_clients(const void *in)
{
	struct inlet_counters n;

	if (in == NULL)
		return 0;
	inlet_count(((const struct steps *)in)->in, &n);
	return n.clients;
}

const struct inlet_ops steps_ops = {
	.name = "steps",
	.open = steps_open,
	.finish = steps_finish,
	.close = steps_close,
	.fd = steps_fd,
	.deadline = steps_deadline,
	.serve = steps_serve,
	.done = steps_done,
	.count = steps_count,
};
