/*
 * Processes: how many are in which state, and the ones watched by name.
 *
 * A walk over /proc costs by process, so it is made when something of it is
 * wanted, and every half minute rather than at every tick; its series say so
 * as their interval.  A walk that did not see everything (too many, or /proc
 * hides the processes of other users) knows nothing: all of it is unknown.
 */
#include "sample_process_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { W_UP, W_COUNT, W_CPU, W_MEMORY, W_RESTARTS, W_AGE, WATCH_SERIES };

static const struct sample_spec watch_spec[WATCH_SERIES] = {
	{ "process_up", "1", BL_GAUGE, "process" },
	{ "process_count", "1", BL_GAUGE, "process" },
	{ "process_cpu_ms_total", "ms", BL_COUNTER, "process" },
	{ "process_resident_bytes", "bytes", BL_GAUGE, "process" },
	{ "process_restarts_total", "1", BL_COUNTER, "process" },
	{ "process_age_s", "s", BL_GAUGE, "process" },
};

static const struct sample_spec state_spec = { "processes_state", "1", BL_GAUGE, "state" };

static const char *const state_name[PROCESS_STATES] = { "running", "sleeping", "blocked", "stopped",
	"zombie", "idle", "other" };

struct watch {
	const struct sample_process_watch *conf;
	struct process_watched seen;
	int32_t handle[WATCH_SERIES];
};

struct processes {
	const struct sample_processes_conf *conf;
	uint32_t interval_ms;
	struct sample_every every;
	char *proc; /* path; owned */
	double tick_ms, page_bytes;
	unsigned state[PROCESS_STATES]; /* of this walk */
	int32_t state_handle[PROCESS_STATES];
	size_t n;
	struct watch *watch;           /* owned */
	struct process_reader *reader; /* NULL: nobody is known by arguments */
};

static const char *
check_watch(const void *section, const char **key_out)
{
	const struct sample_process_watch *w = section;

	if (w->command != NULL || w->arguments != NULL)
		return NULL;
	*key_out = "command";
	return "a command or arguments to know it by";
}

static const struct bl_conf_key watch_keys[] = {
	SAMPLE_WATCH_NAME_KEY(struct sample_process_watch),
	{ .name = "command",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct sample_process_watch, command),
	    .min = 1,
	    .max = 64,
	    .help = "the program's name as ps shows it, 15 bytes at most (wildcards * and ?)" },
	{ .name = "arguments",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct sample_process_watch, arguments),
	    .min = 1,
	    .max = 1024,
	    .help = "the whole command line, its first 4,000 bytes (wildcards * and ?)" },
	{ 0 },
};

static const struct bl_conf_section watch_section = { "watch", sizeof(struct sample_process_watch),
	watch_keys, check_watch };

static const struct bl_conf_key processes_keys[] = {
	{ .name = "enabled",
	    .type = BL_CONF_BOOL,
	    .dflt = "true",
	    .offset = offsetof(struct sample_processes_conf, enabled),
	    .help = "sample processes, as far as the keys below want any" },
	{ .name = "states",
	    .type = BL_CONF_BOOL,
	    .dflt = "false",
	    .offset = offsetof(struct sample_processes_conf, states),
	    .help = "how many processes are in which state" },
	{ .name = "every",
	    .type = BL_CONF_DURATION,
	    .dflt = "30s",
	    .offset = offsetof(struct sample_processes_conf, every_ms),
	    .min = 1000,
	    .max = 3600000,
	    .help = "time between two walks over all processes, which cost 10 to 20 us a process" },
	{ .name = "max_processes",
	    .type = BL_CONF_INT,
	    .dflt = "4096",
	    .offset = offsetof(struct sample_processes_conf, max_processes),
	    .min = 64,
	    .max = 65536,
	    .help = "where there are more, all of it is unknown" },
	SAMPLE_WATCH_LIST_KEY(
	    struct sample_processes_conf, watch_section, "programs that should run"),
	{ 0 },
};

static const struct bl_conf_section processes_section = { "processes",
	sizeof(struct sample_processes_conf), processes_keys, NULL };

static void
processes_close(struct sampler *s)
{
	struct processes *p = (struct processes *)s;

	if (p == NULL)
		return;
	process_reader_free(p->reader);
	free(p->watch);
	free(p->proc);
	free(p);
}

static void
watch_init(struct watch *w, const struct sample_process_watch *conf)
{
	w->conf = conf;
	for (unsigned i = 0; i < WATCH_SERIES; i++)
		w->handle[i] = SAMPLE_NEW;
}

static bool
wants_arguments(const struct processes *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->watch[i].conf->arguments != NULL)
			return true;
	return false;
}

static int
processes_open(struct sampler **out, const void *conf, const char *root, uint32_t interval_ms,
    struct bl_err *err)
{
	struct processes *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (p == NULL)
		return bl_fail(err, BL_ENOMEM, "processes: out of memory");
	p->conf = conf;
	p->interval_ms = sample_every_init(&p->every, p->conf->every_ms, interval_ms);
	p->tick_ms = 1000.0 / (double)sysconf(_SC_CLK_TCK);
	p->page_bytes = (double)sysconf(_SC_PAGESIZE);
	p->n = p->conf->watch.n;
	p->watch = calloc(p->n > 0 ? p->n : 1, sizeof(*p->watch));
	if (asprintf(&p->proc, "%s/proc", root) < 0)
		p->proc = NULL;
	if (p->proc == NULL || p->watch == NULL) {
		processes_close((struct sampler *)p);
		return bl_fail(err, BL_ENOMEM, "processes: out of memory");
	}
	for (size_t i = 0; i < p->n; i++)
		watch_init(
		    &p->watch[i], &((const struct sample_process_watch *)p->conf->watch.item)[i]);
	for (unsigned i = 0; i < PROCESS_STATES; i++)
		p->state_handle[i] = SAMPLE_NEW;
	if (p->conf->enabled && wants_arguments(p) &&
	    (rc = process_reader_create(&p->reader, p->proc, err)) < 0) {
		processes_close((struct sampler *)p);
		return rc;
	}
	*out = (struct sampler *)p;
	return BL_OK;
}

