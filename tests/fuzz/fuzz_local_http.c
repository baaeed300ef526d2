/*
 * libFuzzer target: requests to the page for local people.  What is taken names
 * one host and a path; an Accept of any bytes asks for one of two formats.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "local_http.h"
#include "local_metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bl_conf_strlist none;
	const char *text = (const char *)data;
	const size_t head = local_http_head(text, size);
	char *copy = strndup(text, size);
	struct local_request r;
	int status;

	CHECK(copy != NULL && head <= size);
	(void)local_metrics_open_wanted(copy);
	free(copy);
	if (head == 0)
		return 0;
	CHECK(local_http_head(text, head) == head && local_http_head(text, head - 1) == 0);
	status = local_http_parse(text, head, &r);
	CHECK(status == 0 || status == 400 || status == 405 || status == 414 || status == 505);
	if (status != 0)
		return 0;
	CHECK(r.path[0] == '/' && strchr(r.path, '?') == NULL && r.host[0] != '\0');
	CHECK(strpbrk(r.host, " /@,\t\r\n") == NULL);
	(void)local_http_host_ok(r.host, &none);
	(void)local_metrics_open_wanted(r.accept);
	return 0;
}
