/*
 * What is right in the configuration, but waits for something that this machine lacks: groups,
 * folders, files, encodings.  The agent runs without it all and tries again; `status` says each
 * thing when it meets it.
 *
 * Looks alone: nothing is made, opened for writing, or connected to.
 */
#include "check_machine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "branchline/charset.h"

#include "commands.h"
#include "probe.h"
#include "probe_secret.h"
#include "sample.h"
#include "sample_log.h"
#include "sample_watch_conf.h"

#define USER_DFLT "branchline-agent"
#define MANY      100 /* findings that an exit code can say */

struct look {
	const struct config *c;
	const char *of; /* the list whose entry is looked at, and the entry: "drop", "orders" */
	const char *name;
	char user[64];
	unsigned found;
};

/* then: what comes of it, and how long. */
static void __attribute__((format(printf, 4, 5)))
tell(struct look *l, const char *key, const char *then, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "warning: %s%s%s%s%s: ", l->of, l->name[0] != '\0' ? " " : "",
	    l->name,
	    key[0] == '\0'       ? ""
	    : l->name[0] != '\0' ? ": "
				 : ".",
	    key);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "; %s\n", then);
	l->found++;
}

/* NULL and "" stand for nothing that is named. */
static bool
reach(struct look *l, const char *key, const char *path, int how, const char *then)
{
	if (path == NULL || path[0] == '\0' || access(path, how) == 0)
		return true;
	if (errno == EACCES)
		tell(l, key, then, "user %s may not %s %s", l->user,
		    (how & W_OK) != 0 ? "write to" : "read", path);
	else
		tell(l, key, then, "%s: %s", path, strerror(errno));
	return false;
}

