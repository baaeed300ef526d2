/*
 * All that is said to Paho's library, and all that it says.
 *
 * Paho's callbacks get an integer, not a pointer: the epoch of the connection
 * and a slot of the window.  Every connection has an epoch of its own, unique
 * in this process; a word that comes late finds no object with its epoch and
 * is dropped.  That covers acknowledgements of an earlier connection and
 * callbacks after free alike, both of which Paho does deliver.
 *
 * The list of live objects is a mutable global because Paho's callbacks have
 * nowhere else to look.  Lock order: Paho's own, then the list's, then the
 * mailbox's; the owner's thread calls Paho with neither of the last two held.
 *
 * MQTTAsync_global_init is not called: in the library without TLS it has
 * nothing to do.  Creating and destroying are serialised here, because the
 * last destroy stops Paho's threads while the first create starts them.
 */
#include "mqtt_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <MQTTAsync.h>

#include "branchline/log.h"

#define SLOT_BITS 8
#define SLOT_MASK ((uintptr_t)0xff)
/* Paho's own count of outstanding messages must never be what holds us back. */
#define PAHO_MAX_INFLIGHT 20
/* What we take from the broker in one packet: a batch has 256 KiB at most. */
#define MAX_PACKET_BYTES (512 * 1024)

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct bl_mqtt *live;
static uintptr_t last_epoch;
static pthread_mutex_t life_lock = PTHREAD_MUTEX_INITIALIZER;

static void *
context_of(const struct bl_mqtt *m, unsigned slot)
{
	return (void *)(m->epoch << SLOT_BITS | slot);
}

/* With the list locked, so that the object cannot go away meanwhile; NULL: too late. */
static struct bl_mqtt *
live_find_locked(const void *context)
{
	const uintptr_t epoch = (uintptr_t)context >> SLOT_BITS;

	for (struct bl_mqtt *m = live; m != NULL; m = m->registered)
		if (m->epoch == epoch && epoch != 0)
			return m;
	return NULL;
}

static void
post(const void *context, struct mqtt_note note)
{
	struct bl_mqtt *m;

	note.slot = (unsigned)((uintptr_t)context & SLOT_MASK);
	pthread_mutex_lock(&live_lock);
	if ((m = live_find_locked(context)) != NULL)
		mqtt_mailbox_note(&m->mailbox, &note);
	pthread_mutex_unlock(&live_lock);
}

static void
post_code(const void *context, enum mqtt_note_kind kind, int code)
{
	post(context, (struct mqtt_note){ .kind = kind, .code = code });
}

/* Paho's failures: an MQTT 5 reason where there is one, else its own negative code. */
static int
failure_code(const MQTTAsync_failureData5 *data)
{
	if (data == NULL)
		return MQTTASYNC_FAILURE;
	if (data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR)
		return (int)data->reasonCode;
	return data->code != 0 ? data->code : MQTTASYNC_FAILURE;
}

static void
connected_cb(void *context, MQTTAsync_successData5 *data)
{
	struct mqtt_note note = { .kind = MQTT_NOTE_CONNECTED };
	MQTTProperties *p = &data->properties;

	if (MQTTProperties_hasProperty(p, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE))
		note.max_packet = (uint32_t)MQTTProperties_getNumericValue(
		    p, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE);
	if (MQTTProperties_hasProperty(p, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM))
		note.receive_max =
		    (unsigned)MQTTProperties_getNumericValue(p, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM);
	post(context, note);
}

static void
connect_failed_cb(void *context, MQTTAsync_failureData5 *data)
{
	post_code(context, MQTT_NOTE_CONNECT_FAILED, failure_code(data));
}

static void
subscribed_cb(void *context, MQTTAsync_successData5 *data)
{
	const int optional = (int)((uintptr_t)context & ((1u << SLOT_BITS) - 1));
	int worst = (int)data->reasonCode;

	/* The list is there only when more than one topic was asked for. */
	if (data->alt.sub.reasonCodeCount > 1 && data->alt.sub.reasonCodes != NULL)
		for (int i = 0; i < data->alt.sub.reasonCodeCount - optional; i++)
			if ((int)data->alt.sub.reasonCodes[i] > worst)
				worst = (int)data->alt.sub.reasonCodes[i];
	post_code(context, MQTT_NOTE_SUBSCRIBED, worst);
}

static void
subscribe_failed_cb(void *context, MQTTAsync_failureData5 *data)
{
	post_code(context, MQTT_NOTE_SUBSCRIBE_FAILED, failure_code(data));
}

static void
published_cb(void *context, MQTTAsync_successData5 *data)
{
	post_code(context, MQTT_NOTE_ACK, (int)data->reasonCode);
}

static void
publish_failed_cb(void *context, MQTTAsync_failureData5 *data)
{
	post_code(context, MQTT_NOTE_NACK, failure_code(data));
}

