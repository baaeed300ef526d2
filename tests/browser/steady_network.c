/*
 * Preloaded into Chromium: the kernel tells it of no change of a network. A test beside the walk that makes an interface
 * or an address would break off every request under way with ERR_NETWORK_CHANGED; without news Chromium takes itself
 * for online.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

int
socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int);

	if (domain == AF_NETLINK) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	/* ISO C knows no conversion between the two kinds of pointer. */
	*(void **)&real = dlsym(RTLD_NEXT, "socket");
	return real(domain, type, protocol);
}
