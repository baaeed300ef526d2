/*
 * `branchline-agent diagnose`: walks the way to the centre step by step and
 * says of each what was tried, how it went, how long it took and, when it
 * failed, what to do.  The first failure ends the walk: what lies behind it
 * cannot be judged.
 *
 * The last two steps (broker and collector) need this device's name, which a
 * running agent is using; then its own word is taken instead.
 */
#include "commands.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "branchline/buf.h"
#include "branchline/link.h"
#include "branchline/log.h"
#include "branchline/mqtt.h"
#include "branchline/pki.h"
#include "branchline/secret.h"

#include "build_date.h"
#include "config.h"
#include "diagnose_internal.h"
#include "status.h"

static const char help[] =
    "usage: branchline-agent diagnose [--config FILE]\n"
    "\n"
    "Walks the way to the centre and says in words where it ends: configuration, files,\n"
    "name look-up, TCP connection, TLS (with the exact reason), the broker's answer, the\n"
    "collector's answer to hello; each with its time and, when it failed, what to do.\n"
    "Changes nothing on this machine: the spool is only read. Safe beside a running agent,\n"
    "whose own word is then taken for the last two steps.\n"
    "\n"
    "Exit code 0: every step that was tried went well; 1: one failed; 78: the configuration is "
    "wrong.\n";

static void report(const char *how, const char *step, double ms, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static void
report(const char *how, const char *step, double ms, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)printf("%-14s %-7s", step, how);
	if (ms >= 0)
		(void)printf("%8.1f ms", ms);
	else
		(void)printf("%11s", "");
	(void)printf("  %s\n", text);
	(void)fflush(stdout);
}

void
diagnose_ok(const char *step, double ms, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report("ok", step, ms, fmt, ap);
	va_end(ap);
}

void
diagnose_skipped(const char *step, const char *why)
{
	(void)printf("%-14s %-7s%11s  %s\n", step, "-", "", why);
	(void)fflush(stdout);
}

void
diagnose_failed(const char *step, double ms, const char *advice, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report("FAILED", step, ms, fmt, ap);
	va_end(ap);
	(void)printf("%14s what to do: %s\n", "", advice);
	(void)fflush(stdout);
}

/* ---- files ---- */

static bool
read_pem(const char *path, struct bl_buf *out)
{
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	bl_buf_init(out, 1 << 20);
	if (f == NULL) {
		diagnose_failed("files", -1,
		    errno == EACCES
			? "run this as root or as the agent's own user, or mend its rights"
			: "run `branchline-agent setup FILE` with the file made for this device",
		    "open %s: %s", path, strerror(errno));
		return false;
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		bl_buf_bytes(out, chunk, n);
	(void)fclose(f);
	return !out->failed;
}

/* Whether the certificate is this device's, and in force by this machine's clock. */
static bool
check_certificate(const struct config *c, char date[BL_TIME_SIZE])
{
	const int64_t now = bl_unix_ms(bl_clock_real());
	struct bl_pki_info info;
	struct bl_err err = { 0 };
	struct bl_buf pem;
	bool ok = false;
	int rc;

	if (!read_pem(c->v->broker.certificate, &pem))
		return false;
	rc = bl_pki_info(&pem, &info, &err);
	bl_buf_free(&pem);
	bl_time_utc(rc == BL_OK ? info.not_after_unix_ms : 0, date);
	if (rc < 0)
		diagnose_failed("files", -1, "set the device up again with the file made for it",
		    "%s: %s", c->v->broker.certificate, err.msg);
	else if (strcmp(info.common_name, c->v->device.id) != 0)
		diagnose_failed("files", -1,
		    "set the device up again, or mend device.id in the configuration",
		    "%s is for \"%s\", the configuration says device \"%s\"",
		    c->v->broker.certificate, info.common_name, c->v->device.id);
	else if (info.not_after_unix_ms < now)
		diagnose_failed("files", -1,
		    "make a new one at the centre (`branchline device issue`), or set this "
		    "machine's clock if it is wrong",
		    "%s: this device's certificate expired on %s", c->v->broker.certificate, date);
	else
		ok = true;
	return ok;
}

static bool
check_key_mode(const struct config *c)
{
	struct stat st;

	if (stat(c->v->broker.key, &st) != 0 || !bl_secret_is_open(c->v->broker.key, &st))
		return true; /* a missing one is told with the certificate's partner */
	diagnose_failed("files", -1, "chmod 600 it, and think about who may have copied it",
	    "%s can be read by others (mode %03o)", c->v->broker.key,
	    (unsigned)(st.st_mode & 0777));
	return false;
}

/* ---- the link ---- */

static const struct {
	enum bl_link_fault fault;
	const char *advice;
} advices[] = {
	{ BL_FAULT_DNS, "is broker.host spelled right, and does this machine have a name server "
			"(/etc/resolv.conf)? An address instead of a name needs none" },
	{ BL_FAULT_REFUSED, "is the broker running, and is broker.port its TLS port?" },
	{ BL_FAULT_UNREACHABLE, "there is no way to that address: look at this machine's network "
				"(ip route) and at the VPN" },
	{ BL_FAULT_TIMEOUT, "something on the way swallows the packets: a firewall, a VPN that is "
			    "down, a wrong address" },
	{ BL_FAULT_NOT_TLS, "another service answers on that port, or a captive portal or proxy "
			    "stands in between; nothing is sent to it" },
	{ BL_FAULT_PORTAL, "a captive portal or a login page stands in between: somebody has to "
			   "sign in there with a "
			   "browser, or the network's people have to let this device through; "
			   "nothing is sent to it" },
	{ BL_FAULT_PROXY, "look at broker.proxy and its password_file, and ask the people of the "
			  "proxy whether it "
			  "lets this device through to the broker's name and port" },
	{ BL_FAULT_WEBSOCKET, "is broker.port the broker's WebSocket port, and broker.path right? "
			      "`branchline init --websocket-port` opens one" },
	{ BL_FAULT_SERVER_CERT,
	    "the server does not prove that it is your broker: is it the right address, and is "
	    "broker.ca of the same organisation? A captive portal or TLS inspection shows a "
	    "certificate of "
	    "its own: the broker has to be excepted from it. Never switch the check off" },
	{ BL_FAULT_OWN_CERT,
	    "the broker does not take this device's certificate: make a new one at the centre, and "
	    "set the device up again" },
	{ BL_FAULT_TLS,
	    "the two sides do not agree on TLS; a box in between may be breaking it up" },
	{ BL_FAULT_PEER_CLOSED,
	    "the other side hung up: the broker's log says why, or a box in between does it" },
	{ BL_FAULT_LOST, "the network went away in between; try again" },
	{ BL_FAULT_BROKER, "the broker's log and its access rules (ACL) say why" },
};

const char *
diagnose_advice(enum bl_link_fault fault)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++)
		if (advices[i].fault == fault)
			return advices[i].advice;
	return "please report this with the whole output";
}

