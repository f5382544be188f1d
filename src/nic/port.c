// SPDX-License-Identifier: MIT
/*
 * port.c - a source port whose answers come to a wanted queue by RSS.
 *
 * Theory: the NIC hashes source and destination of what arrives: for a connection of ours that is
 *	the peer's address and port, then ours.  Toeplitz: for each bit of that text that is set,
 *	a window of 32 bits of the key, which moves on by one bit with each bit of the text, is
 *	xored in:
 *
 *	    text  peer's address | our address | peer's port | our port        (network order)
 *	    key   ================================================...
 *	          [32 bits] -> [32 bits] -> ...
 *
 *	hash % entries of the table names the entry, and that the queue.  The hash is linear: that
 *	of our port is xored to that of the rest, so a port costs 16 steps and not 96 or 288.
 * Invariants: 1. a port is only named where the NIC's own function, key and table lead it there.
 * Ownership: none.
 * Threads: any.
 * Errors: -EOPNOTSUPP where the hash is another, or its key is not told.
 * Sources: Microsoft, "Receive Side Scaling: Hashing" (the algorithm, and the values that the test
 *	checks); drivers take hash & (entries - 1), entries being a power of two
 *	(Documentation/networking/scaling.rst, Linux 7.3).
 * Tests: tests/unit/test_nic_port.c, tests/vm/t/nic_sock.sh
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "port.h"

#define FIRST_PORT 1024

/* The 32 bits of the key that begin at that bit; behind its end there are zeros. */
static uint32_t window(const uint8_t *key, size_t key_bytes, size_t bit)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < 5; i++) {
		size_t at = bit / 8 + i;

		bits = bits << 8 | (at < key_bytes ? key[at] : 0);
	}
	return (uint32_t)(bits >> (8 - bit % 8));
}

uint32_t nic_toeplitz(const uint8_t *key, size_t key_bytes, const uint8_t *text, size_t at,
		      size_t bytes)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < bytes * 8; i++)
		if (text[i / 8] >> (7 - i % 8) & 1)
			hash ^= window(key, key_bytes, at * 8 + i);
	return hash;
}

static size_t put_address(uint8_t *to, const struct weir_addr *addr, int *family)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;

	if (addr->sa.sa_family == AF_INET) {
		*family = AF_INET;
		memcpy(to, &in->sin_addr, 4);
		return 4;
	}
	if (addr->sa.sa_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		*family = AF_INET;
		memcpy(to, in6->sin6_addr.s6_addr + 12, 4);
		return 4;
	}
	*family = AF_INET6;
	memcpy(to, &in6->sin6_addr, 16);
	return 16;
}

static uint16_t port_of(const struct weir_addr *addr)
{
	return ntohs(((const struct sockaddr_in *)&addr->storage)->sin_port);
}

static int hash_known(const struct weir_nic_info *info, int protocol, int family,
		      struct weir_error *reterr)
{
	uint32_t entries = info->rss_table_entries;
	uint32_t both = protocol == IPPROTO_TCP ?
				family == AF_INET ? WEIR_NIC_HASH_TCP4 : WEIR_NIC_HASH_TCP6 :
			family == AF_INET ? WEIR_NIC_HASH_UDP4 :
					    WEIR_NIC_HASH_UDP6;

	if (strcmp(info->rss_hash, "toeplitz"))
		return weir_error_set(reterr, -EOPNOTSUPP, "source port", info->ifname,
				      "the hash function is %s: use a flow rule",
				      info->rss_hash[0] ? info->rss_hash : "not known");
	if (info->rss_symmetric)
		return weir_error_set(reterr, -EOPNOTSUPP, "source port", info->ifname,
				      "the hash is symmetric: use a flow rule");
	if (!info->rss_key_bytes || !entries || entries & (entries - 1))
		return weir_error_set(reterr, -EOPNOTSUPP, "source port", info->ifname,
				      "key or table of RSS are not known: use a flow rule");
	if (!(info->rss_hash_ports & both))
		return weir_error_set(reterr, -EOPNOTSUPP, "source port", info->ifname,
				      "the hash leaves ports out: \"ethtool -N %s rx-flow-hash "
				      "%s%d sdfn\", or use a flow rule",
				      info->ifname, protocol == IPPROTO_TCP ? "tcp" : "udp",
				      family == AF_INET ? 4 : 6);
	return 0;
}

int weir_nic_source_port(const struct weir_nic_info *info, const struct weir_addr *local,
			 const struct weir_addr *remote, int protocol, unsigned queue,
			 uint16_t *retport, struct weir_error *reterr)
{
	uint8_t text[36];
	int family = 0, peer = 0, r;
	unsigned first, span = 65536 - FIRST_PORT;
	size_t used;
	uint16_t port;
	uint32_t rest;

	if (!info || !local || !remote || !retport ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return weir_error_set(
			reterr, -EINVAL, "source port", "arguments",
			"an interface's state, two addresses and TCP or UDP are needed");
	used = put_address(text, remote, &peer);
	used += put_address(text + used, local, &family);
	if (!family || family != peer || !port_of(remote))
		return weir_error_set(reterr, -EINVAL, "source port", info->ifname,
				      "two addresses of one family and the peer's port are needed");
	r = hash_known(info, protocol, family, reterr);
	if (r)
		return r;
	port = htons(port_of(remote));
	memcpy(text + used, &port, 2);
	rest = nic_toeplitz(info->rss_key, info->rss_key_bytes, text, 0, used + 2);
	first = port_of(local) >= FIRST_PORT ? port_of(local) : 32768;
	for (unsigned i = 0; i < span; i++) {
		unsigned try = FIRST_PORT + (first - FIRST_PORT + i) % span;
		uint8_t ours[2] = { (uint8_t)(try >> 8), (uint8_t)try };
		uint32_t hash = rest ^
				nic_toeplitz(info->rss_key, info->rss_key_bytes, ours, used + 2, 2);

		if (weir_nic_info_rss(info, hash & (info->rss_table_entries - 1)) == (int)queue) {
			*retport = (uint16_t)try;
			return 0;
		}
	}
	return weir_error_set(reterr, -ENOENT, "source port", info->ifname,
			      "no entry of the RSS table leads to rxq %u: use a flow rule", queue);
}