static void
left_cb(void *context, MQTTAsync_successData5 *data)
{
	(void)data;
	post_code(context, MQTT_NOTE_DISCONNECTED, 0);
}

static void
lost_cb(void *context, char *cause)
{
	(void)cause; /* always NULL here: the link knows the reason */
	post_code(context, MQTT_NOTE_LOST, 0);
}

static void
disconnect_cb(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
	(void)properties;
	post_code(context, MQTT_NOTE_DISCONNECT, (int)reason);
}

static int
message_cb(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
	struct bl_mqtt *m;

	pthread_mutex_lock(&live_lock);
	m = live_find_locked(context);
	/* Paho gives the length or 0; a NUL inside a topic is none of ours. */
	if (m != NULL && (topic_len > 0 && memchr(topic, 0, (size_t)topic_len) != NULL))
		mqtt_mailbox_refuse(&m->mailbox);
	else if (m != NULL)
		mqtt_mailbox_letter(&m->mailbox, topic, message->payload,
		    message->payloadlen > 0 ? (size_t)message->payloadlen : 0,
		    message->retained != 0);
	pthread_mutex_unlock(&live_lock);
	MQTTAsync_freeMessage(&message);
	MQTTAsync_free(topic);
	/* PUBACK follows whatever we return; 0 would make Paho deliver it again. */
	return 1;
}

/* "http_proxy=..." and its like; the length of the name, or 0. */
static size_t
proxy_name(const char *entry)
{
	static const char *const names[] = { "http_proxy", "https_proxy" };
	const size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && strncasecmp(entry, names[i], len) == 0)
			return len;
	return 0;
}

void
bl_mqtt_forget_proxies(void)
{
	char name[16], told[64] = "";
	size_t len;

	for (char **e = environ; e != NULL && *e != NULL;) {
		if ((len = proxy_name(*e)) == 0) {
			e++;
			continue;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, *e);
		(void)snprintf(told + strlen(told), sizeof(told) - strlen(told), " %s", name);
		if (unsetenv(name) != 0) /* moves the rest up; cannot fail with this name */
			e++;
	}
	if (told[0] != '\0')
		bl_info("link",
		    "connections go as the configuration says, and through its proxy only; not "
		    "used from "
		    "the environment:%s",
		    told);
}

int
mqtt_paho_environment(struct bl_err *err)
{
	const char *proxy = getenv("http_proxy");

	if (proxy == NULL || proxy[0] == '\0')
		return BL_OK;
	return bl_fail(err, BL_EINVAL,
	    "mqtt: http_proxy is set in the environment, and the MQTT library would talk to that "
	    "proxy instead of the broker; unset it for this program");
}