/* Up to the proxy it is the proxy that is looked for. */
static const char *
advice_on_the_way(const struct config *c, enum bl_link_fault fault)
{
	if (c->proxy_host != NULL && fault == BL_FAULT_DNS)
		return "is the name in broker.proxy.url spelled right, and does this machine have "
		       "a name server (/etc/resolv.conf)?";
	if (c->proxy_host != NULL && fault == BL_FAULT_REFUSED)
		return "does the proxy run, and is the port in broker.proxy.url its port?";
	return diagnose_advice(fault);
}

static void
report_link(const struct config *c, const struct bl_link_report *r, bool ok)
{
	const struct config_broker *b = &c->v->broker;
	const enum bl_link_phase failed = ok ? BL_LINK_READY : r->phase;

	if (failed > BL_LINK_DNS)
		diagnose_ok("name look-up", r->dns_ms, "%s",
		    c->proxy_host != NULL ? c->proxy_host : b->host);
	else
		diagnose_failed(
		    "name look-up", r->dns_ms, advice_on_the_way(c, r->fault), "%s", r->text);
	if (failed > BL_LINK_CONNECT)
		diagnose_ok("TCP", r->connect_ms, "connected to %s%s",
		    c->proxy_host != NULL ? "the proxy, " : "", r->peer);
	else if (failed == BL_LINK_CONNECT)
		diagnose_failed(
		    "TCP", r->connect_ms, advice_on_the_way(c, r->fault), "%s", r->text);
	if (c->proxy_host != NULL && failed > BL_LINK_PROXY)
		diagnose_ok("proxy", r->proxy_ms, "it lets us through to %s:%lld", b->host,
		    (long long)b->port);
	else if (failed == BL_LINK_PROXY)
		diagnose_failed("proxy", r->proxy_ms, diagnose_advice(r->fault), "%s", r->text);
	if (failed > BL_LINK_TLS)
		diagnose_ok("TLS", r->tls_ms, "server \"%s\", %s; it accepted our certificate",
		    r->server_subject, r->cipher);
	else if (failed == BL_LINK_TLS)
		diagnose_failed("TLS", r->tls_ms, diagnose_advice(r->fault), "%s", r->text);
	if (ok && r->websocket)
		diagnose_ok("WebSocket", r->upgrade_ms, "%s", b->path);
	else if (failed == BL_LINK_UPGRADE)
		diagnose_failed(
		    "WebSocket", r->upgrade_ms, diagnose_advice(r->fault), "%s", r->text);
}

bool
diagnose_clock_wrong(void)
{
	return bl_unix_ms(bl_clock_real()) < (int64_t)BUILD_DATE_UNIX * 1000;
}

