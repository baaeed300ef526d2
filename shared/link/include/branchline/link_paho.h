/*
 * The one door between Paho's library and the link.
 *
 * In our private copy of Paho's archive the symbol `connect` is renamed to
 * this function, so that it is what runs on Paho's thread when Paho believes
 * that it opens a TCP connection.  Nobody else calls it; tests do.
 */
#ifndef BRANCHLINE_LINK_PAHO_H
#define BRANCHLINE_LINK_PAHO_H

#include <sys/socket.h>

/*
 * Puts one end of a socket pair under descriptor fd and wakes the link that
 * waits for it, when address is 255.255.255.255:<token> and a link in READY
 * has announced that token (bl_link_uri).  Anything else, above all a real
 * address, is refused with ECONNREFUSED: no byte of Paho's ever leaves this
 * process except through a link.  Any thread.  Returns like connect(2).
 */
int bl_link_paho_connect(int fd, const struct sockaddr *address, socklen_t size);

#endif