/* ---- one walk ---- */

static int
see(void *ctx, const struct process *found, struct bl_err *err)
{
	struct processes *p = ctx;
	char arguments[PROCESS_ARGUMENTS_MAX];
	bool read = false;
	int rc;

	p->state[found->state]++;
	for (size_t i = 0; i < p->n; i++) {
		const struct sample_process_watch *conf = p->watch[i].conf;

		if (conf->command != NULL && !sample_glob(conf->command, found->command))
			continue;
		if (conf->arguments != NULL && !read) {
			if ((rc = process_reader_get(p->reader, found->pid, arguments, err)) < 0)
				return rc;
			read = true;
		}
		if (conf->arguments == NULL || sample_glob(conf->arguments, arguments))
			process_watched_see(&p->watch[i].seen, found);
	}
	return BL_OK;
}

static void
put_watch(const struct processes *p, struct watch *w, const struct sample_to *to, int64_t boot_ms)
{
	const struct process_watched *seen = &w->seen;
	const double age_ms = (double)boot_ms - (double)seen->oldest_ticks * p->tick_ms;
	double value[WATCH_SERIES];

	value[W_UP] = seen->count > 0;
	value[W_COUNT] = seen->count;
	value[W_CPU] = (double)seen->cpu_ticks * p->tick_ms;
	value[W_MEMORY] = (double)seen->resident_pages * p->page_bytes;
	value[W_RESTARTS] = (double)seen->restarts;
	value[W_AGE] = seen->count > 0 && age_ms > 0 ? (double)(int64_t)(age_ms / 1000) : 0;
	for (unsigned i = 0; i < WATCH_SERIES; i++) {
		if (i == W_CPU && seen->untracked)
			sample_put_unknown(to, &w->handle[i], &watch_spec[i], w->conf->name,
			    BL_UNKNOWN_UNSUPPORTED);
		else
			sample_put(to, &w->handle[i], &watch_spec[i], w->conf->name, value[i]);
	}
}

static int
put_known(struct processes *p, const struct sample_to *to, int64_t boot_ms, struct bl_err *err)
{
	int rc = BL_OK;

	for (unsigned i = 0; i < PROCESS_STATES && p->conf->states; i++)
		sample_put(to, &p->state_handle[i], &state_spec, state_name[i], p->state[i]);
	for (size_t i = 0; i < p->n; i++) {
		process_watched_end(&p->watch[i].seen);
		put_watch(p, &p->watch[i], to, boot_ms);
		if (p->watch[i].seen.untracked && rc == BL_OK)
			rc = bl_fail(err, BL_EFULL,
			    "processes: %s has more than %u processes; the CPU time that they use "
			    "is unknown",
			    p->watch[i].conf->name, PROCESS_TRACKED);
	}
	return rc;
}

static void
put_unknown(struct processes *p, const struct sample_to *to, enum bl_unknown reason)
{
	for (unsigned i = 0; i < PROCESS_STATES && p->conf->states; i++)
		sample_put_unknown(to, &p->state_handle[i], &state_spec, state_name[i], reason);
	for (size_t i = 0; i < p->n; i++)
		for (unsigned k = 0; k < WATCH_SERIES; k++)
			sample_put_unknown(to, &p->watch[i].handle[k], &watch_spec[k],
			    p->watch[i].conf->name, reason);
}

/* Whether everything was seen; why not in err. */
static int
whole(const struct process_walk *walk, struct bl_err *err)
{
	if (walk->more)
		return bl_fail(err, BL_EFULL,
		    "processes: there are more than max_processes (%u); none of them is sampled",
		    walk->max);
	if (walk->hidden > 0)
		return bl_fail(err, BL_EDENIED,
		    "processes: %s hides the processes of other users (hidepid); give the agent's "
		    "unit the group that may see them",
		    walk->proc);
	return BL_OK;
}

static int
processes_sample(struct sampler *s, int64_t boot_ms, struct sample_sink *sink, struct bl_err *err)
{
	struct processes *p = (struct processes *)s;
	const struct sample_to to = { sink, p->interval_ms };
	struct process_walk walk = {
		.proc = p->proc, .max = (unsigned)p->conf->max_processes, .each = see, .ctx = p
	};
	int rc;

	if (!p->conf->enabled || (p->n == 0 && !p->conf->states))
		return BL_OK;
	if (!sample_every_due(&p->every, boot_ms))
		return BL_OK;
	memset(p->state, 0, sizeof(p->state));
	for (size_t i = 0; i < p->n; i++)
		process_watched_begin(&p->watch[i].seen);
	process_reader_begin(p->reader);
	if ((rc = process_walk(&walk, err)) < 0)
		put_unknown(
		    p, &to, rc == BL_ETIMEDOUT ? BL_UNKNOWN_TIMEOUT : BL_UNKNOWN_UNREADABLE);
	else if ((rc = whole(&walk, err)) < 0)
		put_unknown(p, &to, BL_UNKNOWN_UNSUPPORTED);
	else
		rc = put_known(p, &to, boot_ms, err);
	return rc;
}

const struct sampler_ops sampler_processes = { "processes", &processes_section, processes_open,
	processes_sample, processes_close };
