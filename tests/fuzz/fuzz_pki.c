/*
 * libFuzzer target: certificates, keys and revocation lists, as PEM or (wrapped
 * here, so that the fuzzer need not know base64) as DER.  mbedTLS parses them;
 * what is taken out of them is ours.
 *
 * The first byte chooses: '0' PEM, '1' DER of a certificate, '2' DER of a CA
 * that issues and revokes, '3' DER of a key.
 */
#include <mbedtls/base64.h>

#include "branchline/pki.h"

#include "fuzz.h"

static const struct bl_pki_validity validity = { 1790000000000, 1800000000000 };

static void
wrap(struct bl_buf *pem, const char *what, const uint8_t *der, size_t size)
{
	char text[8192], head[64];
	size_t n = 0;

	if (mbedtls_base64_encode((uint8_t *)text, sizeof(text), &n, der, size) != 0)
		return;
	bl_buf_bytes(pem, head, (size_t)snprintf(head, sizeof(head), "-----BEGIN %s-----\n", what));
	for (size_t at = 0; at < n; at += 64) {
		bl_buf_bytes(pem, text + at, n - at < 64 ? n - at : 64);
		bl_buf_bytes(pem, "\n", 1);
	}
	bl_buf_bytes(pem, head, (size_t)snprintf(head, sizeof(head), "-----END %s-----\n", what));
}

static const struct bl_buf *
own_key(void)
{
	static struct bl_buf key;

	if (key.data == NULL) {
		bl_buf_init(&key, 4096);
		CHECK(bl_pki_key_create(&key, NULL) == BL_OK);
	}
	return &key;
}

static void
about(const struct bl_buf *pem)
{
	struct bl_pki_info info;
	struct bl_err err = { 0 };

	if (bl_pki_info(pem, &info, &err) < 0) {
		CHECK(err.msg[0] != '\0');
		return;
	}
	CHECK(strlen(info.fingerprint_sha256) == 64);
	CHECK(info.serial_hex[0] != '\0' &&
	      strspn(info.serial_hex, "0123456789abcdef") == strlen(info.serial_hex));
	CHECK(strlen(info.common_name) < sizeof(info.common_name));
}

static void
revoke(const struct bl_buf *ca)
{
	const struct bl_pki_revoked gone = { "12ab", 1790000000000 };
	struct bl_err err = { 0 };
	struct bl_buf out;

	bl_buf_init(&out, 1 << 16);
	if (bl_pki_crl_create(ca, own_key(), &gone, 1, 1, &validity, &out, &err) < 0)
		CHECK(err.msg[0] != '\0' && out.len == 0);
	bl_buf_free(&out);
}

static void
sign_with(const struct bl_buf *key)
{
	const struct bl_pki_name name = { "Org", "centre" };
	struct bl_err err = { 0 };
	struct bl_buf out;

	bl_buf_init(&out, 1 << 16);
	if (bl_pki_ca_create(key, &name, &validity, &out, &err) < 0)
		CHECK(err.msg[0] != '\0' && out.len == 0);
	bl_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bl_buf pem;

	if (size == 0)
		return 0;
	bl_buf_init(&pem, 1 << 16);
	if (data[0] == '0')
		bl_buf_bytes(&pem, data + 1, size - 1);
	else
		wrap(&pem, data[0] == '3' ? "EC PRIVATE KEY" : "CERTIFICATE", data + 1, size - 1);
	if (data[0] == '2')
		revoke(&pem);
	else if (data[0] == '3')
		sign_with(&pem);
	else
		about(&pem);
	bl_buf_free(&pem);
	return 0;
}
