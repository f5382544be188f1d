// SPDX-License-Identifier: MIT
/*
 * flow.c - flows: from text and to text, and to the rules that bring them to a queue.
 *
 * Theory: a rule looks at packets that arrive, so our end is its destination and the peer's end its
 *	source.  A wildcard address of ours is left out of the rule.  "[::]" without a peer's
 *	address means both families, as it does for a listener, and takes two rules; an IPv4
 *	address written as IPv6 (::ffff:10.0.0.1) is IPv4 on the wire.
 * Invariants: 1. texts of equal flows to equal targets are equal: they are found again by them.
 * Ownership: callers own all storage.
 * Threads: any.
 * Errors: -EINVAL with a hint that shows a legal form.
 * Sources: ethtool(8) for the words; nic.h for their order.
 * Tests: tests/unit/test_nic_flow.c
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "plan.h"

/* One end of a flow as the wire has it: AF_INET or AF_INET6, or AF_UNSPEC for any address. */
struct end {
	int family;
	uint8_t address[16];
	uint16_t port;
	bool both; /* any address of both families */
};

static int bad(struct weir_error *reterr, const char *text)
{
	return weir_error_set(
		reterr, -EINVAL, "flow", text,
		"give tcp:PORT, tcp:ADDRESS:PORT, udp:[V6ADDRESS]:PORT, or both ends: "
		"tcp:10.0.0.1:40000-10.0.0.2:80");
}

static int parse_end(const char *text, size_t len, struct weir_addr *ret)
{
	char copy[128];
	bool digits = len && strspn(text, "0123456789") >= len;

	if (!len || len + 2 > sizeof(copy))
		return -EINVAL;
	snprintf(copy, sizeof(copy), "%s%.*s", digits ? ":" : "", (int)len, text);
	if (!strncmp(copy, "unix:", 5))
		return -EINVAL;
	return weir_addr_parse(copy, ret, NULL);
}

int weir_nic_flow_parse(const char *text, struct weir_nic_flow *ret, struct weir_error *reterr)
{
	struct weir_nic_flow flow = { 0 };
	const char *local, *minus;

	if (!text || !ret)
		return bad(reterr, "(null)");
	if (!strncmp(text, "tcp:", 4))
		flow.protocol = IPPROTO_TCP;
	else if (!strncmp(text, "udp:", 4))
		flow.protocol = IPPROTO_UDP;
	else
		return bad(reterr, text);
	local = text + 4;
	minus = strchr(local, '-');
	if (parse_end(local, minus ? (size_t)(minus - local) : strlen(local), &flow.local))
		return bad(reterr, text);
	if (minus && parse_end(minus + 1, strlen(minus + 1), &flow.remote))
		return bad(reterr, text);
	if (nic_flow_check(&flow, reterr))
		return -EINVAL;
	*ret = flow;
	return 0;
}

const char *weir_nic_flow_format(const struct weir_nic_flow *flow, char *buf, size_t bytes)
{
	char local[80], remote[80];

	if (!buf || !bytes)
		return "";
	if (!flow) {
		snprintf(buf, bytes, "-");
		return buf;
	}
	weir_addr_format(&flow->local.sa, local, sizeof(local));
	weir_addr_format(flow->remote.len ? &flow->remote.sa : NULL, remote, sizeof(remote));
	snprintf(buf, bytes, "%s:%s%s%s", flow->protocol == IPPROTO_UDP ? "udp" : "tcp", local,
		 flow->remote.len ? "-" : "", flow->remote.len ? remote : "");
	return buf;
}

static struct end end_of(const struct weir_addr *addr)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;
	struct end end = { .family = AF_UNSPEC };

	if (!addr->len)
		return end;
	end.port = ntohs(in->sin_port); /* in both families at the same place */
	if (addr->sa.sa_family == AF_INET) {
		end.family = AF_INET;
		memcpy(end.address, &in->sin_addr, 4);
	} else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		end.family = AF_INET;
		memcpy(end.address, in6->sin6_addr.s6_addr + 12, 4);
	} else {
		end.family = AF_INET6;
		memcpy(end.address, &in6->sin6_addr, 16);
		end.both = IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
	}
	return end;
}

