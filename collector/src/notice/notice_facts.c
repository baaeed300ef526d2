/* What messages say, as facts; deliver puts them into words. */
#include "notice_internal.h"

#include <stdio.h>
#include <string.h>

const struct define_rule *
notice_rule(const struct notice_run *r, const struct incident *i)
{
	for (size_t k = 0; k < r->set->n_rules; k++)
		if (r->set->rule[k].head.version == i->rule_version &&
		    strcmp(r->set->rule[k].head.id, i->rule) == 0)
			return &r->set->rule[k];
	return NULL;
}

size_t
notice_channels(
    const struct notice_run *r, const struct incident *i, const char *out[DEFINE_CHANNELS_MAX])
{
	const struct define_rule *v = notice_rule(r, i);
	size_t n = 0;

	for (size_t k = 0; v != NULL && k < v->n_channels; k++) {
		const struct define_channel *c = define_channel_newest(r->set, v->channel[k]);

		if (c != NULL && c->head.enabled)
			out[n++] = c->head.id;
	}
	return n;
}

bool
notice_tells(const struct notice_run *r, const struct incident *i, const char *channel)
{
	const char *channels[DEFINE_CHANNELS_MAX];
	const size_t n = notice_channels(r, i, channels);

	for (size_t k = 0; k < n; k++)
		if (strcmp(channels[k], channel) == 0)
			return true;
	return false;
}

void
notice_write_site(struct jsonw *w, const struct notice_run *r, const char *site)
{
	const struct roster_site *s = roster_site(r->roster, site);

	jsonw_str(w, "site", site);
	jsonw_str(w, "site_name", s != NULL ? s->name : site);
	jsonw_str(w, "zone", s != NULL ? s->zone : "UTC");
}

void
notice_write_incident(
    struct jsonw *w, const struct notice_run *r, const char *key, const struct incident *i)
{
	const struct define_rule *v = notice_rule(r, i);

	jsonw_object(w, key);
	jsonw_int(w, "id", i->id);
	jsonw_str(w, "rule_name", v != NULL ? v->head.name : i->rule);
	jsonw_str(w, "severity", define_severity_name(i->severity));
	jsonw_str(w, "subject", i->subject);
	jsonw_int(w, "begin_unix_ms", i->begin_unix_ms);
	jsonw_int_or_null(w, "end_unix_ms", i->end_unix_ms != INCIDENT_OPEN, i->end_unix_ms);
	jsonw_raw(w, "facts", i->explanation);
	jsonw_object_end(w);
}

static int
put(const struct notice_run *r, const struct incident *i, const char *kind, int64_t again,
    const char *channel, const char *facts)
{
	char key[NOTICE_KEY_MAX];
	struct outbox_new m = {
		.key = key,
		.channel = channel,
		.kind = kind,
		.site = i->site,
		.incident = i->id,
		.facts = facts,
	};

	if (again == 0)
		(void)snprintf(key, sizeof(key), "%s/%lld/%s", kind, (long long)i->id, channel);
	else
		(void)snprintf(key, sizeof(key), "%s/%lld-%lld/%s", kind, (long long)i->id,
		    (long long)again, channel);
	return outbox_put(r->db, &m, r->now_unix_ms, r->err);
}

int
notice_send(const struct notice_run *r, const struct incident *i, const char *kind, int64_t again)
{
	const char *channels[DEFINE_CHANNELS_MAX];
	const size_t n = notice_channels(r, i, channels);
	const char *facts;
	struct jsonw w;
	size_t len;
	int rc = BL_OK;

	jsonw_init(&w, NOTICE_FACTS_MAX);
	jsonw_object(&w, NULL);
	notice_write_site(&w, r, i->site);
	notice_write_incident(&w, r, "incident", i);
	jsonw_object_end(&w);
	if ((facts = jsonw_text(&w, &len)) == NULL)
		rc = bl_fail(r->err, BL_ENOMEM, "message about incident %lld: out of memory",
		    (long long)i->id);
	for (size_t k = 0; k < n && rc >= 0; k++)
		rc = put(r, i, kind, again, channels[k], facts);
	jsonw_free(&w);
	return rc < 0 ? rc : (int)n;
}
