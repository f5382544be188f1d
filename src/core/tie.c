// SPDX-License-Identifier: MIT
/*
 * tie.c - a NIC's rule that lives as long as a socket.
 *
 * Theory: what steers a socket's packets is known once it has its local port: after bind(), and
 *	before listen() or connect(), so that the first packet is steered, too. A socket that
 *	connects without a local address is bound to a port here; the kernel chooses the address
 *	later, and the rule leaves it out.
 *
 *	    listen   tcp, our address                 accepted sockets count the same flow once more
 *	    connect  tcp, our port and the peer
 *	    udp      udp, our address (and the peer)
 *
 *	The rule goes when the last socket that counts it is freed, after its descriptor was closed.
 * Invariants: 1. a tie with a NIC has a reference to it and counts one flow.
 * Ownership: the socket owns its tie.
 * Threads: the engine's; the NIC locks itself, because several engines may share it.
 * Errors: weir_nic_flow_add()'s; -EINVAL for sockets that no rule can name.
 * Sources: ip(7): bind() to port 0 chooses a port.
 * Tests: tests/vm/t/nic_sock.sh
 */
#include <netinet/in.h>

#include "core.h"

/* A socket that was not bound gets a port, of its peer's family. */
static int bind_any(int fd, int family)
{
	struct weir_addr any = { .len = family == AF_INET ? sizeof(struct sockaddr_in) :
							    sizeof(struct sockaddr_in6) };

	any.sa.sa_family = (sa_family_t)family;
	return bind(fd, &any.sa, any.len) ? -errno : 0;
}

static int local_of(int fd, int family, struct weir_addr *ret)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&ret->storage;
	int r;

	for (int i = 0; i < 2; i++) {
		ret->len = sizeof(ret->storage);
		if (getsockname(fd, &ret->sa, &ret->len))
			return -errno;
		if (in->sin_port) /* at the same place in both families */
			return 0;
		r = bind_any(fd, family);
		if (r)
			return r;
	}
	return -EADDRNOTAVAIL;
}

int weir_tie_begin(struct weir_tie *tie, struct weir_nic *nic, int fd, int protocol,
		   const struct weir_addr *peer, struct weir_error *reterr)
{
	struct weir_nic_flow flow = { .protocol = protocol };
	int family = 0, r;
	socklen_t len = sizeof(family);

	if (!nic)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		return weir_error_set(reterr, -errno, "steer", "socket", NULL);
	if ((family != AF_INET && family != AF_INET6) ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return weir_error_set(reterr, -EINVAL, "weir_sock_opts", "nic",
				      "only TCP and UDP over IPv4 or IPv6 can be steered");
	r = local_of(fd, family, &flow.local);
	if (r)
		return weir_error_set(reterr, r, "steer", "local port",
				      "give weir_sock_opts.local with a free port");
	if (peer && peer->len)
		flow.remote = *peer;
	r = weir_nic_flow_add(nic, &flow, -1, &tie->flow, reterr);
	if (!r)
		tie->nic = weir_nic_ref(nic);
	return r;
}

void weir_tie_share(struct weir_tie *tie, const struct weir_tie *from)
{
	if (from->nic && !weir_nic_flow_ref(from->nic, from->flow)) {
		tie->nic = weir_nic_ref(from->nic);
		tie->flow = from->flow;
	}
}

void weir_tie_end(struct weir_tie *tie)
{
	if (!tie->nic)
		return;
	/* What cannot be put back now is in the journal. */
	(void)weir_nic_flow_remove(tie->nic, tie->flow, NULL);
	(void)weir_nic_close(tie->nic, NULL);
	tie->nic = NULL;
}
