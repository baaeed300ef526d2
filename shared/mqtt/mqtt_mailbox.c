/*
 * The mailbox between Paho's threads and the owner's.
 *
 * Paho's callbacks run under a library-wide lock that sending needs too, so
 * they copy, post and leave.  Notes (connected, acknowledged, lost ...) are
 * few by construction and must not be refused; messages are as many as the
 * network likes, so they have a cap in number and in bytes, and a counter for
 * what the caps refused.  One order over both keeps "subscribed" before the
 * first message and "lost" after the last.
 */
#include "mqtt_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
mqtt_mailbox_open(struct mqtt_mailbox *box, unsigned max, size_t max_bytes, struct bl_err *err)
{
	memset(box, 0, sizeof(*box));
	box->letters_max = max;
	box->letter_bytes_max = max_bytes;
	box->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->wake_fd < 0)
		return bl_fail_errno(err, BL_EIO, "mqtt: mailbox");
	if (pthread_mutex_init(&box->lock, NULL) != 0) {
		(void)close(box->wake_fd);
		box->wake_fd = -1;
		return bl_fail(err, BL_ENOMEM, "mqtt: mailbox: no lock");
	}
	return BL_OK;
}

void
mqtt_mailbox_close(struct mqtt_mailbox *box)
{
	if (box->wake_fd < 0)
		return;
	mqtt_mailbox_clear(box);
	(void)pthread_mutex_destroy(&box->lock);
	(void)close(box->wake_fd);
	box->wake_fd = -1;
}

void
mqtt_mailbox_wake(struct mqtt_mailbox *box)
{
	const uint64_t one = 1;

	/* Full means that the owner is being woken already. */
	(void)!write(box->wake_fd, &one, sizeof(one));
}

void
mqtt_mailbox_note(struct mqtt_mailbox *box, const struct mqtt_note *note)
{
	struct mqtt_note *to;

	pthread_mutex_lock(&box->lock);
	if (box->note_count == MQTT_NOTES_MAX) {
		box->notes_lost = true;
	} else {
		to = &box->notes[(box->note_first + box->note_count++) % MQTT_NOTES_MAX];
		*to = *note;
		to->order = box->order++;
	}
	pthread_mutex_unlock(&box->lock);
	mqtt_mailbox_wake(box);
}

void
mqtt_mailbox_letter(
    struct mqtt_mailbox *box, const char *topic, const void *payload, size_t len, bool retained)
{
	const size_t topic_size = strlen(topic) + 1;
	const size_t size = topic_size + len;
	struct mqtt_letter *letter = NULL;

	pthread_mutex_lock(&box->lock);
	if (box->letters < box->letters_max && size <= box->letter_bytes_max - box->letter_bytes)
		letter = malloc(sizeof(*letter) + size);
	if (letter == NULL) {
		box->dropped++;
		pthread_mutex_unlock(&box->lock);
		return;
	}
	letter->next = NULL;
	letter->order = box->order++;
	letter->len = len;
	letter->retained = retained;
	letter->topic_size = topic_size;
	memcpy(letter->bytes, topic, topic_size);
	if (len > 0)
		memcpy(letter->bytes + topic_size, payload, len);
	if (box->last != NULL)
		box->last->next = letter;
	else
		box->first = letter;
	box->last = letter;
	box->letters++;
	box->letter_bytes += size;
	pthread_mutex_unlock(&box->lock);
	mqtt_mailbox_wake(box);
}

void
mqtt_mailbox_refuse(struct mqtt_mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->dropped++;
	pthread_mutex_unlock(&box->lock);
}

static struct mqtt_letter *
letter_take_locked(struct mqtt_mailbox *box)
{
	struct mqtt_letter *letter = box->first;

	box->first = letter->next;
	if (box->first == NULL)
		box->last = NULL;
	box->letters--;
	box->letter_bytes -= letter->topic_size + letter->len;
	return letter;
}

enum mqtt_mail
mqtt_mailbox_take(struct mqtt_mailbox *box, struct mqtt_note *note, struct mqtt_letter **letter)
{
	enum mqtt_mail what = MQTT_MAIL_NONE;
	const struct mqtt_note *oldest;

	pthread_mutex_lock(&box->lock);
	oldest = box->note_count > 0 ? &box->notes[box->note_first] : NULL;
	if (oldest != NULL && (box->first == NULL || oldest->order < box->first->order)) {
		*note = *oldest;
		box->note_first = (box->note_first + 1) % MQTT_NOTES_MAX;
		box->note_count--;
		what = MQTT_MAIL_NOTE;
	} else if (box->first != NULL) {
		*letter = letter_take_locked(box);
		what = MQTT_MAIL_LETTER;
	}
	pthread_mutex_unlock(&box->lock);
	return what;
}

void
mqtt_mailbox_clear(struct mqtt_mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	while (box->first != NULL)
		free(letter_take_locked(box));
	box->note_count = 0;
	box->notes_lost = false;
	pthread_mutex_unlock(&box->lock);
}

void
mqtt_mailbox_rest(struct mqtt_mailbox *box)
{
	uint64_t count;

	/* Before reading the box, so that what comes meanwhile wakes the owner again. */
	(void)!read(box->wake_fd, &count, sizeof(count));
}

uint64_t
mqtt_mailbox_dropped(struct mqtt_mailbox *box)
{
	uint64_t dropped;

	pthread_mutex_lock(&box->lock);
	dropped = box->dropped;
	pthread_mutex_unlock(&box->lock);
	return dropped;
}

bool
mqtt_mailbox_notes_lost(struct mqtt_mailbox *box)
{
	bool lost;

	pthread_mutex_lock(&box->lock);
	lost = box->notes_lost;
	pthread_mutex_unlock(&box->lock);
	return lost;
}
