/*
 * libFuzzer target: heads of requests to the agent's servers for this machine.  What
 * is taken names one host, a path, and a body in one way or none; an Accept of any
 * bytes asks for one of two formats.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "http_head.h"
#include "local_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bl_conf_strlist none;
	const char *text = (const char *)data;
	const size_t head = http_head_end(text, size);
	char *copy = strndup(text, size);
	struct http_head r;
	int status;

	CHECK(copy != NULL && head <= size);
	(void)local_metrics_open_wanted(copy);
	free(copy);
	if (head == 0)
		return 0;
	CHECK(http_head_end(text, head) == head && http_head_end(text, head - 1) == 0);
	status = http_head_parse(text, head, &r);
	CHECK(status == 0 || status == 400 || status == 414 || status == 501 || status == 505);
	if (status != 0)
		return 0;
	CHECK(r.path[0] == '/' && strchr(r.path, '?') == NULL && r.host[0] != '\0');
	CHECK(strpbrk(r.host, " /@,\t\r\n") == NULL);
	CHECK(r.method[0] != '\0' && strchr(r.method, ' ') == NULL);
	CHECK(!(r.chunked && r.has_length) && (r.has_length || r.length == 0));
	(void)http_host_ok(r.host, &none);
	(void)local_metrics_open_wanted(r.accept);
	return 0;
}
