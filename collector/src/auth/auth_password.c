/*
 * Passwords: argon2id, and what they have to be.
 *
 * One hash takes its memory (19 MiB) and some 50 ms.  At most two are worked on
 * at once, so that a flood costs neither the machine's memory nor all of the
 * API's threads; who has to wait too long is told that the server is busy.
 */
#include "auth_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <argon2.h>

#define SALT_BYTES   16
#define KEY_BYTES    32
#define QUEUE_WAIT_S 3

static int
worker_begin(struct auth *a, struct bl_err *err)
{
	struct timespec until;

	if (clock_gettime(CLOCK_MONOTONIC, &until) != 0)
		return bl_fail_errno(err, BL_EIO, "sign-in: monotonic clock");
	until.tv_sec += QUEUE_WAIT_S;
	while (sem_clockwait(&a->workers, CLOCK_MONOTONIC, &until) != 0) {
		if (errno == EINTR)
			continue;
		pthread_mutex_lock(&a->lock);
		a->counters.busy++;
		pthread_mutex_unlock(&a->lock);
		return bl_fail(err, BL_EBUSY, "sign-in: too many at once");
	}
	return BL_OK;
}

static void
worker_end(struct auth *a)
{
	(void)sem_post(&a->workers); /* can only overflow, which the pairing rules out */
}

int
auth_password_hash(
    struct auth *a, const char *password, char out[AUTH_ENCODED_SIZE], struct bl_err *err)
{
	uint8_t salt[SALT_BYTES];
	int rc;

	a->clock->random(a->clock->ctx, salt, sizeof(salt));
	if ((rc = worker_begin(a, err)) < 0)
		return rc;
	rc = argon2id_hash_encoded(a->passes, a->memory_kib, 1, password, strlen(password), salt,
	    sizeof(salt), KEY_BYTES, out, AUTH_ENCODED_SIZE);
	worker_end(a);
	if (rc != ARGON2_OK)
		return bl_fail(err, BL_ENOMEM, "password: argon2: %s", argon2_error_message(rc));
	return BL_OK;
}

int
auth_password_verify(struct auth *a, const char *encoded, const char *password, struct bl_err *err)
{
	int rc;

	if ((rc = worker_begin(a, err)) < 0)
		return rc;
	rc = argon2id_verify(encoded, password, strlen(password));
	worker_end(a);
	if (rc == ARGON2_OK)
		return AUTH_DONE;
	if (rc == ARGON2_VERIFY_MISMATCH)
		return AUTH_REFUSED;
	return bl_fail(err, BL_EIO, "password: argon2: %s", argon2_error_message(rc));
}

/* Four groups of five: 99 bits, without letters that are read for one another. */
void
auth_password_make(const struct bl_clock *clock, char out[32])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	size_t n = 0;

	for (int i = 0; i < 20; i++) {
		if (i > 0 && i % 5 == 0)
			out[n++] = '-';
		out[n++] = letters[bl_random_below(clock, sizeof(letters) - 1)];
	}
	out[n] = '\0';
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool
one_letter_only(const char *s)
{
	return strspn(s, (const char[]){ s[0], '\0' }) == strlen(s);
}

const char *
auth_password_problem(const char *user, const char *password)
{
	/* The long ones among the most used; shorter ones fail by length. */
	static const char *const known[] = { "1234567890", "0123456789", "qwertyuiop", "password12",
		"password123", "password1234", "administrator", "branchline", "1q2w3e4r5t",
		"1qaz2wsx3edc", "qwerty123456", "iloveyou12", "abc1234567", "1234567890a",
		"a123456789", "aa123456789", "woaini1314", "woaini520", "changeme123", "letmein123",
		"welcome123", "12345678910", "123123123123", "9876543210", "qwertyuiop123",
		"zxcvbnm123", "asdfghjkl123" };

	if (characters(password) < AUTH_PASSWORD_MIN)
		return "at least 10 characters";
	if (strlen(password) > AUTH_PASSWORD_MAX)
		return "at most 256 bytes";
	if (user != NULL && user[0] != '\0' && strstr(password, user) != NULL &&
	    strlen(password) < strlen(user) + 6)
		return "more than the user name";
	if (one_letter_only(password))
		return "more than one character repeated";
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(password, known[i]) == 0)
			return "not one of the most used passwords";
	return NULL;
}
