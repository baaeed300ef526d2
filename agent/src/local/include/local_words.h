/*
 * The words of the page and of `top`, in English and Chinese: one table for
 * both.  Keys are "area.word" ("probe.down"); what a key of JSON can be (states,
 * reasons, codes) stands here under its area.  Constant data.
 */
#ifndef LOCAL_WORDS_H
#define LOCAL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct local_word {
	const char *key; /* NULL ends the list */
	const char *en, *zh;
};

extern const struct local_word local_words[];

/* What the key says; the key itself when nobody knows it. */
const char *local_word(const char *key, bool zh);
/* The same of "area.word"; the word when nobody knows it. */
const char *local_word_of(const char *area, const char *word, bool zh);

#endif
