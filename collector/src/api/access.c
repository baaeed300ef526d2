/*
 * Who asks, and whether that one may: the only place where permission is decided.
 *
 * Deny by default.  A permission is (verb, resource) for a role now; the site
 * scope and the fields of a role come to stand here too, so handlers never ask.
 */
#include "api_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Bits of verbs by role and resource; what is not here is refused. */
#define GET_BIT  (1u << VERB_GET)
#define ALL_BITS ((1u << VERBS) - 1)

static const unsigned granted[AUTH_ROLES][ON_SYSTEM + 1] = {
	[AUTH_VIEWER] = {
		[ON_SITES] = GET_BIT,
		[ON_DEVICES] = GET_BIT,
		[ON_TELEMETRY] = GET_BIT,
		[ON_DEFINITIONS] = GET_BIT,
		[ON_INCIDENTS] = GET_BIT,
		[ON_SYSTEM] = GET_BIT,
	},
	[AUTH_OPERATOR] = {
		[ON_SITES] = GET_BIT,
		[ON_DEVICES] = GET_BIT,
		[ON_TELEMETRY] = GET_BIT,
		[ON_DEFINITIONS] = GET_BIT,
		[ON_CHANNELS] = GET_BIT,
		[ON_INCIDENTS] = GET_BIT | 1u << VERB_POST,
		[ON_SYSTEM] = GET_BIT,
	},
	[AUTH_ADMINISTRATOR] = {
		[ON_USERS] = ALL_BITS,
		[ON_SITES] = ALL_BITS,
		[ON_DEVICES] = ALL_BITS,
		[ON_TELEMETRY] = ALL_BITS,
		[ON_DEFINITIONS] = ALL_BITS,
		[ON_CHANNELS] = ALL_BITS,
		[ON_INCIDENTS] = ALL_BITS,
		[ON_SYSTEM] = ALL_BITS,
	},
};

bool
api_permits(enum auth_role role, const struct route *route)
{
	return (granted[role][route->resource] & 1u << route->verb) != 0;
}

bool
api_may_read(const struct api_req *r, enum resource about)
{
	return (granted[r->role][about] & GET_BIT) != 0;
}

int
api_identify(struct api_req *r, struct bl_err *err)
{
	char token[AUTH_TOKEN_SIZE];
	int rc;

	r->actor = (struct control_actor){ "", r->http->address };
	r->role = AUTH_VIEWER;
	if (r->http->local_socket) {
		r->actor.name = "local administrator";
		r->role = AUTH_ADMINISTRATOR;
		return BL_OK;
	}
	if (!http_cookie(http_header(r->http, "Cookie"), API_COOKIE, token, sizeof(token)))
		return BL_OK;
	rc = auth_session_find(r->api->auth, r->db, token, &r->session, err);
	if (rc != AUTH_DONE)
		return rc < 0 ? rc : BL_OK;
	r->has_session = true;
	r->actor.name = r->session.user.name;
	r->role = r->session.user.role;
	return BL_OK;
}

static bool
own_origin(const struct http_request *q, const char *origin)
{
	const char *host = http_header(q, "Host");

	return host != NULL && strncmp(origin, "https://", 8) == 0 &&
	       strcasecmp(origin + 8, host) == 0;
}

bool
api_same_origin(const struct api *api, const struct http_request *q)
{
	const char *origin = http_header(q, "Origin");
	const char *site = http_header(q, "Sec-Fetch-Site");

	if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 &&
	    api->origins[0] == NULL)
		return false; /* the browser itself says so */
	if (origin == NULL)   /* not a browser, or one that says where it comes from otherwise */
		return site == NULL || strcmp(site, "same-origin") == 0 ||
		       strcmp(site, "none") == 0;
	if (own_origin(q, origin))
		return true;
	for (size_t i = 0; api->origins[i] != NULL; i++)
		if (strcasecmp(origin, api->origins[i]) == 0)
			return true;
	return false;
}
