/*
 * Starting and stopping: users, the web app's files, the HTTPS server and the
 * local one.  The order of stopping is the reverse: no request, no readers.
 */
#include "api_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/log.h"

#define THREADS_DFLT     8u
#define LOCAL_THREADS    2u
#define CONNECTIONS_DFLT 512u
#define PER_ADDRESS_DFLT 64u
#define TIMEOUT_DFLT_S   30u
#define PEM_MAX          (256 * 1024)

/* ---- files ------------------------------------------------------------- */

/* *out is owned, NUL-terminated.  secret: must not be readable by others. */
static int
read_pem(const char *path, bool secret, char **out, struct bl_err *err)
{
	struct stat st;
	ssize_t n;
	int fd, rc = BL_OK;

	*out = NULL;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return bl_fail_errno(
		    err, errno == ENOENT ? BL_ENOTFOUND : BL_EDENIED, "API: open %s", path);
	if (fstat(fd, &st) != 0)
		rc = bl_fail_errno(err, BL_EIO, "API: stat %s", path);
	else if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
		rc = bl_fail(err, BL_EINVAL, "API: %s is not a PEM file", path);
	else if (secret && (st.st_mode & S_IRWXO) != 0)
		rc = bl_fail(err, BL_EDENIED,
		    "API: others may read or change the key %s; it is not used. chmod 600 it",
		    path);
	else if ((*out = calloc(1, (size_t)st.st_size + 1)) == NULL)
		rc = bl_fail(err, BL_ENOMEM, "API: out of memory");
	if (rc == BL_OK && (n = read(fd, *out, (size_t)st.st_size)) != st.st_size) {
		rc = bl_fail_errno(err, BL_EIO, "API: read %s", path);
		free(*out);
		*out = NULL;
	}
	(void)close(fd); /* read only */
	return rc;
}

/* The system's zone from /etc/timezone or the target of /etc/localtime; else UTC. */
static void
find_zone(struct api *api)
{
	static const char mark[] = "/zoneinfo/";
	const char *zone = api->opts.default_zone, *at;
	char target[256] = "";
	ssize_t n;

	if (zone == NULL && (n = readlink("/etc/localtime", target, sizeof(target) - 1)) > 0) {
		target[n] = '\0';
		if ((at = strstr(target, mark)) != NULL)
			zone = at + sizeof(mark) - 1;
	}
	if (zone != NULL && strcmp(zone, "Etc/UTC") == 0)
		zone = "UTC";
	if (zone == NULL || !fleet_zone_valid(zone, api->opts.zoneinfo_dir))
		zone = "UTC";
	(void)snprintf(api->default_zone, sizeof(api->default_zone), "%s", zone);
}

static int
copy_origins(struct api *api, const char *const *origins, struct bl_err *err)
{
	size_t n = 0;

	while (origins != NULL && origins[n] != NULL)
		n++;
	if ((api->origins = calloc(n + 1, sizeof(api->origins[0]))) == NULL)
		return bl_fail(err, BL_ENOMEM, "API: out of memory");
	for (size_t i = 0; i < n; i++)
		if ((api->origins[i] = strdup(origins[i])) == NULL)
			return bl_fail(err, BL_ENOMEM, "API: out of memory");
	return BL_OK;
}

/* A collector without its pages still works: the API does not depend on them. */
static void
load_files(struct api *api)
{
	struct bl_err err = { 0 };

	if (api->opts.web_root == NULL)
		return;
	if (static_load(&api->files, api->opts.web_root, &err) < 0)
		bl_error("api", "%s; there will be no web pages, the API works", err.msg);
	else
		bl_info("api", "web app loaded files=%zu", static_count(api->files));
}

/* ---- servers ----------------------------------------------------------- */

static unsigned
or_default(unsigned v, unsigned dflt)
{
	return v != 0 ? v : dflt;
}

static struct http_opts
server_opts(struct api *api, int fd, bool unix_socket)
{
	const struct api_opts *o = &api->opts;

	return (struct http_opts){
		.listen_fd = fd,
		.unix_socket = unix_socket,
		.threads = unix_socket ? LOCAL_THREADS : or_default(o->threads, THREADS_DFLT),
		.connections_max = or_default(o->connections_max, CONNECTIONS_DFLT),
		.per_address_max = or_default(o->per_address_max, PER_ADDRESS_DFLT),
		.timeout_s = or_default(o->idle_timeout_s, TIMEOUT_DFLT_S),
		.handle = api_handle,
		.refuse = api_refuse,
		.api = api,
	};
}

