/* Root's rights are given up before anything is run; see plugins.h. */
#include "plugins.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

int
plugins_become(const struct plugins_conf *c, struct bl_err *err)
{
	const struct passwd *p;

	if (geteuid() != 0 && getuid() != 0)
		return BL_OK;
	errno = 0;
	if ((p = getpwnam(c->user)) == NULL)
		return bl_fail(err, BL_ENOTFOUND,
		    "run plug-ins: there is no user %s; systemd-sysusers makes it, or `user` names "
		    "another one",
		    c->user);
	if (p->pw_uid == 0 || p->pw_gid == 0)
		return bl_fail(
		    err, BL_EDENIED, "run plug-ins as %s: they are never run as root", c->user);
	if (initgroups(c->user, p->pw_gid) != 0 || setgid(p->pw_gid) != 0 || setuid(p->pw_uid) != 0)
		return bl_fail_errno(err, BL_EDENIED, "become the user %s", c->user);
	return BL_OK;
}
