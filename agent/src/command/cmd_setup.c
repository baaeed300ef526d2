/*
 * `branchline-agent setup`: takes in the one file that `branchline device add`
 * made at the centre.
 *
 * Everything is written beside what is there, loaded and checked as the agent
 * would, and only then renamed into place, so that a bad file changes nothing.
 * The private key exists with mode 0600 from its first byte on.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/buf.h"
#include "branchline/conf.h"
#include "branchline/link.h"
#include "branchline/pki.h"
#include "branchline/topic.h"

#include "config.h"
#include "setup_internal.h"

#define PEM_MAX 65536

static const char help[] =
    "usage: branchline-agent setup FILE [--dir DIR] [--force]\n"
    "\n"
    "Takes in the file that `branchline device add` made at the centre: this device's\n"
    "identity (certificate and private key), the broker's address and its configuration.\n"
    "Writes agent.yaml, ca.pem, certificate.pem and key.pem to DIR (default\n"
    "/etc/branchline-agent) and says what to do next.\n"
    "\n"
    "An identity of another device that lies there is not overwritten without --force.\n"
    "The same device again is fine: new certificates come in, the spool stays.\n";

static const char *
check_id(const void *value)
{
	return bl_id_text_valid(*(char *const *)value) ? NULL : "an id";
}

static const struct bl_conf_key broker_keys[] = {
	{ .name = "host",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct config_broker, host),
	    .min = 1,
	    .max = 253 },
	{ .name = "port",
	    .type = BL_CONF_INT,
	    .dflt = "8883",
	    .offset = offsetof(struct config_broker, port),
	    .min = 1,
	    .max = 65535 },
	{ .name = "verify_name",
	    .type = BL_CONF_STR,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, verify_name),
	    .max = 253 },
	{ .name = "transport",
	    .type = BL_CONF_ENUM,
	    .dflt = "tcp",
	    .offset = offsetof(struct config_broker, transport),
	    .choices = config_transports },
	{ .name = "path",
	    .type = BL_CONF_STR,
	    .dflt = "/mqtt",
	    .offset = offsetof(struct config_broker, path),
	    .min = 1,
	    .max = 120 },
	{ .name = "proxy",
	    .type = BL_CONF_SECTION,
	    .dflt = "",
	    .offset = offsetof(struct config_broker, proxy),
	    .section = &config_proxy_section },
	{ 0 },
};
static const struct bl_conf_section broker_section = { "broker", sizeof(struct config_broker),
	broker_keys, NULL };

#define PEM_KEY(field, default_text)                                                               \
	{                                                                                          \
		.name = #field, .type = BL_CONF_STR, .dflt = (default_text),                       \
		.offset = offsetof(struct file, field), .min = 0, .max = PEM_MAX                   \
	}

static const struct bl_conf_key file_keys[] = {
	{ .name = "version",
	    .type = BL_CONF_INT,
	    .offset = offsetof(struct file, version),
	    .min = 1,
	    .max = 1,
	    .help = "a newer file needs a newer branchline-agent" },
	{ .name = "device",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct file, device),
	    .check = check_id },
	{ .name = "site",
	    .type = BL_CONF_STR,
	    .offset = offsetof(struct file, site),
	    .check = check_id },
	{ .name = "part",
	    .type = BL_CONF_INT,
	    .offset = offsetof(struct file, part),
	    .min = 0,
	    .max = BL_PARTS - 1 },
	{ .name = "broker",
	    .type = BL_CONF_SECTION,
	    .offset = offsetof(struct file, broker),
	    .section = &broker_section },
	PEM_KEY(ca, NULL),
	PEM_KEY(certificate, NULL),
	PEM_KEY(key, NULL),
	PEM_KEY(crl, ""),
	PEM_KEY(agent, ""),
	{ 0 },
};
static const struct bl_conf_section file_section = { "setup", sizeof(struct file), file_keys,
	NULL };

/* ---- files ---- */

/* What is written beside its place, then renamed. */
struct target {
	const char *name;
	const char *text; /* NULL: not written */
	size_t len;
	mode_t mode;
	char path[CONFIG_PATH_MAX], tmp[CONFIG_PATH_MAX];
};

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd);
}