static bool any(const struct end *end)
{
	static const uint8_t zero[16];

	return !memcmp(end->address, zero, end->family == AF_INET ? 4 : 16);
}

static bool address_right(const struct weir_addr *addr)
{
	return (addr->len == sizeof(struct sockaddr_in) && addr->sa.sa_family == AF_INET) ||
	       (addr->len == sizeof(struct sockaddr_in6) && addr->sa.sa_family == AF_INET6);
}

int nic_flow_check(const struct weir_nic_flow *flow, struct weir_error *reterr)
{
	char text[160];
	struct end local, remote;

	if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
		return weir_error_set(reterr, -EINVAL, "flow", "protocol",
				      "only IPPROTO_TCP and IPPROTO_UDP can be steered");
	if (!address_right(&flow->local) || (flow->remote.len && !address_right(&flow->remote)))
		return weir_error_set(reterr, -EINVAL, "flow", "address",
				      "give an IPv4 or IPv6 address with its length");
	weir_nic_flow_format(flow, text, sizeof(text));
	local = end_of(&flow->local);
	remote = end_of(&flow->remote);
	if (!local.port)
		return weir_error_set(reterr, -EINVAL, "flow", text, "the local port is needed");
	if (flow->remote.len && remote.family != local.family && !local.both)
		return weir_error_set(reterr, -EINVAL, "flow", text,
				      "one end is IPv4 and the other IPv6");
	return 0;
}

/* " dst-ip 10.0.0.1" */
static void add_address(char *spec, const char *word, const struct end *end)
{
	size_t used = strlen(spec);
	char text[INET6_ADDRSTRLEN] = "?";

	if (any(end))
		return;
	inet_ntop(end->family, end->address, text, sizeof(text));
	snprintf(spec + used, NIC_SPEC_BYTES - used, " %s %s", word, text);
}

static void add_port(char *spec, const char *word, const struct end *end)
{
	size_t used = strlen(spec);

	if (end->port)
		snprintf(spec + used, NIC_SPEC_BYTES - used, " %s %u", word, end->port);
}

static void spec_of(char *spec, int protocol, int family, const struct end *local,
		    const struct end *remote, const char *to)
{
	size_t used;

	snprintf(spec, NIC_SPEC_BYTES, "%s%s", protocol == IPPROTO_UDP ? "udp" : "tcp",
		 family == AF_INET ? "4" : "6");
	if (remote->family == family)
		add_address(spec, "src-ip", remote);
	if (local->family == family)
		add_address(spec, "dst-ip", local);
	add_port(spec, "src-port", remote);
	add_port(spec, "dst-port", local);
	used = strlen(spec);
	snprintf(spec + used, NIC_SPEC_BYTES - used, " %s", to);
}

unsigned nic_flow_specs(const struct weir_nic_flow *flow, const char *to,
			char specs[2][NIC_SPEC_BYTES])
{
	struct end local = end_of(&flow->local), remote = end_of(&flow->remote);
	bool somebody = remote.family != AF_UNSPEC && !any(&remote);
	unsigned n = 0;

	if (local.both && !somebody) {
		spec_of(specs[n++], flow->protocol, AF_INET6, &local, &remote, to);
		spec_of(specs[n++], flow->protocol, AF_INET, &local, &remote, to);
		return n;
	}
	spec_of(specs[n++], flow->protocol, local.both ? remote.family : local.family, &local,
		&remote, to);
	return n;
}

static bool same_end(const struct end *x, const struct end *y)
{
	return x->family == y->family && x->port == y->port && x->both == y->both &&
	       !memcmp(x->address, y->address, sizeof(x->address));
}

/* A peer of any address is the same, however that is written. */
static struct end peer_of(const struct weir_addr *addr)
{
	struct end end = end_of(addr);

	return any(&end) ? (struct end){ .family = AF_UNSPEC, .port = end.port } : end;
}

bool nic_flow_same(const struct weir_nic_flow *a, const struct weir_nic_flow *b)
{
	struct end x = end_of(&a->local), y = end_of(&b->local);
	struct end from = peer_of(&a->remote), also = peer_of(&b->remote);

	return a->protocol == b->protocol && same_end(&x, &y) && same_end(&from, &also);
}
