/* The HTTP inlet with a scripted host, and what a client says to it and hears. */
#ifndef INLET_HTTP_KIT_H
#define INLET_HTTP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "folder.h"
#include "inlet_host.h"
#include "inlet_http.h"

extern char folder[FOLDER_MAX], path[FOLDER_MAX + 16], token_file[FOLDER_MAX + 16];
extern struct inlet_http_conf conf;
extern struct fake_host *h;
extern void *in;
extern char heard[1 << 20];

int begin(void **state);
int end(void **state);
int dial(void);
void say(int fd, const char *text);

/* All that has come; ended: and the end. */
const char *hear_more(int fd, bool *ended);
const char *hear(int fd);

/* Its end alone. */
void assert_ended(int fd);
int status(const char *answer);

#define POST  "POST /v1/reports HTTP/1.1\r\n" HOST
#define HOST  "Host: localhost\r\n"
#define JSON  "Content-Type: application/json\r\n"
#define EVENT "{\"report\":\"event\",\"type\":\"a\"}"

/* A request with its length. */
const char *post(const char *fields, const char *text);

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

#endif
