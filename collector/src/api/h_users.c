/* Users, for administrators; and their names, for everybody. */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>

static const char *const languages[] = { "zh-CN", "en", NULL };
/* As enum auth_role. */
static const char *const roles[] = { "viewer", "operator", "administrator", NULL };

struct user_body {
	struct given_str name, display_name, password;
	struct given_enum role, language;
	struct given_bool disabled;
};

#define USER_FIELDS                                                                                \
	{ "display_name", FIELD_STR, offsetof(struct user_body, display_name), .min = 1,           \
		.max = AUTH_DISPLAY_MAX, .check = check_name, .help = "the name to show" },        \
	    { "role", FIELD_ENUM, offsetof(struct user_body, role), .choices = roles,              \
		    .help = "what the user may do; viewer unless said" },                          \
	    { "language", FIELD_ENUM, offsetof(struct user_body, language), .choices = languages,  \
		    .help = "the language of the pages; zh-CN unless said" },                      \
	    { "disabled", FIELD_BOOL, offsetof(struct user_body, disabled),                        \
		    .help = "true: cannot sign in" },                                              \
	{                                                                                          \
		"password", FIELD_STR, offsetof(struct user_body, password),                       \
		    .max = 1024, .check = check_password, .help = "at least 10 characters"         \
	}

static const struct field user_new_fields[] = {
	{ "name", FIELD_STR, offsetof(struct user_body, name), .required = true, .min = 1,
	    .max = AUTH_NAME_MAX, .check = check_user, .help = "the name to sign in with" },
	USER_FIELDS,
};
const struct schema body_user_new = { "UserNew", sizeof(struct user_body), user_new_fields,
	sizeof(user_new_fields) / sizeof(user_new_fields[0]) };

static const struct field user_patch_fields[] = { USER_FIELDS };
const struct schema body_user_patch = { "UserChange", sizeof(struct user_body), user_patch_fields,
	sizeof(user_patch_fields) / sizeof(user_patch_fields[0]) };

static void
write_user(struct jsonw *w, const struct auth_user *u, const char *initial_password)
{
	jsonw_object(w, NULL);
	jsonw_str(w, "name", u->name);
	jsonw_str(w, "display_name", u->display_name);
	jsonw_str(w, "role", auth_role_name(u->role));
	jsonw_str(w, "language", u->language);
	jsonw_bool(w, "disabled", u->disabled);
	jsonw_int(w, "created_unix_ms", u->created_unix_ms);
	jsonw_int(w, "version", u->version);
	if (initial_password != NULL)
		jsonw_str(w, "initial_password", initial_password);
	jsonw_object_end(w);
}

static struct auth_user_edit
edit_of(const struct user_body *b)
{
	return (struct auth_user_edit){
		.display_name = b->display_name.v,
		.language = b->language.given ? languages[b->language.v] : NULL,
		.password = b->password.v,
		.has_role = b->role.given,
		.role = (enum auth_role)b->role.v,
		.has_disabled = b->disabled.given,
		.disabled = b->disabled.v,
	};
}

/* True: done; else it has been answered. */
static bool
outcome(struct api_req *r, int rc, const char *name)
{
	switch (rc) {
	case AUTH_DONE:
		return true;
	case AUTH_EXISTS:
		api_problem(r, 409, "exists", "There is a user \"%s\" already.", name);
		return false;
	case AUTH_STALE:
		api_problem(r, 412, "precondition_failed",
		    "User \"%s\" was changed meanwhile; read it again. Nothing was changed.", name);
		return false;
	case AUTH_LAST_ADMIN:
		api_problem(r, 409, "conflict",
		    "\"%s\" is the last administrator; nobody else could administrate. Nothing "
		    "was changed.",
		    name);
		return false;
	case AUTH_TOO_MANY:
		api_problem(r, 409, "conflict", "There are %d users already, which is the limit.",
		    AUTH_USERS_MAX);
		return false;
	default:
		api_problem(r, 404, "not_found", "There is no user \"%s\".", name);
		return false;
	}
}

struct listing {
	struct api_req *r;
	size_t n, limit;
	char last[AUTH_NAME_MAX + 1];
	bool more;
};

static bool
list_one(const struct auth_user *u, void *ctx)
{
	struct listing *l = ctx;

	if (l->n == l->limit) {
		l->more = true;
		return false;
	}
	write_user(&l->r->w, u, NULL);
	(void)snprintf(l->last, sizeof(l->last), "%s", u->name);
	l->n++;
	return true;
}

int
get_users(struct api_req *r, struct bl_err *err)
{
	const struct page_query *q = r->query;
	struct listing l = { .r = r,
		.limit = q->limit.given ? (size_t)q->limit.v : API_LIMIT_DFLT };
	int rc;

	jsonw_object(&r->w, NULL);
	jsonw_array(&r->w, "items");
	if ((rc = auth_user_each(r->db, q->after.v, list_one, &l, err)) < 0)
		return rc;
	jsonw_array_end(&r->w);
	jsonw_str(&r->w, "next", l.more ? l.last : NULL);
	jsonw_object_end(&r->w);
	return api_json_send(r, 200);
}

/* ---- who there is, for everybody who may assign ---------------------------- */

static bool
list_person(const struct auth_user *u, void *ctx)
{
	struct jsonw *w = ctx;

	if (u->disabled)
		return true;
	jsonw_object(w, NULL);
	jsonw_str(w, "name", u->name);
	jsonw_str(w, "display_name", u->display_name);
	jsonw_object_end(w);
	return true;
}

/* All of them: there are AUTH_USERS_MAX at most. */
int
get_people(struct api_req *r, struct bl_err *err)
{
	const struct api_page page = { 0 };
	int rc;

	api_items(r);
	rc = auth_user_each(r->db, NULL, list_person, &r->w, err);
	return rc < 0 ? rc : api_items_send(r, &page, 0);
}

/* ---- for administrators ------------------------------------------------------ */

int
post_users(struct api_req *r, struct bl_err *err)
{
	const struct user_body *b = r->body;
	const struct auth_user_edit e = edit_of(b);
	struct auth_user u;
	char made[32];
	int rc;

	if ((rc = auth_user_create(r->api->auth, &r->actor, b->name.v, &e, &u, made, err)) < 0)
		return rc;
	if (!outcome(r, rc, b->name.v))
		return 0;
	api_etag(r, u.version);
	write_user(&r->w, &u, made[0] != '\0' ? made : NULL);
	return api_json_send(r, 201);
}

int
patch_users_name(struct api_req *r, struct bl_err *err)
{
	const struct auth_user_edit e = edit_of(r->body);
	struct auth_user u;
	int rc;

	rc = auth_user_change(r->api->auth, &r->actor, r->param[0], r->if_match, &e,
	    r->has_session ? r->session.id : NULL, &u, err);
	if (rc < 0)
		return rc;
	if (!outcome(r, rc, r->param[0]))
		return 0;
	api_etag(r, u.version);
	write_user(&r->w, &u, NULL);
	return api_json_send(r, 200);
}

int
delete_users_name(struct api_req *r, struct bl_err *err)
{
	const int rc = auth_user_delete(r->api->auth, &r->actor, r->param[0], r->if_match, err);

	if (rc < 0)
		return rc;
	if (outcome(r, rc, r->param[0]))
		api_no_content(r);
	return 0;
}
