/*
 * TLS sessions that a later run resumes: a handshake without a certificate and
 * without public keys, about a tenth of the CPU time, on both sides.
 *
 * A resumed handshake proves less than a whole one, so a session is kept for
 * ten minutes only, never with a certificate that was found bad, not beyond
 * that certificate's end, and not when the trusted ones have changed since.
 * What the whole handshake has found (the certificate, the verdict) comes with
 * the session.  RFC 5077 (tickets) and RFC 5246, 7.3 (ids), whichever the
 * server gives.
 */
#include "probe_tls_internal.h"

#include <stdlib.h>
#include <string.h>

/* One server's.  What is resumed must be what was asked for: name, port and how it is judged. */
struct session {
	bool kept;
	bool judged;
	uint16_t port;
	char host[PROBE_HOST_MAX + 1];
	int64_t made_mono_ms; /* the whole handshake */
	int64_t not_after_unix_s;
	struct trust *trust; /* a reference; NULL: not judged */
	mbedtls_ssl_session tls;
};

struct probe_sessions {
	unsigned next; /* the one that makes room */
	struct session one[PROBE_SESSIONS_MAX];
};

static void
forget(struct session *s)
{
	if (!s->kept)
		return;
	mbedtls_ssl_session_free(&s->tls);
	probe_trust_drop(s->trust);
	memset(s, 0, sizeof(*s));
}

int
probe_sessions_create(struct probe_sessions **out, struct bl_err *err)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? BL_OK : bl_fail(err, BL_ENOMEM, "TLS: out of memory");
}

void
probe_sessions_free(struct probe_sessions *all)
{
	if (all == NULL)
		return;
	probe_sessions_forget_all(all);
	free(all);
}

void
probe_sessions_forget_all(struct probe_sessions *all)
{
	for (unsigned i = 0; all != NULL && i < PROBE_SESSIONS_MAX; i++)
		forget(&all->one[i]);
}

static struct session *
find(struct probe_sessions *all, const struct probe_tls *t)
{
	for (unsigned i = 0; i < PROBE_SESSIONS_MAX; i++) {
		struct session *s = &all->one[i];

		if (s->kept && s->port == t->port && s->judged == t->judged &&
		    strcmp(s->host, t->host) == 0)
			return s;
	}
	return NULL;
}

void
probe_sessions_forget(struct probe_sessions *all, const struct probe_tls *t)
{
	struct session *s = find(all, t);

	if (s != NULL)
		forget(s);
}

void
probe_tls_offer(struct probe_tls *t, struct probe_sessions *all, const struct bl_clock *clock)
{
	struct session *s = find(all, t);

	mbedtls_ssl_conf_session_tickets(&t->conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
	if (s == NULL)
		return;
	if (bl_mono_ms(clock) - s->made_mono_ms >= PROBE_SESSION_MAX_MS || s->trust != t->trust ||
	    (s->judged && s->not_after_unix_s <= bl_unix_ms(clock) / 1000)) {
		forget(s);
		return;
	}
	/* Out of memory: the handshake is a whole one. */
	if (mbedtls_ssl_set_session(&t->ssl, &s->tls) != 0)
		return;
	t->offered = true;
	memcpy(t->offered_master, s->tls.master, sizeof(t->offered_master));
}

bool
probe_tls_offered(const struct probe_tls *t)
{
	return t->offered;
}

/* Both sides go on with the secret of the session that was offered, or they have agreed on another.
 */
bool
probe_tls_resumed(const struct probe_tls *t)
{
	return t->offered && t->ssl.session != NULL &&
	       memcmp(t->ssl.session->master, t->offered_master, sizeof(t->offered_master)) == 0;
}

void
probe_tls_keep(struct probe_tls *t, struct probe_sessions *all, const struct probe_tls_peer *peer,
    const struct bl_clock *clock)
{
	struct session *s = find(all, t);

	if (probe_tls_resumed(t))
		return; /* it counts from its whole handshake */
	if (s != NULL)
		forget(s);
	if (peer->bad)
		return;
	s = &all->one[all->next];
	forget(s);
	mbedtls_ssl_session_init(&s->tls);
	if (mbedtls_ssl_get_session(&t->ssl, &s->tls) != 0) {
		mbedtls_ssl_session_free(&s->tls);
		return;
	}
	all->next = (all->next + 1) % PROBE_SESSIONS_MAX;
	s->kept = true;
	s->judged = t->judged;
	s->port = t->port;
	memcpy(s->host, t->host, sizeof(s->host));
	s->made_mono_ms = bl_mono_ms(clock);
	s->not_after_unix_s = peer->not_after_unix_s;
	if ((s->trust = t->trust) != NULL)
		s->trust->refs++;
}
