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
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>
#include <weir/ifq.h>

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

/*
 * To all queues of the NIC; of those that other engines have bound nobody here could read.  A
 * group brings accepted connections to the engine whose queue they come by, so its listeners may
 * have all.
 */
static int queue_for(const struct weir_engine *e, struct weir_nic *nic, bool connects)
{
	struct weir_ifq_info info;

	if (nic != e->c.nic || weir_nic_queue(nic, e->c.ifq_count) < 0 ||
	    (e->member && !connects) || weir_engine_ifq(e, 0, &info))
		return -1;
	return (int)info.queue;
}

int weir_tie_begin(struct weir_tie *tie, struct weir_engine *e, struct weir_nic *nic, int fd,
		   int protocol, const struct weir_addr *peer, struct weir_error *reterr)
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
	r = weir_nic_flow_add(nic, &flow, queue_for(e, nic, peer && peer->len), &tie->flow,
			      reterr);
	if (!r)
		tie->nic = weir_nic_ref(nic);
	return r;
}

/* Does the interface have this address? */
static bool has_address(unsigned ifindex, const struct sockaddr *want)
{
	struct ifaddrs *all, *a;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != want->sa_family ||
		    if_nametoindex(a->ifa_name) != ifindex)
			continue;
		if (want->sa_family == AF_INET)
			found = ((struct sockaddr_in *)a->ifa_addr)->sin_addr.s_addr ==
				((const struct sockaddr_in *)want)->sin_addr.s_addr;
		else
			found = !memcmp(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr,
					&((const struct sockaddr_in6 *)want)->sin6_addr,
					sizeof(struct in6_addr));
	}
	freeifaddrs(all);
	return found;
}

static bool is_any(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return !((const struct sockaddr_in *)sa)->sin_addr.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* The address a connection to @peer begins at: a datagram socket is told without a packet. */
static int source_of(const struct weir_addr *peer, struct weir_addr *ret)
{
	int fd = socket(peer->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	ret->len = sizeof(ret->storage);
	if (connect(fd, &peer->sa, peer->len) || getsockname(fd, &ret->sa, &ret->len))
		r = -errno;
	close(fd);
	return r;
}

/* Do packets to this socket come by the interface, by its address? */
static bool comes_by(unsigned ifindex, int fd, const struct weir_addr *peer)
{
	struct weir_addr local = { .len = sizeof(local.storage) };

	if (getsockname(fd, &local.sa, &local.len) ||
	    (local.sa.sa_family != AF_INET && local.sa.sa_family != AF_INET6))
		return false;
	if (!is_any(&local.sa))
		return has_address(ifindex, &local.sa);
	if (!peer || !peer->len)
		return true;
	return !source_of(peer, &local) && has_address(ifindex, &local.sa);
}

void weir_tie_own(struct weir_tie *tie, struct weir_engine *e, int fd, const struct weir_addr *peer)
{
	struct weir_nic *nic = e->c.nic;

	if (nic && comes_by(weir_nic_ifindex(nic), fd, peer))
		(void)weir_tie_begin(tie, e, nic, fd, IPPROTO_TCP, peer, NULL);
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