static int
write_beside(struct target *t, const char *dir, struct bl_err *err)
{
	int fd;

	(void)snprintf(t->path, sizeof(t->path), "%s/%s", dir, t->name);
	(void)snprintf(t->tmp, sizeof(t->tmp), "%s/.%s.new", dir, t->name);
	if (t->text == NULL)
		return BL_OK;
	(void)unlink(t->tmp); /* of a set-up that was cut off */
	/* O_EXCL: never through somebody's link; the mode is right from the first byte. */
	if ((fd = open(t->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_EIO, "write %s", t->tmp);
	if (write_all(fd, t->text, t->len) != 0 || fchmod(fd, t->mode) != 0) {
		(void)bl_fail_errno(err, BL_EIO, "write %s", t->tmp);
		(void)close(fd);
		(void)unlink(t->tmp);
		return BL_EIO;
	}
	if (close(fd) != 0)
		return bl_fail_errno(err, BL_EIO, "write %s", t->tmp);
	return BL_OK;
}

static int
sync_dir(const char *dir, struct bl_err *err)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = BL_OK;

	if (fd < 0 || fsync(fd) != 0)
		rc = bl_fail_errno(err, BL_EIO, "store folder %s", dir);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int
make_dir(const char *dir, struct bl_err *err)
{
	struct stat st;

	if (mkdir(dir, 0755) == 0)
		return BL_OK;
	if (errno != EEXIST)
		return bl_fail_errno(
		    err, errno == EACCES ? BL_EDENIED : BL_EIO, "make folder %s", dir);
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
		return bl_fail(err, BL_EIO, "use %s: it is no folder", dir);
	return BL_OK;
}

/* ---- what is there ---- */

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A proxy that this place has, and the file does not know of, stays. */
static bool
same_way(const struct config_broker *there, const struct config_broker *in)
{
	struct config_broker wanted = *in;

	if (wanted.proxy.url == NULL)
		wanted.proxy = there->proxy;
	return config_broker_same_way(there, &wanted);
}

/* What lies in the folder: nothing, this device, or another one. */
enum there { THERE_NOTHING, THERE_SAME, THERE_SAME_MOVED, THERE_OTHER };

static enum there
look_there(const char *dir, const struct file *in, char *who, size_t size)
{
	char path[CONFIG_PATH_MAX];
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	enum there there = THERE_OTHER;
	struct config *c;

	(void)snprintf(path, sizeof(path), "%s/agent.yaml", dir);
	if (access(path, F_OK) != 0)
		return THERE_NOTHING;
	(void)snprintf(who, size, "a configuration that cannot be read (%s)", path);
	if (config_load(&c, path, &errors, &err) == BL_OK) {
		(void)snprintf(who, size, "device \"%s\"", c->v->device.id);
		if (same(c->v->device.id, in->device))
			there =
			    same_way(&c->v->broker, &in->broker) && c->v->device.part == in->part
				? THERE_SAME
				: THERE_SAME_MOVED;
		config_free(c);
	}
	bl_conf_errors_free(&errors);
	return there;
}

/* ---- checks ---- */

static int
check_certificate(const struct file *in, struct bl_err *err)
{
	struct bl_pki_info info;
	struct bl_buf pem;
	int rc;

	bl_buf_init(&pem, PEM_MAX + 1);
	bl_buf_bytes(&pem, in->certificate, strlen(in->certificate));
	rc = bl_pki_info(&pem, &info, err);
	bl_buf_free(&pem);
	if (rc == BL_OK && strcmp(info.common_name, in->device) != 0)
		rc = bl_fail(err, BL_EINVAL,
		    "the certificate in the file is for \"%s\", the file for device \"%s\"",
		    info.common_name, in->device);
	return rc;
}

/* Loads what was written as the agent will: key and certificate belong together, and so on. */
static int
check_files(const struct target *t, struct bl_err *err)
{
	const struct bl_link_cfg cfg = { .host = "localhost",
		.port = 1,
		.ca_file = t[0].tmp,
		.cert_file = t[1].tmp,
		.key_file = t[2].tmp,
		.crl_file = t[3].text != NULL ? t[3].tmp : NULL };
	struct bl_link *l;
	const int rc = bl_link_create(&l, &cfg, bl_clock_real(), err);

	bl_link_free(l);
	return rc;
}

static int
check_config(const char *path, const char *text, struct bl_err *err)
{
	struct bl_conf_errors errors;
	struct config *c;
	const int rc = config_parse_file(&c, path, text, strlen(text), &errors, err);

	for (size_t i = 0; i < errors.n_kept; i++)
		(void)fprintf(stderr, "%s\n", errors.line[i]);
	bl_conf_errors_free(&errors);
	config_free(c);
	return rc;
}

/* ---- the whole ---- */

static int
put_in_place(struct target *t, size_t n, const char *dir, bool keep_before, struct bl_err *err)
{
	char before[CONFIG_PATH_MAX];

	for (size_t i = 0; i < n; i++) {
		if (t[i].text == NULL)
			continue;
		if (keep_before && strcmp(t[i].name, "agent.yaml") == 0) {
			(void)snprintf(before, sizeof(before), "%s/agent.yaml.before", dir);
			if (rename(t[i].path, before) != 0 && errno != ENOENT)
				return bl_fail_errno(err, BL_EIO, "keep %s", t[i].path);
		}
		if (rename(t[i].tmp, t[i].path) != 0)
			return bl_fail_errno(err, BL_EIO, "put %s in place", t[i].path);
	}
	return sync_dir(dir, err);
}

static int
install(const struct file *in, const char *dir, enum there there, struct bl_err *err)
{
	char *config = setup_config(in, dir);
	struct target t[] = {
		{ .name = "ca.pem", .text = in->ca, .mode = 0644 },
		{ .name = "certificate.pem", .text = in->certificate, .mode = 0644 },
		{ .name = "key.pem", .text = in->key, .mode = 0600 },
		{ .name = "crl.pem", .text = in->crl, .mode = 0644 },
		/* Last: what it names is there by then. */
		{ .name = "agent.yaml", .text = there == THERE_SAME ? NULL : config, .mode = 0644 },
	};
	const size_t n = sizeof(t) / sizeof(t[0]);
	char path[CONFIG_PATH_MAX];
	int rc = BL_OK;

	(void)snprintf(path, sizeof(path), "%s/agent.yaml", dir);
	if (config == NULL)
		return bl_fail(err, BL_ENOMEM, "set up: out of memory");
	if (t[4].text != NULL)
		rc = check_config(path, t[4].text, err);
	for (size_t i = 0; i < n && rc == BL_OK; i++) {
		t[i].len = t[i].text != NULL ? strlen(t[i].text) : 0;
		rc = write_beside(&t[i], dir, err);
	}
	if (rc == BL_OK)
		rc = check_files(t, err);
	if (rc == BL_OK)
		rc = put_in_place(t, n, dir, there != THERE_NOTHING, err);
	for (size_t i = 0; i < n && rc < 0; i++)
		if (t[i].text != NULL && t[i].tmp[0] != '\0')
			(void)unlink(t[i].tmp);
	free(config);
	return rc;
}

static void
say_next(const struct file *in, const char *dir, const char *path, enum there there)
{
	const bool standard = strcmp(dir, "/etc/branchline-agent") == 0;

	(void)printf("device %s of site %s is set up in %s\n", in->device, in->site, dir);
	if (there == THERE_SAME)
		(void)printf("  its agent.yaml was kept, the certificates are new\n");
	else if (there != THERE_NOTHING)
		(void)printf("  the agent.yaml of before is now %s/agent.yaml.before\n", dir);
	(void)printf("\nnext:\n"
		     "  branchline-agent diagnose%s%s%s   checks the way to the centre\n",
	    standard ? "" : " --config ", standard ? "" : dir, standard ? "" : "/agent.yaml");
	if (there == THERE_SAME)
		(void)printf(
		    "  an agent that runs takes the new certificate at its next connection; "
		    "kill -HUP makes it read everything again\n");
	else
		(void)printf("  branchline-agent run%s%s%s   starts it\n",
		    standard ? "" : " --config ", standard ? "" : dir,
		    standard ? "" : "/agent.yaml");
	if (in->broker.proxy.password_file != NULL)
		(void)printf("  write the proxy's password into %s%s%s (mode 0600), before that\n",
		    in->broker.proxy.password_file[0] == '/' ? "" : dir,
		    in->broker.proxy.password_file[0] == '/' ? "" : "/",
		    in->broker.proxy.password_file);
	(void)printf("  rm %s   it holds the private key and is not needed any more\n", path);
}

static int
setup(const struct file *in, const char *dir, const char *path, int force)
{
	struct bl_err err = { 0 };
	char who[CONFIG_PATH_MAX + 64];
	enum there there;
	int rc;

	there = look_there(dir, in, who, sizeof(who));
	if (there == THERE_OTHER && !force) {
		(void)fprintf(stderr,
		    "branchline-agent: %s holds %s, the file is for device \"%s\"; nothing was "
		    "changed. --force replaces it.\n",
		    dir, who, in->device);
		return 1;
	}
	if ((rc = check_certificate(in, &err)) == BL_OK && (rc = make_dir(dir, &err)) == BL_OK)
		rc = install(in, dir, there, &err);
	if (rc < 0) {
		(void)fprintf(
		    stderr, "branchline-agent: set-up failed, nothing was changed: %s\n", err.msg);
		return 1;
	}
	say_next(in, dir, path, there);
	return 0;
}

int
cmd_setup(int argc, char **argv)
{
	const char *path = NULL, *dir = "/etc/branchline-agent";
	int force = 0, code;
	const struct cmd_option options[] = { { "--dir", &dir, NULL }, { "--force", NULL, &force },
		{ NULL, NULL, NULL } };
	struct bl_conf_errors errors;
	struct bl_err err = { 0 };
	struct file in;

	if ((code = cmd_options_read(argc, argv, options, &path, 1, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	if (path == NULL) {
		(void)fprintf(stderr, "branchline-agent: setup needs the file made by `branchline "
				      "device add`\n");
		return CMD_EXIT_USAGE;
	}
	if (bl_conf_load(path, &file_section, &in, &errors, &err) < 0) {
		for (size_t i = 0; i < errors.n_kept; i++)
			(void)fprintf(stderr, "%s\n", errors.line[i]);
		(void)fprintf(stderr, "branchline-agent: this is no set-up file: %s\n", err.msg);
		bl_conf_errors_free(&errors);
		return 1;
	}
	code = setup(&in, dir, path, force);
	if (in.key != NULL)
		explicit_bzero(in.key, strlen(in.key));
	bl_conf_release(&file_section, &in);
	return code;
}
