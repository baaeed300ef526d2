/*
 * libFuzzer target: what comes back from a mail server or a webhook's receiver,
 * and the texts from which a message is made: a channel's secret, its URL, the
 * facts.  libcurl parses HTTP and SMTP; what it hands over is ours to cut and
 * to clean.  Both sources stand here, for those parts are nobody else's.
 *
 * The first byte chooses: '0' lines of a mail server, '1' a body in pieces,
 * '2' a secret, '3' the URL of a target, else facts for a webhook's body.
 */
#define judge judge_mail
#include "deliver_mail.c"
#undef judge
#define judge judge_webhook
#include "deliver_webhook.c"
#undef judge

#include <netdb.h>

#include "fuzz.h"

int __real_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res);
int __wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res);

/* Names are not looked up here. */
int
__wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	struct addrinfo h = *hints;

	h.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
	return __real_getaddrinfo(node, service, &h, res);
}

static void
check_clean(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void
mail_lines(char *text, size_t len)
{
	static struct deliver_try t;
	struct hearing heard = { .out = &t };

	memset(&t, 0, sizeof(t));
	for (size_t at = 0; at < len;) {
		const char *nl = memchr(text + at, '\n', len - at);
		const size_t n = nl != NULL ? (size_t)(nl - text) - at + 1 : len - at;
		char *piece = malloc(n);

		CHECK(piece != NULL);
		memcpy(piece, text + at, n);
		CHECK(keep_line(piece, 1, n, &heard) == n);
		free(piece);
		at += n;
	}
	check_clean(t.answer);
	check_clean(heard.refused);
}

static void
body_pieces(char *text, size_t len)
{
	static struct deliver_try t;

	memset(&t, 0, sizeof(t));
	for (size_t at = 0; at < len; at += 100) {
		const size_t n = len - at < 100 ? len - at : 100;

		CHECK(keep_answer(text + at, 1, n, &t) == n);
	}
	CHECK(strlen(t.answer) <= DELIVER_ANSWER_MAX);
	check_clean(t.answer);
}

static void
target(const char *url)
{
	char resolve[1024] = "", why[192] = "";

	if (!deliver_target(url, false, resolve, sizeof(resolve), why, sizeof(why)))
		CHECK(why[0] != '\0');
}

static void
facts(const char *text)
{
	struct deliver_text words = { .subject = "s", .text = (char *)(uintptr_t) "t" };
	const struct deliver_letter l = {
		.key = "k", .kind = "page", .facts = text, .text = &words
	};
	char *body = make_body(&l);
	json_t *whole;

	if (body == NULL)
		return;
	CHECK((whole = json_loads(body, JSON_REJECT_DUPLICATES, NULL)) != NULL);
	json_decref(whole);
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char signature[64], *text;

	if (size == 0)
		return 0;
	text = fuzz_text(data + 1, size - 1);
	if (data[0] == '0')
		mail_lines(text, size - 1);
	else if (data[0] == '1')
		body_pieces(text, size - 1);
	else if (data[0] == '2')
		CHECK(!deliver_sign(text, "msg_1", 1, "{}", signature) || strlen(signature) < 64);
	else if (data[0] == '3')
		target(text);
	else
		facts(text);
	free(text);
	return 0;
}
