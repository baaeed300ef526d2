/*
 * What the files of the kind "http" share beyond what every kind sees: what a
 * body must hold, requests, redirects, secrets.
 */
#ifndef PROBE_HTTP_INTERNAL_H
#define PROBE_HTTP_INTERNAL_H

#include <stdio.h>

#include <zlib.h>

#include "branchline/regex.h"
#include "probe_internal.h"
#include "probe_secret.h"

/* ---- what a body must hold (probe_body.c, probe_json.c); pure ---- */

#define PROBE_JSON_WANTS_MAX 8u
#define PROBE_JSON_MAX       (256u * 1024u) /* a longer body is not read as JSON */
#define PROBE_JSON_PATH_MAX  128u

enum probe_json_op { JSON_EQUAL, JSON_OTHER, JSON_LESS, JSON_AT_MOST, JSON_MORE, JSON_AT_LEAST };

/* One value of a JSON text: where it is, and what it must be. */
struct probe_json_want {
	const char *path; /* kept; "checks[0].state" */
	const char *text; /* kept; what stands behind the comparison */
	enum probe_json_op op;
	bool is_number;
	double number;
};

/* Keeps path and value ("ok", ">= 5").  NULL, or what was expected. */
const char *probe_json_want_parse(struct probe_json_want *w, const char *path, const char *value);
/* NULL: the text holds all of it; else why not, in out. */
const char *probe_json_check(const char *text, size_t len, const struct probe_json_want *want,
    unsigned n, char *out, size_t size);

/* The same in all runs of a probe. */
struct probe_want {
	struct probe_needle needle;
	struct bl_regex *regex; /* owned; NULL: none */
	unsigned n_json;
	struct probe_json_want json[PROBE_JSON_WANTS_MAX];
};

/* Keeps conf's texts. */
int probe_want_init(struct probe_want *w, const struct probe_conf *conf, struct bl_err *err);
void probe_want_release(struct probe_want *w);
bool probe_want_any(const struct probe_want *w);

/* One body as it comes: decoded, looked at, and thrown away but for JSON. */
struct probe_body {
	const struct probe_want *want;
	uint64_t max; /* decoded bytes that are looked at */
	uint64_t seen;
	bool text_found, regex_found;
	bool cut; /* there was more than max */
	uint16_t match;
	struct bl_regex_scan *scan; /* NULL: no regular expression */
	char *kept;                 /* NULL: no JSON, or nothing came yet */
	size_t kept_len, kept_size;
	bool inflating, inflated; /* a decoder is at work; its stream has ended */
	bool unwrapped;           /* it may turn out to have no header */
	z_stream z;
	const char *error; /* the body is of no use; static */
};

/* Keeps want. */
int probe_body_init(
    struct probe_body *b, const struct probe_want *want, uint64_t max, struct bl_err *err);
void probe_body_release(struct probe_body *b);
/* A new answer: nothing is known of its body. */
void probe_body_begin(struct probe_body *b);
/* Its headers are read. */
void probe_body_coding(struct probe_body *b, enum probe_coding coding);
void probe_body_feed(struct probe_body *b, const char *data, size_t len);
/*
 * The body is whole, or as much of it as we read.  NULL: it holds what it must;
 * else why not, in out.  Frees what this body needed.
 */
const char *probe_body_end(struct probe_body *b, char *out, size_t size);

/* ---- redirects (probe_redirect.c); pure ---- */

bool probe_redirect_status(int status);
/* Where a Location leads from an address (RFC 3986, 5.2).  NULL, or what is wrong with it. */
const char *probe_redirect_to(
    const struct probe_url *from, const char *location, struct probe_url *out);
/* With which method (enum probe_method) the new address is asked. */
int probe_redirect_method(int method, int status);
/* NULL, or why we do not go there; first: the address of the configuration. */
const char *probe_redirect_not(const struct probe_url *from, const struct probe_url *to,
    const struct probe_url *first, bool with_body);
bool probe_same_origin(const struct probe_url *a, const struct probe_url *b);

/* For the tables of options: a user name, of a server or of a proxy (probe_conf.c). */
const char *probe_check_user(const void *value);

/* ---- the proxy (probe_proxy.c) ---- */

struct probe_proxy {
	bool used;
	struct probe_url at;
	char *request; /* owned; it may hold a secret */
	size_t len, sent;
};

int probe_proxy_init(struct probe_proxy *p, const struct probe_conf *conf, struct bl_err *err);
void probe_proxy_release(struct probe_proxy *p);
/* TCP to it is through, and r->url wants TLS: PROXY begins, or the run ends. */
void probe_proxy_begin(struct probe_proxy *p, struct probe_run *r);
/* As far as it goes without waiting; through: probe_connect_through. */
void probe_proxy_step(struct probe_proxy *p, struct probe_run *r);
/* What its status means, in words. */
void probe_proxy_refusal(const struct probe_run *r, int status, char *out, size_t size);
/* NULL, or what was expected of the address. */
const char *probe_proxy_url(const char *text, struct probe_url *out);

/* ---- requests (probe_request.c) ---- */

struct probe_request {
	const struct probe_url *url;
	int method;       /* enum probe_method */
	const char *body; /* "" : none */
	bool to_proxy;    /* which hands it on: with the whole address, and its password */
	bool ours;        /* the address of the configuration: its headers and secrets go out */
	const struct probe_conf *conf;
};

/* "Proxy-Authorization: ..." and its line's end, when the proxy wants one. */
int probe_request_proxy_put(FILE *f, const struct probe_proxy_conf *c, struct bl_err *err);
const char *probe_method_name(int method);
/* A kept connection may have swallowed it: may it be sent again? */
bool probe_method_repeatable(int method);
/* *out is the caller's; it may hold a secret (probe_request_free). */
int probe_request_make(const struct probe_request *q, char **out, size_t *len, struct bl_err *err);
/* NULL is fine. */
void probe_request_free(char *text, size_t len);

#endif
