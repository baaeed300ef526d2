/*
 * What Paho calls and never uses here, as little as it takes: paho_link.cmake leaves whole objects
 * out of the archive, and what the rest of it calls of them is this and mqtt_trace.c, no more (it
 * checks).  A seventh of a release's agent was Paho, a quarter of that its own WebSocket, proxy,
 * persistence and log.  Only for the one Paho that was looked at: any other is linked whole.
 *
 * - Its log would write files where the environment names them (MQTT_C_CLIENT_TRACE).
 * - WebSocket and proxies are the link's (bl_link).  Without them Paho reads and writes plain
 * sockets; asked for either, it fails to connect.
 * - Persistence is the spool's.  Asked for any, no client is made.
 *
 * Its tree of all memory stays: when a connection breaks under publishes, Paho 1.3.12 frees some
 * of it twice, and only that tree keeps the second time from the allocator.
 *
 * The structs are as Paho 1.3.12 has them, as far as they are looked at.  Any thread that Paho's
 * functions are called on.
 */
#include <stddef.h>

#include <MQTTClientPersistence.h>

#include "mqtt_internal.h"

#define FAILED (-1) /* Paho's SOCKET_ERROR */

/* Paho's networkHandles begin with it. */
struct lean_net {
	int socket;
};

/* Paho's PacketBuffers, which it hands over by value. */
struct lean_buffers {
	int count;
	char **buffers;
	size_t *lengths;
	int *to_free;
	unsigned char mask[4];
};

/* Paho's own, of objects that stay. */
int Socket_getch(int socket, char *c);
char *Socket_getdata(int socket, size_t bytes, size_t *got, int *rc);
int Socket_putdatas(int socket, char *head, size_t head_len, struct lean_buffers rest);
void Socket_outTerminate(void);

int Log_initialize(void *info);
void Log_terminate(void);
void Log_setTraceCallback(void *callback);
void Log_setTraceLevel(int level);
int WebSocket_connect(struct lean_net *net, int tls, const char *uri);
int WebSocket_upgrade(struct lean_net *net);
void WebSocket_close(struct lean_net *net, int status, const char *reason);
int WebSocket_getch(struct lean_net *net, char *c);
char *WebSocket_getdata(struct lean_net *net, size_t bytes, size_t *got);
size_t WebSocket_framePos(void);
void WebSocket_framePosSeekTo(size_t pos);
int WebSocket_putdatas(
    struct lean_net *net, char **head, size_t *head_len, struct lean_buffers *rest);
void WebSocket_terminate(void);
int Proxy_connect(struct lean_net *net, int tls, const char *host);
int Base64_encode(char *out, int out_len, const unsigned char *in, int in_len);
int Base64_encodeLength(const unsigned char *in, int in_len);
int MQTTPersistence_create(MQTTClient_persistence **out, int type, void *context);
int MQTTPersistence_initialize(void *client, const char *uri);
int MQTTPersistence_close(void *client);
int MQTTPersistence_restoreMessageQueue(void *client);
int MQTTPersistence_putPacket(int socket, char *head, size_t head_len, int count, char **buffers,
    size_t *lengths, int type, int id, int received, int version);
int MQTTPersistence_remove(void *client, char *type, int qos, int id);
int MQTTPersistence_persistQueueEntry(void *client, void *entry);
int MQTTPersistence_unpersistQueueEntry(void *client, void *entry);

void
mqtt_lean(void)
{
}

/* --- log ------------------------------------------------------------------ */

int
Log_initialize(void *info)
{
	(void)info;
	return 0;
}

void
Log_terminate(void)
{
}

void
Log_setTraceCallback(void *callback)
{
	(void)callback;
}

void
Log_setTraceLevel(int level)
{
	(void)level;
}

/* --- plain sockets alone -------------------------------------------------- */

int
WebSocket_connect(struct lean_net *net, int tls, const char *uri)
{
	(void)net;
	(void)tls;
	(void)uri;
	return FAILED;
}

int
WebSocket_upgrade(struct lean_net *net)
{
	(void)net;
	return FAILED;
}

void
WebSocket_close(struct lean_net *net, int status, const char *reason)
{
	(void)net;
	(void)status;
	(void)reason;
}

int
WebSocket_getch(struct lean_net *net, char *c)
{
	return Socket_getch(net->socket, c);
}

char *
WebSocket_getdata(struct lean_net *net, size_t bytes, size_t *got)
{
	int rc;

	return Socket_getdata(net->socket, bytes, got, &rc);
}

size_t
WebSocket_framePos(void)
{
	return 0;
}

void
WebSocket_framePosSeekTo(size_t pos)
{
	(void)pos;
}

int
WebSocket_putdatas(struct lean_net *net, char **head, size_t *head_len, struct lean_buffers *rest)
{
	return Socket_putdatas(net->socket, *head, *head_len, *rest);
}

/* It is Paho's only way to the end of what Socket.c keeps. */
void
WebSocket_terminate(void)
{
	Socket_outTerminate();
}

int
Proxy_connect(struct lean_net *net, int tls, const char *host)
{
	(void)net;
	(void)tls;
	(void)host;
	return FAILED;
}

/* For a proxy's password alone. */
int
Base64_encode(char *out, int out_len, const unsigned char *in, int in_len)
{
	(void)in;
	(void)in_len;
	if (out_len > 0)
		out[0] = '\0';
	return 0;
}

int
Base64_encodeLength(const unsigned char *in, int in_len)
{
	(void)in;
	(void)in_len;
	return 1;
}

/* --- persistence ---------------------------------------------------------- */

int
MQTTPersistence_create(MQTTClient_persistence **out, int type, void *context)
{
	(void)context;
	*out = NULL;
	return type == MQTTCLIENT_PERSISTENCE_NONE ? 0 : MQTTCLIENT_PERSISTENCE_ERROR;
}

int
MQTTPersistence_initialize(void *client, const char *uri)
{
	(void)client;
	(void)uri;
	return 0;
}

int
MQTTPersistence_close(void *client)
{
	(void)client;
	return 0;
}

int
MQTTPersistence_restoreMessageQueue(void *client)
{
	(void)client;
	return 0;
}

int
MQTTPersistence_putPacket(int socket, char *head, size_t head_len, int count, char **buffers,
    size_t *lengths, int type, int id, int received, int version)
{
	(void)socket;
	(void)head;
	(void)head_len;
	(void)count;
	(void)buffers;
	(void)lengths;
	(void)type;
	(void)id;
	(void)received;
	(void)version;
	return 0;
}

int
MQTTPersistence_remove(void *client, char *type, int qos, int id)
{
	(void)client;
	(void)type;
	(void)qos;
	(void)id;
	return 0;
}

/* The queue's entries are written only by a client that has persistence. */
int
MQTTPersistence_persistQueueEntry(void *client, void *entry)
{
	(void)client;
	(void)entry;
	return MQTTCLIENT_PERSISTENCE_ERROR;
}

int
MQTTPersistence_unpersistQueueEntry(void *client, void *entry)
{
	(void)client;
	(void)entry;
	return MQTTCLIENT_PERSISTENCE_ERROR;
}