int
mqtt_paho_open(struct bl_mqtt *m, struct bl_err *err)
{
	MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer5;
	MQTTAsync client = NULL;
	int rc;

	mqtt_trace();
	options.sendWhileDisconnected = 0;
	options.allowDisconnectedSendAtAnyTime = 0;
	pthread_mutex_lock(&life_lock);
	/* The address is given anew for each connection. */
	rc = MQTTAsync_createWithOptions(&client, "tcp://255.255.255.255:0", m->client_id,
	    MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
	pthread_mutex_unlock(&life_lock);
	if (rc != MQTTASYNC_SUCCESS)
		return bl_fail(err, rc == MQTTASYNC_BAD_UTF8_STRING ? BL_EINVAL : BL_ENOMEM,
		    "mqtt: client \"%s\": Paho error %d", m->client_id, rc);
	m->paho = client;
	pthread_mutex_lock(&live_lock);
	m->registered = live;
	live = m;
	pthread_mutex_unlock(&live_lock);
	return BL_OK;
}

void
mqtt_paho_close(struct bl_mqtt *m)
{
	MQTTAsync client = m->paho;

	if (client == NULL)
		return;
	pthread_mutex_lock(&live_lock);
	for (struct bl_mqtt **at = &live; *at != NULL; at = &(*at)->registered) {
		if (*at == m) {
			*at = m->registered;
			break;
		}
	}
	m->epoch = 0;
	pthread_mutex_unlock(&live_lock);
	pthread_mutex_lock(&life_lock);
	MQTTAsync_destroy(&client);
	pthread_mutex_unlock(&life_lock);
	m->paho = NULL;
	m->paho_busy = false;
}

void
mqtt_paho_epoch_begin(struct bl_mqtt *m)
{
	pthread_mutex_lock(&live_lock);
	m->epoch = ++last_epoch;
	pthread_mutex_unlock(&live_lock);
	mqtt_mailbox_clear(&m->mailbox);
}

void
mqtt_paho_epoch_end(struct bl_mqtt *m)
{
	pthread_mutex_lock(&live_lock);
	m->epoch = 0;
	pthread_mutex_unlock(&live_lock);
}

static void
will_fill(const struct bl_mqtt *m, MQTTAsync_willOptions *will)
{
	will->topicName = m->will_topic;
	will->payload.data = m->will;
	will->payload.len = (int)m->will_len;
	will->retained = 1;
	will->qos = 1;
}

static int
properties_fill(MQTTProperties *properties)
{
	MQTTProperty max_packet = { .identifier = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE };

	max_packet.value.integer4 = MAX_PACKET_BYTES;
	return MQTTProperties_add(properties, &max_packet);
}

int
mqtt_paho_connect(struct bl_mqtt *m, const char *uri, struct bl_err *err)
{
	MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	char *uris[1] = { (char *)(uintptr_t)uri }; /* Paho copies it, but wants char * */
	void *context = context_of(m, 0);
	int rc;

	if (properties_fill(&properties) != 0)
		return bl_fail(err, BL_ENOMEM, "mqtt: out of memory");
	options.keepAliveInterval = (int)m->keepalive_s;
	options.cleanstart = 1;
	options.maxInflight = PAHO_MAX_INFLIGHT;
	options.connectProperties = &properties;
	options.serverURIcount = 1;
	options.serverURIs = uris;
	options.context = context;
	options.onSuccess5 = connected_cb;
	options.onFailure5 = connect_failed_cb;
	if (m->will_topic != NULL) {
		will_fill(m, &will);
		options.will = &will;
	}
	rc = MQTTAsync_setCallbacks(m->paho, context, lost_cb, message_cb, NULL);
	if (rc == MQTTASYNC_SUCCESS)
		rc = MQTTAsync_setDisconnected(m->paho, context, disconnect_cb);
	if (rc == MQTTASYNC_SUCCESS)
		rc = MQTTAsync_connect(m->paho, &options);
	MQTTProperties_free(&properties);
	if (rc != MQTTASYNC_SUCCESS)
		return bl_fail(err, BL_ENET, "mqtt: CONNECT was not taken: Paho error %d", rc);
	m->paho_busy = true;
	return BL_OK;
}

int
mqtt_paho_subscribe(struct bl_mqtt *m, struct bl_err *err)
{
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	const unsigned n = m->subscribe_count;
	MQTTSubscribe_options *each = calloc(n, sizeof(*each));
	int *qos = calloc(n, sizeof(*qos));
	int rc = MQTTASYNC_FAILURE;
	unsigned optional = 0;

	/* At the end, what the broker says of itself: one that says nothing is as good. */
	while (optional + 1 < n && m->subscribe[n - 1 - optional][0] == '$')
		optional++;
	for (unsigned i = 0; each != NULL && qos != NULL && i < n; i++) {
		each[i] = (MQTTSubscribe_options)MQTTSubscribe_options_initializer;
		/* The retained flag as it was published: a retained command or batch is refused
		 * for it, even by a subscriber that was there when it came. */
		each[i].retainAsPublished = 1;
		qos[i] = i < m->lossy ? 0 : 1;
	}
	if (each != NULL && qos != NULL) {
		response.onSuccess5 = subscribed_cb;
		response.onFailure5 = subscribe_failed_cb;
		response.context = context_of(m, optional);
		response.subscribeOptions = each[0];
		response.subscribeOptionsCount = (int)n;
		response.subscribeOptionsList = each;
		rc = MQTTAsync_subscribeMany(m->paho, (int)n, m->subscribe, qos, &response);
	}
	free(each);
	free(qos);
	if (rc != MQTTASYNC_SUCCESS)
		return bl_fail(err, BL_ENET, "mqtt: SUBSCRIBE was not taken: Paho error %d", rc);
	return BL_OK;
}

int
mqtt_paho_publish(struct bl_mqtt *m, unsigned slot, const char *topic, const void *payload,
    size_t len, bool retained, struct bl_err *err)
{
	MQTTAsync_message message = MQTTAsync_message_initializer;
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	int rc;

	message.payload = (void *)(uintptr_t)payload; /* copied by Paho */
	message.payloadlen = (int)len;
	message.qos = 1;
	message.retained = retained ? 1 : 0;
	response.onSuccess5 = published_cb;
	response.onFailure5 = publish_failed_cb;
	response.context = context_of(m, slot);
	rc = MQTTAsync_sendMessage(m->paho, topic, &message, &response);
	if (rc == MQTTASYNC_SUCCESS)
		return BL_OK;
	if (rc == MQTTASYNC_BAD_UTF8_STRING || rc == MQTTASYNC_BAD_QOS)
		return bl_fail(err, BL_EINVAL, "mqtt: publish: the topic is not acceptable");
	return bl_fail(err, BL_ENET, "mqtt: publish was not taken: Paho error %d", rc);
}

bool
mqtt_paho_disconnect(struct bl_mqtt *m)
{
	MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer5;

	/* 0: do not wait for outstanding publishes; whoever leaves has waited already. */
	options.timeout = 0;
	options.context = context_of(m, 0);
	options.onSuccess5 = left_cb;
	return MQTTAsync_disconnect(m->paho, &options) == MQTTASYNC_SUCCESS;
}