/* The folder of a path, "/" at least; false: it is too long. */
static bool
folder_of(const char *path, char out[CONFIG_PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	const int len = slash == NULL || slash == path ? 1 : (int)(slash - path);

	return snprintf(out, CONFIG_PATH_MAX, "%.*s", len, path) < (int)CONFIG_PATH_MAX;
}

static void
secret(struct look *l, const char *key, const char *path, const char *then)
{
	char line[PROBE_SECRET_MAX + 1];
	struct bl_err err = { 0 };

	if (path == NULL || path[0] == '\0')
		return;
	if (probe_secret_read(line, path, &err) < 0)
		tell(l, key, then, "%s", err.msg);
	explicit_bzero(line, sizeof(line));
}

static void
encoding(struct look *l, int which)
{
	struct bl_charset_conv *conv = NULL;
	struct bl_err err = { 0 };

	if (which != BL_CHARSET_UTF8 && bl_charset_open(&conv, (enum bl_charset)which, &err) < 0)
		tell(l, "", "until then nothing of it is read", "%s", err.msg);
	bl_charset_close(conv);
}

/* ---- sockets ---- */

static const char closed[] = "the socket is not opened, and tried again every minute";

/* A folder that is missing is made in its parent; below /run a service manager makes it. */
static void
socket_place(struct look *l, const char *key, const char *path)
{
	char folder[CONFIG_PATH_MAX], parent[CONFIG_PATH_MAX];

	if (path == NULL || (path = strchr(path, '/')) == NULL)
		return;                /* none, or a port */
	path += strspn(path, "/") - 1; /* unixstream:///PATH */
	if (!folder_of(path, folder) || strcmp(folder, l->c->v->state_dir) == 0)
		return; /* where the agent itself lives */
	if (access(folder, F_OK) == 0)
		(void)reach(l, key, folder, W_OK | X_OK, closed);
	else if (folder_of(folder, parent) && strcmp(parent, "/run") != 0)
		(void)reach(l, key, parent, W_OK | X_OK, closed);
}

static void
group(struct look *l, const char *name)
{
	const struct group *g;
	gid_t has[256];
	int n;

	if (name == NULL || name[0] == '\0')
		return;
	if ((g = getgrnam(name)) == NULL) {
		tell(l, "group", closed, "this machine has no group \"%s\"", name);
		return;
	}
	n = getgroups(256, has);
	for (int i = 0; i < n; i++)
		if (has[i] == g->gr_gid)
			return;
	if (geteuid() != 0 && getegid() != g->gr_gid)
		tell(l, "group", "the socket is not opened, unless the service manager adds it",
		    "user %s is not in group \"%s\"", l->user, name);
}

static void
sockets(struct look *l)
{
	const struct config_inlets *in = &l->c->v->inlets;

	l->of = "inlets.steps";
	if (in->steps.enabled) {
		group(l, in->steps.group);
		socket_place(l, "socket", in->steps.socket);
		socket_place(l, "datagram_socket", in->steps.datagram_socket);
	}
	l->of = "inlets.http";
	if (in->http.listen != NULL) {
		if (in->http.listen[0] == '/')
			group(l, in->http.group);
		socket_place(l, "listen", in->http.listen);
		secret(l, "token_file", in->http.token_file,
		    "every report is refused until it can be read");
	}
	l->of = "inlets.statsd";
	if (in->statsd.listen.n > 0)
		group(l, in->statsd.group);
	for (size_t i = 0; i < in->statsd.listen.n; i++)
		socket_place(l, "listen", in->statsd.listen.item[i]);
	l->of = "local";
	socket_place(l, "listen", l->c->v->local.listen);
}

/* ---- what is read ---- */

/* The agent touches nothing else, for it might hang there. */
static bool
answers(struct look *l, const struct bl_conf_strlist *types, const char *path)
{
	struct log_way *way = NULL;
	struct bl_err err = { 0 };
	const bool good = log_way_open(&way, types, &err) < 0 || log_way_harmless(way, path);

	log_way_close(way);
	if (!good)
		tell(l, "path", "nothing is read",
		    "%s does not lie on a file system that answers at once (`types` may name one)",
		    path);
	return good;
}

static void
drop_folders(struct look *l)
{
	const struct bl_conf_list *folders = &l->c->v->inlets.drop.folders;
	const struct drop_folder_conf *f = folders->item;

	l->of = "inlets.drop";
	for (size_t i = 0; i < folders->n; i++) {
		static const char then[] = "no file is read until it can be";
		struct stat st;

		l->name = f[i].name;
		encoding(l, f[i].encoding);
		if (!answers(l, &f[i].types, f[i].path))
			continue;
		if (stat(f[i].path, &st) == 0 && !S_ISDIR(st.st_mode))
			tell(l, "path", "no file is read", "%s is no folder", f[i].path);
		else if (reach(l, "path", f[i].path, R_OK | X_OK, then))
			(void)reach(l, "path", f[i].path, W_OK | X_OK, then);
	}
	l->name = "";
}

/* A log that is not there yet may come; where its folder is missing, somebody mistook the name. */
static void
log_file(struct look *l, const struct bl_conf_strlist *types, const char *path)
{
	char folder[CONFIG_PATH_MAX];

	if (answers(l, types, path) && folder_of(path, folder) &&
	    reach(l, "path", folder, X_OK, "nothing is read until it is there") &&
	    access(path, F_OK) == 0)
		(void)reach(l, "path", path, R_OK, "nothing of it is read until it may be");
}

static void
logs(struct look *l)
{
	const struct loglines_conf *lines = &l->c->v->inlets.loglines;
	const struct loglines_watch *w = lines->watch.item;

	l->of = "inlets.loglines";
	for (size_t i = 0; lines->enabled && i < lines->watch.n; i++) {
		l->name = w[i].name;
		encoding(l, w[i].encoding);
		log_file(l, &lines->types, w[i].path);
	}
	l->of = "samplers.logs";
	for (size_t n = 0; samplers[n] != NULL; n++) {
		const struct sample_logs_conf *conf = config_sampler(l->c, n);
		const struct sample_log_watch *each;

		if (strcmp(samplers[n]->kind, "logs") != 0)
			continue;
		each = conf->watch.item;
		for (size_t i = 0; conf->enabled && i < conf->watch.n; i++) {
			l->name = each[i].name;
			log_file(l, &conf->types, each[i].path);
		}
	}
	l->name = "";
}

static void
probes(struct look *l)
{
	static const char then[] = "the probe is unknown until it can be read";
	const struct probe_conf *p = l->c->v->probes.item;

	l->of = "probes";
	for (size_t i = 0; i < l->c->v->probes.n; i++) {
		l->name = p[i].name;
		(void)reach(l, "ca_file", p[i].ca_file, R_OK, then);
		secret(l, "secret_file", p[i].secret_file, then);
		secret(l, "proxy.secret_file", p[i].proxy.secret_file, then);
	}
	l->name = "";
}

static void
broker(struct look *l)
{
	static const char then[] = "there is no link until it can be read; sampling goes on";
	const struct config_broker *b = &l->c->v->broker;

	l->of = "broker";
	(void)reach(l, "ca", b->ca, R_OK, then);
	(void)reach(l, "certificate", b->certificate, R_OK, then);
	(void)reach(l, "key", b->key, R_OK, then);
	(void)reach(l, "crl", b->crl, R_OK, then);
	(void)reach(l, "proxy.password_file", b->proxy.password_file, R_OK, then);
}

/* Made by the agent when its parent is there. */
static void
state_folder(struct look *l)
{
	static const char then[] = "the agent does not start";
	const char *dir = l->c->v->state_dir;
	char parent[CONFIG_PATH_MAX];

	l->of = "state_dir";
	if (access(dir, F_OK) == 0)
		(void)reach(l, "", dir, R_OK | W_OK | X_OK, then);
	else if (folder_of(dir, parent))
		(void)reach(l, "", parent, geteuid() == 0 ? W_OK | X_OK : F_OK, then);
}

/* ---- as whom ---- */

/* Only root can become somebody else; false: it could not. */
static bool
become(struct look *l)
{
	struct stat st;
	const bool made = stat(l->c->v->state_dir, &st) == 0;
	const bool root = geteuid() == 0;
	const struct passwd *p = root && !made ? getpwnam(USER_DFLT)
				 : root        ? getpwuid(st.st_uid)
					       : getpwuid(geteuid());
	const uid_t uid = !root ? geteuid() : p != NULL ? p->pw_uid : made ? st.st_uid : 0;
	const gid_t gid = p != NULL ? p->pw_gid : made ? st.st_gid : 0;

	if (p != NULL)
		(void)snprintf(l->user, sizeof(l->user), "%s", p->pw_name);
	else
		(void)snprintf(l->user, sizeof(l->user), "%u", (unsigned)uid);
	if (!root || uid == 0)
		return true;
	return (p != NULL ? initgroups(p->pw_name, gid) : setgroups(0, NULL)) == 0 &&
	       setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0;
}

unsigned
check_machine(const struct config *c)
{
	struct look l = { .c = c, .of = "", .name = "" };
	int status = 0;
	pid_t child;

	(void)fflush(NULL);
	if ((child = fork()) == 0) {
		if (!become(&l))
			_exit(0);
		state_folder(&l);
		broker(&l);
		probes(&l);
		sockets(&l);
		drop_folders(&l);
		logs(&l);
		_exit(l.found < MANY ? (int)l.found : MANY);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 0;
}
