/* Seen inside this folder only. */
#ifndef AUTH_INTERNAL_H
#define AUTH_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>

#include "branchline/log.h"

#include "auth.h"
#include "auth_bucket.h"

#define AUTH_HASH_BYTES   32
#define AUTH_ENCODED_SIZE 160 /* of an argon2id hash as text */

struct auth {
	struct control *control;
	const struct bl_clock *clock;
	uint32_t memory_kib, passes;
	char nobody[AUTH_ENCODED_SIZE]; /* what unknown users are tried against */
	sem_t workers;                  /* how many passwords may be worked on at once */

	pthread_mutex_t lock; /* guards all below; held for some comparisons, never longer */
	struct auth_buckets by_account; /* account and address */
	struct auth_buckets by_address;
	struct auth_buckets by_browser; /* known ones: apart from the others */
	struct auth_buckets global;
	struct auth_counters counters;
	struct bl_log_limit limited_log;
	uint64_t key_seed; /* so that nobody can aim at another's bucket */
};

/* ---- passwords: auth_password.c */

int auth_password_hash(
    struct auth *a, const char *password, char out[AUTH_ENCODED_SIZE], struct bl_err *err);
/* AUTH_DONE, AUTH_REFUSED or negative. */
int auth_password_verify(
    struct auth *a, const char *encoded, const char *password, struct bl_err *err);
void auth_password_make(const struct bl_clock *clock, char out[32]);

/* ---- tokens: auth_session.c */

void auth_token_make(const struct bl_clock *clock, char out[AUTH_TOKEN_SIZE]);
/* False: not a token. */
bool auth_token_hash(const char *token, uint8_t out[AUTH_HASH_BYTES]);

/* ---- inside a change */

int auth_user_load(struct sqlite3 *db, const char *name, struct auth_user *out,
    char encoded[AUTH_ENCODED_SIZE], struct bl_err *err);
int auth_sessions_end(
    struct control_tx *tx, const char *user, const char *keep_session, struct bl_err *err);

#endif
