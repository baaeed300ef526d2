/* See inlet_http_kit.h. */
#include "inlet_http_kit.h"

char folder[FOLDER_MAX], path[FOLDER_MAX + 16], token_file[FOLDER_MAX + 16];
struct inlet_http_conf conf;
struct fake_host *h;
void *in;

static void
open_inlet(void)
{
	struct bl_err err = { 0 };

	if (inlet_http_ops.open(&in, &conf, &h->host, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(in);
	fake_host_inlet(h, &inlet_http_ops, in);
}

int
begin(void **state)
{
	(void)state;
	folder_make(folder, "inlet_http");
	(void)snprintf(path, sizeof(path), "%s/h.sock", folder);
	(void)snprintf(token_file, sizeof(token_file), "%s/token", folder);
	conf =
	    (struct inlet_http_conf){ .listen = path, .mode = (char *)"0640", .max_body = 65536 };
	h = fake_host_create(folder);
	open_inlet();
	return 0;
}

int
end(void **state)
{
	struct stat st;

	(void)state;
	inlet_http_ops.close(in);
	fake_host_free(h);
	assert_int_equal(lstat(path, &st), -1); /* nothing is left behind */
	folder_remove(folder);
	return 0;
}

int
dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

void
say(int fd, const char *text)
{
	const size_t len = strlen(text);

	for (size_t at = 0; at < len;) {
		const ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* it is answered already */
		at += n > 0 ? (size_t)n : 0;
		(void)fake_host_turn(h);
	}
	(void)fake_host_turn(h);
}

char heard[1 << 20];

const char *
hear_more(int fd, bool *ended)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		(void)fake_host_turn(h);
		n = recv(fd, heard + len, sizeof(heard) - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	heard[len] = '\0';
	if (ended != NULL)
		*ended = n == 0 || errno == ECONNRESET;
	return heard;
}

const char *
hear(int fd)
{
	return hear_more(fd, NULL);
}

void
assert_ended(int fd)
{
	bool ended = false;

	assert_string_equal(hear_more(fd, &ended), "");
	assert_true(ended);
}

int
status(const char *answer)
{
	int code = 0;

	(void)sscanf(answer, "HTTP/1.1 %d ", &code);
	return code;
}

const char *
post(const char *fields, const char *text)
{
	static char out[1 << 19];

	(void)snprintf(out, sizeof(out),
	    "POST /v1/reports HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s", fields,
	    strlen(text), text);
	return out;
}
