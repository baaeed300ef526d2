/*
 * The CA: what it issues is judged by another library's tool (openssl), which
 * nobody here wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "branchline/pki.h"

#define DAY_MS      86400000LL
#define NOW_UNIX_MS 1795300000000LL /* 2026-11-21 */
#define FUTURE_MS   2600000000000LL /* 2052: GeneralizedTime */

static const struct bl_pki_validity ten_years = { 1700000000000LL,
	1700000000000LL + 3650 * DAY_MS };

struct ca {
	char dir[64];
	struct bl_buf key, cert;
};

static void
save(const struct ca *ca, const char *name, const struct bl_buf *b)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", ca->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
	assert_int_equal(fclose(f), 0);
}

/* Runs openssl inside the folder; its standard output ends up in out. */
static int
openssl(const struct ca *ca, const char *args, char *out, size_t size)
{
	char command[512];
	size_t n;
	FILE *p;

	(void)snprintf(command, sizeof(command), "cd %s && openssl %s 2>&1", ca->dir, args);
	p = popen(command, "r");
	assert_non_null(p);
	n = fread(out, 1, size - 1, p);
	out[n] = '\0';
	return pclose(p);
}

static int
set_up(void **state)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	const struct bl_pki_name name = { "Acme 连锁", "Acme CA" };
	struct bl_err err = { 0 };

	assert_non_null(ca);
	(void)snprintf(ca->dir, sizeof(ca->dir), "/tmp/bl-pki-XXXXXX");
	assert_non_null(mkdtemp(ca->dir));
	bl_buf_init(&ca->key, 4096);
	bl_buf_init(&ca->cert, 16384);
	assert_int_equal(bl_pki_key_create(&ca->key, &err), BL_OK);
	assert_int_equal(bl_pki_ca_create(&ca->key, &name, &ten_years, &ca->cert, &err), BL_OK);
	save(ca, "ca.pem", &ca->cert);
	*state = ca;
	return 0;
}

static int
tear_down(void **state)
{
	struct ca *ca = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", ca->dir);
	assert_int_equal(system(command), 0);
	bl_pki_wipe(&ca->key);
	bl_buf_free(&ca->cert);
	free(ca);
	return 0;
}

static int
issue(struct ca *ca, const struct bl_pki_request *rq, struct bl_buf *cert, struct bl_err *err)
{
	struct bl_buf key;
	int rc;

	bl_buf_init(&key, 4096);
	assert_int_equal(bl_pki_key_create(&key, err), BL_OK);
	rc = bl_pki_issue(&ca->cert, &ca->key, &key, rq, cert, err);
	bl_pki_wipe(&key);
	return rc;
}

static void
openssl_accepts_what_is_issued(void **state)
{
	static const struct {
		struct bl_pki_request rq;
		const char *verify;
		const char *shows;
	} table[] = {
		{ { .name = { "Acme", "dev1" }, .validity = { NOW_UNIX_MS, FUTURE_MS } },
		    "verify -attime 1795400000 -purpose sslclient -CAfile ca.pem leaf.pem",
		    "TLS Web Client Authentication" },
		{ { .name = { "Acme", "broker" },
		      .server = true,
		      .dns = { "localhost", "branchline-broker" },
		      .ip = { "127.0.0.1", "::1" },
		      .validity = { NOW_UNIX_MS, NOW_UNIX_MS + 365 * DAY_MS } },
		    "verify -attime 1795400000 -purpose sslserver -verify_hostname "
		    "branchline-broker "
		    "-CAfile ca.pem leaf.pem",
		    "DNS:localhost, DNS:branchline-broker, IP Address:127.0.0.1" },
		{ { .name = { "Acme", "broker" },
		      .server = true,
		      .ip = { "10.1.2.3" },
		      .validity = { NOW_UNIX_MS, NOW_UNIX_MS + DAY_MS } },
		    "verify -attime 1795300001 -verify_ip 10.1.2.3 -CAfile ca.pem leaf.pem",
		    "IP Address:10.1.2.3" },
	};
	struct ca *ca = *state;
	char out[8192];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bl_err err = { 0 };
		struct bl_pki_info info;
		struct bl_buf cert;

		bl_buf_init(&cert, 16384);
		assert_int_equal(issue(ca, &table[i].rq, &cert, &err), BL_OK);
		save(ca, "leaf.pem", &cert);
		if (openssl(ca, table[i].verify, out, sizeof(out)) != 0)
			fail_msg("row %zu: %s", i, out);
		assert_int_equal(
		    openssl(ca, "x509 -in leaf.pem -noout -text", out, sizeof(out)), 0);
		if (strstr(out, table[i].shows) == NULL)
			fail_msg("row %zu: no \"%s\" in %s", i, table[i].shows, out);
		assert_int_equal(bl_pki_info(&cert, &info, &err), BL_OK);
		assert_string_equal(info.common_name, table[i].rq.name.common_name);
		assert_int_equal(info.not_after_unix_ms, table[i].rq.validity.not_after_unix_ms);
		assert_false(info.is_ca);
		bl_buf_free(&cert);
	}
}

static void
names_that_would_change_the_subject_are_refused(void **state)
{
	static const char *const bad[] = { "", "a,CN=admin", "a+b", "x\ny", "a=b", "a\\b",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	struct ca *ca = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct bl_pki_request rq = { .name = { "Acme", bad[i] },
			.validity = { NOW_UNIX_MS, FUTURE_MS } };
		struct bl_err err = { 0 };
		struct bl_buf cert;

		bl_buf_init(&cert, 16384);
		if (issue(ca, &rq, &cert, &err) != BL_EINVAL)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_non_null(strstr(err.msg, "common name"));
		assert_int_equal(cert.len, 0);
		bl_buf_free(&cert);
	}
}

