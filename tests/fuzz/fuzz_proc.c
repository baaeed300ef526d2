/*
 * libFuzzer target: the files of /proc that the samplers read, whole and torn,
 * twice in a row: what a tick gives is a number or "unknown", never another value.
 * The first byte chooses the sampler; then come two texts, split at the first NUL,
 * which its two ticks see in every file that it reads.
 */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "fuzz.h"
#include "sample_internal.h"

static char root[FOLDER_MAX];
static const struct {
	const char *name;
	const struct sampler_ops *reader;
} files[] = {
	{ "/proc/stat", &sampler_cpu },
	{ "/proc/loadavg", &sampler_cpu },
	{ "/proc/meminfo", &sampler_memory },
	{ "/proc/vmstat", &sampler_memory },
	{ "/proc/pressure/cpu", &sampler_pressure },
	{ "/proc/pressure/io", &sampler_pressure },
	{ "/proc/net/snmp", &sampler_tcp },
	{ "/proc/net/netstat", &sampler_tcp },
	{ "/proc/net/sockstat", &sampler_tcp },
	{ "/proc/net/sockstat6", &sampler_tcp },
	{ "/proc/sys/fs/file-nr", &sampler_kernel },
	{ "/proc/self/mountinfo", &sampler_disk },
	{ "/proc/diskstats", &sampler_disk },
	{ "/proc/net/dev", &sampler_network },
	{ "/proc/uptime", &sampler_uptime },
	{ "/proc/self/stat", &sampler_self },
	{ "/proc/self/statm", &sampler_self },
};
#define FILES (sizeof(files) / sizeof(files[0]))
static int fd[FILES];
static void *conf[32];
static const struct sampler_ops *ops[32];
static size_t n_ops;

static void
clean(void)
{
	folder_remove(root);
}

static void
make_tree(void)
{
	static const char *const folders[] = { "/proc", "/proc/self", "/proc/net",
		"/proc/self/task", "/proc/self/fd", "/proc/pressure", "/proc/sys", "/proc/sys/fs" };
	char path[FOLDER_MAX + 64], name[32];

	(void)snprintf(name, sizeof(name), "fuzz-%d", (int)getpid());
	folder_make(root, name);
	(void)atexit(clean);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		CHECK(mkdir(path, 0700) == 0);
	}
	for (size_t i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", root, files[i].name);
		fd[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd[i] >= 0);
	}
}

static void
make_conf(void)
{
	struct bl_conf_errors errors;

	for (size_t i = 0; samplers[i] != NULL; i++) {
		if (samplers[i] == &sampler_synthetic)
			continue; /* reads nothing */
		ops[n_ops] = samplers[i];
		CHECK((conf[n_ops] = calloc(1, samplers[i]->options->size)) != NULL);
		CHECK(bl_conf_parse("defaults", "enabled: true\n", 14, samplers[i]->options,
			  conf[n_ops], &errors, NULL) == BL_OK);
		bl_conf_errors_free(&errors);
		n_ops++;
	}
}

/* ---- the sink ---- */

static int32_t n_series;

static int32_t
declare(void *ctx, const struct bl_series_def *def)
{
	(void)ctx;
	CHECK(def->name.len > 0 && def->name.len <= BL_NAME_MAX && def->n_labels <= BL_LABELS_MAX);
	for (uint32_t i = 0; i < def->n_labels; i++)
		CHECK(def->label[i].value.len > 0 && def->label[i].value.len <= BL_LABEL_VALUE_MAX);
	return n_series < 1000 ? n_series++ : BL_EFULL;
}

static void
put(void *ctx, int32_t handle, double value)
{
	(void)ctx;
	CHECK(handle >= 0 && handle < n_series && isfinite(value));
}

static void
unknown(void *ctx, int32_t handle, enum bl_unknown reason)
{
	(void)ctx;
	CHECK(handle >= 0 && handle < n_series && reason != BL_KNOWN);
}

static void
event(void *ctx, const struct bl_event *ev)
{
	(void)ctx;
	(void)ev;
	CHECK(false);
}

static void
put_text(const struct sampler_ops *reader, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < FILES; i++)
		if (files[i].reader == reader)
			CHECK(ftruncate(fd[i], 0) == 0 &&
			      pwrite(fd[i], data, size, 0) == (ssize_t)size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample_sink sink = { NULL, declare, put, unknown, NULL, event };
	const uint8_t *nul;
	struct sampler *s;
	size_t first, i;

	if (root[0] == '\0') {
		make_tree();
		make_conf();
	}
	if (size == 0)
		return 0;
	i = *data++ % n_ops;
	size--;
	nul = size > 0 ? memchr(data, 0, size) : NULL;
	first = nul != NULL ? (size_t)(nul - data) : size;
	n_series = 0;
	put_text(ops[i], data, first);
	CHECK(ops[i]->open(&s, conf[i], root, 10000, NULL) == BL_OK);
	(void)ops[i]->sample(s, 1000, &sink, NULL);
	if (nul != NULL)
		put_text(ops[i], nul + 1, size - first - 1);
	(void)ops[i]->sample(s, 600000, &sink, NULL); /* all are due again */
	ops[i]->close(s);
	return 0;
}