static int
start_https(struct api *api, struct bl_err *err)
{
	struct http_opts o;
	char *cert = NULL, *key = NULL;
	int fd, rc;

	if (api->opts.listen_address == NULL)
		return BL_OK;
	if ((rc = read_pem(api->opts.cert_file, false, &cert, err)) < 0 ||
	    (rc = read_pem(api->opts.key_file, true, &key, err)) < 0)
		goto done;
	rc = http_listen_tcp(&fd, api->opts.listen_address, api->opts.port, &api->port, err);
	if (rc < 0)
		goto done;
	o = server_opts(api, fd, false);
	o.cert_pem = cert;
	o.key_pem = key;
	rc = http_start(&api->https, &o, err);
done:
	if (key != NULL)
		explicit_bzero(key, strlen(key));
	free(key);
	free(cert);
	return rc;
}

static int
start_local(struct api *api, struct bl_err *err)
{
	struct http_opts o;
	int fd, rc;

	if (api->opts.admin_socket == NULL)
		return BL_OK;
	if ((rc = http_listen_unix(&fd, api->opts.admin_socket, err)) < 0)
		return rc;
	o = server_opts(api, fd, true);
	return http_start(&api->local, &o, err);
}

/* Who wonders why signing in does not work finds it in the log. */
static void
look_for_users(struct api *api)
{
	struct bl_err err = { 0 };
	struct sqlite3 *db;
	int64_t n = 1;

	if (control_read_begin(api->opts.control, &db, &err) < 0)
		return;
	if (auth_user_count(db, &n, &err) == BL_OK && n == 0)
		bl_warn("api", "there are no users yet, so nobody can sign in; make one with: "
			       "branchline user add NAME --role administrator");
	control_read_end(api->opts.control, db);
}

static void
release(struct api *api)
{
	http_stop(api->https);
	http_stop(api->local);
	if (api->local != NULL)
		(void)unlink(api->opts.admin_socket); /* gone already: as well */
	api_readers_close(api);
	static_free(api->files);
	auth_close(api->auth);
	free(api->overview.text);
	for (size_t i = 0; api->origins != NULL && api->origins[i] != NULL; i++)
		free(api->origins[i]);
	free(api->origins);
	(void)pthread_mutex_destroy(&api->readers_lock); /* nobody holds them any more */
	(void)pthread_mutex_destroy(&api->overview.lock);
	api_places_give(api, api->places.now);
	(void)pthread_mutex_destroy(&api->places.lock);
	(void)sem_destroy(&api->query_turns);
	export_turns_free(&api->exports);
	free((char *)api->opts.admin_socket);
	free((char *)api->opts.zoneinfo_dir);
	free(api);
}

/* What is needed beyond start; the rest of opts' strings is used in api_start only. */
static int
keep_opts(struct api *api, const struct api_opts *opts, struct bl_err *err)
{
	api->opts = *opts;
	api->opts.admin_socket = opts->admin_socket != NULL ? strdup(opts->admin_socket) : NULL;
	api->opts.zoneinfo_dir = opts->zoneinfo_dir != NULL ? strdup(opts->zoneinfo_dir) : NULL;
	if ((opts->admin_socket != NULL && api->opts.admin_socket == NULL) ||
	    (opts->zoneinfo_dir != NULL && api->opts.zoneinfo_dir == NULL))
		return bl_fail(err, BL_ENOMEM, "API: out of memory");
	return copy_origins(api, opts->origins, err);
}

int
api_start(struct api **out, const struct api_opts *opts, struct bl_err *err)
{
	const struct auth_opts auth = {
		.control = opts->control,
		.clock = opts->clock,
		.memory_kib = opts->password_memory_kib,
	};
	struct api *api;
	int rc;

	*out = NULL;
	if (opts->hooks.store_open == NULL || opts->hooks.store_close == NULL)
		return bl_fail(err, BL_EINVAL, "API: it needs readers of the store");
	if ((api = calloc(1, sizeof(*api))) == NULL)
		return bl_fail(err, BL_ENOMEM, "API: out of memory");
	if (pthread_mutex_init(&api->readers_lock, NULL) != 0 ||
	    pthread_mutex_init(&api->overview.lock, NULL) != 0 ||
	    pthread_mutex_init(&api->places.lock, NULL) != 0 ||
	    sem_init(&api->query_turns, 0, API_QUERIES_MAX) != 0 ||
	    !export_turns_init(&api->exports, opts->exports_per_user)) {
		free(api);
		return bl_fail(err, BL_ENOMEM, "API: no mutex");
	}
	api->started_unix_ms = bl_unix_ms(opts->clock);
	if ((rc = keep_opts(api, opts, err)) < 0 || (rc = auth_open(&api->auth, &auth, err)) < 0)
		goto fail;
	find_zone(api);
	load_files(api);
	look_for_users(api);
	if ((rc = start_local(api, err)) < 0 || (rc = start_https(api, err)) < 0)
		goto fail;
	if (api->https != NULL)
		bl_info("api", "listening address=%s port=%u", opts->listen_address, api->port);
	*out = api;
	return BL_OK;
fail:
	release(api);
	return rc;
}

void
api_stop(struct api *a)
{
	if (a != NULL)
		release(a);
}

uint16_t
api_port(const struct api *a)
{
	return a->port;
}