static void
a_key_of_another_ca_is_refused(void **state)
{
	const struct bl_pki_request rq = { .name = { "Acme", "dev1" },
		.validity = { NOW_UNIX_MS, FUTURE_MS } };
	struct bl_err err = { 0 };
	struct bl_buf other, cert;
	struct ca *ca = *state;

	bl_buf_init(&other, 4096);
	bl_buf_init(&cert, 16384);
	assert_int_equal(bl_pki_key_create(&other, &err), BL_OK);
	assert_int_equal(bl_pki_issue(&ca->cert, &other, &other, &rq, &cert, &err), BL_EINVAL);
	assert_non_null(strstr(err.msg, "do not belong together"));
	bl_pki_wipe(&other);
	bl_buf_free(&cert);
}

static void
openssl_sees_who_is_revoked(void **state)
{
	const struct bl_pki_request rq = { .name = { "Acme", "dev1" },
		.validity = { NOW_UNIX_MS, FUTURE_MS } };
	/* The list outlives 2049 so that both forms of time are written. */
	const struct bl_pki_validity validity = { NOW_UNIX_MS, FUTURE_MS };
	struct ca *ca = *state;
	struct bl_buf good, bad, crl;
	struct bl_err err = { 0 };
	struct bl_pki_revoked revoked[2] = { 0 };
	struct bl_pki_info info;
	char out[8192];

	bl_buf_init(&good, 16384);
	bl_buf_init(&bad, 16384);
	bl_buf_init(&crl, 16384);
	assert_int_equal(issue(ca, &rq, &good, &err), BL_OK);
	assert_int_equal(issue(ca, &rq, &bad, &err), BL_OK);
	assert_int_equal(bl_pki_info(&bad, &info, &err), BL_OK);
	memcpy(revoked[0].serial_hex, info.serial_hex, sizeof(info.serial_hex));
	revoked[0].when_unix_ms = NOW_UNIX_MS;
	memcpy(revoked[1].serial_hex, "ff01", 5); /* a first bit that is set */
	revoked[1].when_unix_ms = FUTURE_MS;
	assert_int_equal(
	    bl_pki_crl_create(&ca->cert, &ca->key, revoked, 2, 4711, &validity, &crl, &err), BL_OK);
	save(ca, "crl.pem", &crl);
	save(ca, "good.pem", &good);
	save(ca, "bad.pem", &bad);
#define CHECK "verify -attime 1795400000 -crl_check -CAfile ca.pem -CRLfile crl.pem "
	if (openssl(ca, CHECK "good.pem", out, sizeof(out)) != 0)
		fail_msg("%s", out);
	assert_int_not_equal(openssl(ca, CHECK "bad.pem", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "certificate revoked"));
	assert_int_equal(openssl(ca, "crl -in crl.pem -noout -text", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "4711"));
	assert_non_null(strstr(out, "FF01"));
	assert_non_null(strstr(out, "Authority Key Identifier"));
	bl_buf_free(&good);
	bl_buf_free(&bad);
	bl_buf_free(&crl);
}

static void
an_empty_list_is_a_list(void **state)
{
	const struct bl_pki_validity validity = { NOW_UNIX_MS, NOW_UNIX_MS + DAY_MS };
	struct ca *ca = *state;
	struct bl_err err = { 0 };
	struct bl_buf crl;
	char out[4096];

	bl_buf_init(&crl, 16384);
	assert_int_equal(
	    bl_pki_crl_create(&ca->cert, &ca->key, NULL, 0, 1, &validity, &crl, &err), BL_OK);
	save(ca, "crl.pem", &crl);
	assert_int_equal(openssl(ca, "crl -in crl.pem -noout -CAfile ca.pem", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "verify OK"));
	bl_buf_free(&crl);
}

static void
rubbish_is_an_error_with_a_name(void **state)
{
	const struct bl_pki_request rq = { .name = { "Acme", "dev1" },
		.validity = { NOW_UNIX_MS, FUTURE_MS } };
	static const char *const rubbish[] = { "", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" };
	struct ca *ca = *state;

	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
		struct bl_err err = { 0 };
		struct bl_pki_info info;
		struct bl_buf b, cert;

		bl_buf_init(&b, 1024);
		bl_buf_init(&cert, 1024);
		bl_buf_bytes(&b, rubbish[i], strlen(rubbish[i]));
		assert_int_equal(bl_pki_info(&b, &info, &err), BL_EINVAL);
		assert_int_equal(bl_pki_issue(&b, &ca->key, &ca->key, &rq, &cert, &err), BL_EINVAL);
		assert_non_null(strstr(err.msg, "CA certificate"));
		assert_int_equal(
		    bl_pki_issue(&ca->cert, &b, &ca->key, &rq, &cert, &err), BL_EINVAL);
		assert_non_null(strstr(err.msg, "CA key"));
		bl_buf_free(&b);
		bl_buf_free(&cert);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(openssl_accepts_what_is_issued, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    names_that_would_change_the_subject_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_key_of_another_ca_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(openssl_sees_who_is_revoked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_empty_list_is_a_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rubbish_is_an_error_with_a_name, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
