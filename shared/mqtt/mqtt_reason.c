/*
 * MQTT 5 reason codes (section 2.4 of the standard) for people.
 */
#include "mqtt_internal.h"

static const struct {
	int reason;
	const char *text;
} reasons[] = {
	{ 0x10, "no matching subscribers" },
	{ 0x80, "unspecified error" },
	{ 0x81, "malformed packet" },
	{ 0x82, "protocol error" },
	{ 0x83, "refused for a reason of the broker's own" },
	{ 0x84, "it does not speak MQTT 5" },
	{ 0x85, "the client id is not acceptable" },
	{ 0x86, "bad user name or password" },
	{ 0x87, "not authorised" },
	{ 0x88, "server unavailable" },
	{ 0x89, "server busy" },
	{ 0x8a, "banned" },
	{ 0x8b, "server shutting down" },
	{ 0x8c, "bad authentication method" },
	{ 0x8d, "it heard nothing from us within the keep-alive time" },
	{ 0x8e, "session taken over: another client connected with our id" },
	{ 0x8f, "topic filter invalid" },
	{ 0x90, "topic name invalid" },
	{ 0x93, "more publishes outstanding than it takes" },
	{ 0x94, "topic alias invalid" },
	{ 0x95, "packet too large" },
	{ 0x96, "message rate too high" },
	{ 0x97, "quota exceeded" },
	{ 0x98, "administrative action" },
	{ 0x99, "payload format invalid" },
	{ 0x9a, "it keeps no retained messages" },
	{ 0x9b, "QoS not supported" },
	{ 0x9c, "use another server" },
	{ 0x9d, "server moved" },
	{ 0x9e, "shared subscriptions not supported" },
	{ 0x9f, "connection rate exceeded" },
	{ 0xa0, "maximum connect time" },
	{ 0xa1, "subscription identifiers not supported" },
	{ 0xa2, "wildcard subscriptions not supported" },
};

const char *
mqtt_reason_text(int reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return reasons[i].text;
	return "unknown reason";
}