static void
check_clock(struct bl_link *l)
{
	char text[160], date[BL_TIME_SIZE];

	if (!diagnose_clock_wrong())
		return;
	bl_time_utc(bl_unix_ms(bl_clock_real()), date);
	(void)snprintf(text, sizeof(text),
	    "this machine's clock is wrong (%s): no certificate is refused for its dates", date);
	diagnose_skipped("clock", text);
	bl_link_clock_untrusted(l, true);
}

static bool
check_link(const struct config *c, struct bl_link *l)
{
	struct bl_err err = { 0 };
	enum bl_link_phase phase;

	if (bl_link_start(l, &err) < 0) {
		diagnose_failed(
		    "name look-up", -1, diagnose_advice(BL_FAULT_INTERNAL), "%s", err.msg);
		return false;
	}
	while ((phase = bl_link_phase(l)) != BL_LINK_READY && phase != BL_LINK_DOWN) {
		struct pollfd p = { .fd = bl_link_fd(l), .events = POLLIN };

		if (poll(&p, 1, bl_link_timeout_ms(l)) < 0 && errno != EINTR)
			break;
		bl_link_step(l);
	}
	report_link(c, bl_link_report(l), phase == BL_LINK_READY);
	bl_link_stop(l, "diagnosed");
	return phase == BL_LINK_READY;
}

/* ---- the running agent's word ---- */

static bool
word_of_daemon(const json_t *status)
{
	const json_t *link = json_object_get(status, "link");
	const json_t *reasons = json_object_get(json_object_get(status, "health"), "reasons");
	const char *state = json_string_value(json_object_get(link, "state"));
	const char *uplink =
	    json_string_value(json_object_get(json_object_get(status, "uplink"), "state"));
	const char *why = json_array_size(reasons) > 0
			      ? json_string_value(json_array_get(reasons, 0))
			      : "it does not say why";

	if (state == NULL || strcmp(state, "up") != 0) {
		diagnose_failed("broker", -1,
		    "wait for its next attempt; `branchline-agent status` shows it",
		    "the running agent is not connected: %s", why);
		return false;
	}
	diagnose_ok("broker", -1, "the running agent is connected");
	if (uplink == NULL || strcmp(uplink, "ready") != 0) {
		diagnose_failed("collector", -1,
		    "is the collector running and connected to the same broker?",
		    "the running agent has no answer: %s", why);
		return false;
	}
	diagnose_ok("collector", -1, "the running agent is delivering");
	return true;
}

static int
walk(const struct config *c)
{
	struct bl_link_cfg cfg;
	struct bl_link *l = NULL;
	struct bl_err err = { 0 };
	json_t *status = NULL;
	char date[BL_TIME_SIZE];
	bool ok;
	int rc;

	if (!check_certificate(c, date) || !check_key_mode(c))
		return 1;
	config_link(c, &cfg);
	cfg.handover = false;
	if (bl_link_create(&l, &cfg, bl_clock_real(), &err) < 0) {
		diagnose_failed("files", -1,
		    "run `branchline-agent setup FILE` with the file made for this device", "%s",
		    err.msg);
		return 1;
	}
	diagnose_ok("files", -1, "certificate of \"%s\", valid until %s", c->v->device.id, date);
	check_clock(l);
	ok = check_link(c, l);
	bl_link_free(l);
	if (!ok)
		return 1;
	/* Only beside no agent: two with one name would throw each other out. */
	if ((rc = status_ask(c->v->state_dir, &status, &err)) == BL_OK) {
		ok = word_of_daemon(status);
	} else if (rc == BL_ENOTFOUND) {
		ok = diagnose_broker(c);
	} else {
		diagnose_failed("broker", -1,
		    rc == BL_EDENIED ? "run this as root or as the agent's own user"
				     : "look at the agent's log, and start it again if it hangs",
		    "an agent is running, but does not say how it does: %s", err.msg);
		ok = false;
	}
	json_decref(status);
	return ok ? 0 : 1;
}

int
cmd_diagnose(int argc, char **argv)
{
	const char *path = CONFIG_FILE_DEFAULT;
	const struct cmd_option options[] = { { "--config", &path, NULL }, { NULL, NULL, NULL } };
	const int64_t start = bl_mono_ms(bl_clock_real());
	struct config *c;
	int code;

	if ((code = cmd_options_read(argc, argv, options, NULL, 0, help)) != 0)
		return code == 1 ? 0 : CMD_EXIT_USAGE;
	bl_log_level_set(BL_LOG_ERROR); /* what the parts would log is said below, in order */
	bl_mqtt_forget_proxies();
	if ((c = cmd_config(path, &code)) == NULL) {
		diagnose_failed("configuration", -1,
		    "mend the lines above; `branchline-agent check-config` checks again", "%s",
		    path);
		return code;
	}
	diagnose_ok("configuration", (double)(bl_mono_ms(bl_clock_real()) - start),
	    "%s (device %s, broker %s:%lld)", c->path, c->v->device.id, c->v->broker.host,
	    (long long)c->v->broker.port);
	code = walk(c);
	config_free(c);
	return code;
}
