/* See link_kit.h. */
#include "link_kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char link_folder[64];
char link_ca[96], link_cert[96], link_key[96], link_other_key[96];

static const char make_files[] =
    "set -e; cd %s; exec >log 2>&1\n"
    "ec() { openssl ecparam -name prime256v1 -genkey -noout -out $1; }\n"
    "ec ca.key; ec dev.key; ec srv.key; ec other.key\n"
    "openssl req -x509 -new -key ca.key -days 30 -subj /CN=UnitCA -out ca.crt\n"
    "openssl req -new -key dev.key -subj /CN=dev -out dev.csr\n"
    "openssl req -new -key srv.key -subj /CN=srv -out srv.csr\n"
    "echo subjectAltName=DNS:localhost,IP:127.0.0.1 >ext\n"
    "openssl x509 -req -in dev.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out dev.crt\n"
    "openssl x509 -req -in srv.csr -CA ca.crt -CAkey ca.key -days 30 -extfile ext -out srv.crt\n"
    "echo rubbish >rubbish.pem\n";

int
link_kit_make(void **state)
{
	char script[2048];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	strcpy(link_folder, "/tmp/bl-test-link-XXXXXX");
	if (mkdtemp(link_folder) == NULL)
		return -1;
	(void)snprintf(script, sizeof(script), make_files, link_folder);
	if (system(script) != 0)
		return -1;
	(void)snprintf(link_ca, sizeof(link_ca), "%s/ca.crt", link_folder);
	(void)snprintf(link_cert, sizeof(link_cert), "%s/dev.crt", link_folder);
	(void)snprintf(link_key, sizeof(link_key), "%s/dev.key", link_folder);
	(void)snprintf(link_other_key, sizeof(link_other_key), "%s/other.key", link_folder);
	return 0;
}

int
link_kit_remove(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", link_folder);
	return system(command);
}

struct bl_link_cfg
link_kit_config(uint16_t port)
{
	return (struct bl_link_cfg){ .host = "127.0.0.1",
		.port = port,
		.ca_file = link_ca,
		.cert_file = link_cert,
		.key_file = link_key,
		.dns_ms = 2000,
		.connect_ms = 20000, /* the machine may do something else for a while */
		.tls_ms = 20000,
		.ready_ms = 20000 };
}

/* ---- openssl s_server as a child ---- */

/* Its standard output; the port is in the first line that says ACCEPT. */
static void
spawn(struct link_server *s, const char *const *argv)
{
	char line[256];
	unsigned port = 0;
	int out[2];

	assert_int_equal(pipe(out), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_RDWR), STDERR_FILENO);
		(void)close(out[0]);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(out[1]);
	s->out = fdopen(out[0], "r");
	while (port == 0 && fgets(line, sizeof(line), s->out) != NULL)
		(void)sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
	assert_true(port != 0);
	s->port = (uint16_t)port;
}

void
link_server_start(struct link_server *s)
{
	char srv_cert[96], srv_key[96];
	const char *const argv[] = { "openssl", "s_server", "-accept", "127.0.0.1:0", "-rev",
		"-cert", srv_cert, "-key", srv_key, "-CAfile", link_ca, "-Verify", "1", "-tls1_2",
		NULL };

	(void)snprintf(srv_cert, sizeof(srv_cert), "%s/srv.crt", link_folder);
	(void)snprintf(srv_key, sizeof(srv_key), "%s/srv.key", link_folder);
	spawn(s, argv);
}

void
link_peer_start(struct link_server *s, const char *program)
{
	const char *const argv[] = { "/usr/bin/python3", program, link_folder, NULL };

	spawn(s, argv);
}

void
link_server_stop(struct link_server *s)
{
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, NULL, 0);
	(void)fclose(s->out);
}
