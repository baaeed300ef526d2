/* Signing in and out, one's own sessions, language and password. */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const languages[] = { "zh-CN", "en", NULL };

struct sign_in {
	struct given_str user, password;
};

static const struct field sign_in_fields[] = {
	{ "user", FIELD_STR, offsetof(struct sign_in, user), .required = true, .max = 128,
	    .help = "the user's name" },
	{ "password", FIELD_STR, offsetof(struct sign_in, password), .required = true, .max = 1024,
	    .help = "the password" },
};
const struct schema body_sign_in = { "SignIn", sizeof(struct sign_in), sign_in_fields, 2 };

struct session_patch {
	struct given_enum language;
};

static const struct field session_patch_fields[] = {
	{ "language", FIELD_ENUM, offsetof(struct session_patch, language), .required = true,
	    .choices = languages, .help = "the language of the pages" },
};
const struct schema body_session_patch = { "SessionChange", sizeof(struct session_patch),
	session_patch_fields, 1 };

struct password {
	struct given_str old, new;
};

static const struct field password_fields[] = {
	{ "old", FIELD_STR, offsetof(struct password, old), .required = true, .max = 1024,
	    .help = "the password until now" },
	{ "new", FIELD_STR, offsetof(struct password, new), .required = true, .max = 1024,
	    .check = check_password, .help = "the password from now on, at least 10 characters" },
};
const struct schema body_password = { "PasswordChange", sizeof(struct password), password_fields,
	2 };

static void
write_user(struct jsonw *w, const char *key, const struct auth_user *u)
{
	jsonw_object(w, key);
	jsonw_str(w, "name", u->name);
	jsonw_str(w, "display_name", u->display_name);
	jsonw_str(w, "role", auth_role_name(u->role));
	jsonw_str(w, "language", u->language);
	jsonw_object_end(w);
}

static int
send_session(struct api_req *r, const struct auth_session *s)
{
	jsonw_object(&r->w, NULL);
	write_user(&r->w, "user", &s->user);
	jsonw_int(&r->w, "expires_unix_ms", s->expires_unix_ms);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

static void
set_cookie(struct api_req *r, const char *name, const char *value, const char *more)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "%s=%s; Path=/; Secure; HttpOnly; SameSite=Strict%s",
	    name, value, more);
	http_answer_header(r->answer, "Set-Cookie", text);
}

static void
too_many(struct api_req *r, int64_t retry_after_s)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)retry_after_s);
	http_answer_header(r->answer, "Retry-After", text);
	api_problem(r, 429, "too_many_requests",
	    "Too many tries; the next one is looked at in %lld s.", (long long)retry_after_s);
}

int
get_session(struct api_req *r, struct bl_err *err)
{
	(void)err;
	return send_session(r, &r->session);
}

static const char *
cookie_or_null(const struct api_req *r, const char *name, char out[AUTH_TOKEN_SIZE])
{
	return http_cookie(http_header(r->http, "Cookie"), name, out, AUTH_TOKEN_SIZE) ? out : NULL;
}

int
post_session(struct api_req *r, struct bl_err *err)
{
	const struct sign_in *body = r->body;
	const char *agent = http_header(r->http, "User-Agent");
	char known[AUTH_TOKEN_SIZE], old[AUTH_TOKEN_SIZE];
	const struct auth_attempt try = {
		.user = body->user.v,
		.password = body->password.v,
		.address = r->http->address,
		.user_agent = agent != NULL ? agent : "",
		.browser = cookie_or_null(r, API_COOKIE_KNOWN, known),
		.old_token = cookie_or_null(r, API_COOKIE, old),
	};
	struct auth_ticket ticket;
	int rc;

	if ((rc = auth_sign_in(r->api->auth, &try, &ticket, err)) < 0)
		return rc;
	if (rc == AUTH_LIMITED) {
		too_many(r, ticket.retry_after_s);
		return 0;
	}
	if (rc != AUTH_DONE) {
		api_problem(r, 401, "wrong_credentials", "User name or password is wrong.");
		return 0;
	}
	r->has_session = false; /* the one that came along, if any, is over */
	set_cookie(r, API_COOKIE, ticket.token, "");
	if (ticket.browser[0] != '\0')
		set_cookie(r, API_COOKIE_KNOWN, ticket.browser, "; Max-Age=15552000");
	if (ticket.session.expires_unix_ms > ticket.session.created_unix_ms + AUTH_IDLE_MS)
		ticket.session.expires_unix_ms = ticket.session.created_unix_ms + AUTH_IDLE_MS;
	return send_session(r, &ticket.session);
}

int
delete_session(struct api_req *r, struct bl_err *err)
{
	const int rc =
	    auth_session_revoke(r->api->auth, &r->actor, r->session.user.name, r->session.id, err);

	if (rc < 0)
		return rc;
	r->has_session = false;
	set_cookie(r, API_COOKIE, "", "; Max-Age=0");
	api_no_content(r);
	return 0;
}

int
patch_session(struct api_req *r, struct bl_err *err)
{
	const struct session_patch *body = r->body;
	const struct auth_user_edit e = { .language = languages[body->language.v] };
	struct auth_user u;
	int rc;

	rc = auth_user_change(
	    r->api->auth, &r->actor, r->session.user.name, 0, &e, r->session.id, &u, err);
	if (rc < 0)
		return rc;
	if (rc != AUTH_DONE) {
		api_problem(r, 401, "not_signed_in", "This user is not there any more.");
		return 0;
	}
	write_user(&r->w, NULL, &u);
	return api_json_send(r, 200);
}

int
post_session_password(struct api_req *r, struct bl_err *err)
{
	const struct password *body = r->body;
	int64_t retry_after_s;
	int rc;

	rc = auth_password_change(
	    r->api->auth, &r->actor, &r->session, body->old.v, body->new.v, &retry_after_s, err);
	if (rc < 0)
		return rc;
	if (rc == AUTH_LIMITED)
		too_many(r, retry_after_s);
	else if (rc != AUTH_DONE)
		api_problem(r, 401, "wrong_credentials", "The old password is wrong.");
	else
		api_no_content(r);
	return 0;
}

static bool
write_session(const struct auth_session *s, void *ctx)
{
	struct api_req *r = ctx;

	jsonw_object(&r->w, NULL);
	jsonw_str(&r->w, "id", s->id);
	jsonw_int(&r->w, "created_unix_ms", s->created_unix_ms);
	jsonw_int(&r->w, "last_seen_unix_ms", s->last_seen_unix_ms);
	jsonw_str(&r->w, "address", s->address);
	jsonw_str(&r->w, "user_agent", s->user_agent);
	jsonw_bool(&r->w, "current", strcmp(s->id, r->session.id) == 0);
	jsonw_object_end(&r->w);
	return true;
}

int
get_sessions(struct api_req *r, struct bl_err *err)
{
	int rc;

	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	rc = auth_session_each(r->api->auth, r->db, r->session.user.name, write_session, r, err);
	if (rc < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_null(&r->w, "next");
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

int
delete_sessions_id(struct api_req *r, struct bl_err *err)
{
	const int rc =
	    auth_session_revoke(r->api->auth, &r->actor, r->session.user.name, r->param[0], err);

	if (rc < 0)
		return rc;
	if (rc != AUTH_DONE)
		api_problem(r, 404, "not_found", "You have no such session.");
	else
		api_no_content(r);
	return 0;
}
