/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - addresses as people type them, host names included.
 *
 * Theory: the library never asks a name server, because that blocks; a command may.  The text is
 *	cut into host and port first; what the library's own parser can take (UNIX paths, numbers)
 *	goes there, the rest to getaddrinfo(3).
 * Invariants:
 *	1. every address returned has a port (or is a UNIX address) and the family asked for.
 * Ownership: results are copied; getaddrinfo's list is freed here.
 * Threads: any.
 * Errors: -EINVAL, -EHOSTUNREACH, each with one line that names the text.
 * Sources: getaddrinfo(3)
 * Tests: tests/unit/test_tool_resolve.c
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

#include "weir_tool.h"

#define FORMS "HOST:PORT, [IPV6]:PORT, *:PORT, unix:/path or unix:@name"

struct query {
	const char *text;
	uint16_t default_port;
	int family;
	bool listening;
	char host[256];
	char port[16];
	char *why;
	size_t why_bytes;
};

static int copy_part(char *to, size_t to_bytes, const char *from, size_t len)
{
	if (len >= to_bytes)
		return -ENAMETOOLONG;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

static bool all_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* Cuts the text into host ("" for none) and port ("" for none). */
static int split(struct query *q)
{
	const char *text = q->text, *colon = strrchr(text, ':');
	struct in6_addr ignored;

	if (text[0] == '[') {
		const char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':') || end == text + 1)
			return -EINVAL;
		if (copy_part(q->host, sizeof(q->host), text + 1, (size_t)(end - text - 1)))
			return -ENAMETOOLONG;
		if (end[1] && !end[2])
			return -EINVAL;
		return copy_part(q->port, sizeof(q->port), end + (end[1] ? 2 : 1),
				 strlen(end + (end[1] ? 2 : 1)));
	}
	if (inet_pton(AF_INET6, text, &ignored) == 1 || !colon) {
		if (!colon && q->listening && all_digits(text))
			return copy_part(q->port, sizeof(q->port), text, strlen(text));
		return copy_part(q->host, sizeof(q->host), text, strlen(text));
	}
	if (memchr(text, ':', (size_t)(colon - text)) || !colon[1])
		return -EINVAL;
	if (copy_part(q->port, sizeof(q->port), colon + 1, strlen(colon + 1)))
		return -ENAMETOOLONG;
	return copy_part(q->host, sizeof(q->host), text, (size_t)(colon - text));
}

static int check_port(struct query *q)
{
	uint64_t port;

	if (!q->port[0]) {
		if (!q->default_port) {
			snprintf(q->why, q->why_bytes, "'%.80s' has no port: legal is %s", q->text,
				 FORMS);
			return -EINVAL;
		}
		snprintf(q->port, sizeof(q->port), "%u", q->default_port);
		return 0;
	}
	if (opt_parse_value(OPT_UINT, q->port, &port) || !all_digits(q->port) || port > 65535 ||
	    (!port && !q->listening)) {
		snprintf(q->why, q->why_bytes, "bad port '%s' in '%.80s': legal is %d to 65535",
			 q->port, q->text, q->listening ? 0 : 1);
		return -EINVAL;
	}
	return 0;
}

/* Asks the resolver; an empty host is every address or this machine's own. */
static int look_up(struct query *q, struct weir_addr *ret, unsigned max)
{
	struct addrinfo hints = { .ai_family = q->family, .ai_socktype = SOCK_STREAM };
	bool any = !q->host[0] || !strcmp(q->host, "*");
	struct addrinfo *list = NULL;
	unsigned count = 0;
	int error;

	hints.ai_flags = AI_NUMERICSERV | (q->listening ? AI_PASSIVE : 0);
	error = getaddrinfo(any ? NULL : q->host, q->port, &hints, &list);
	if (error) {
		snprintf(q->why, q->why_bytes, "host '%.80s': %s%s", any ? "*" : q->host,
			 error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error),
			 q->family == AF_INET  ? " (only IPv4 was asked for)" :
			 q->family == AF_INET6 ? " (only IPv6 was asked for)" :
						 "");
		return -EHOSTUNREACH;
	}
	/* IPv6 first where all addresses are meant: such a socket takes IPv4 as well. */
	for (int pass = 0; pass < 2; pass++) {
		for (struct addrinfo *a = list; a && count < max; a = a->ai_next) {
			bool first = !any || a->ai_family == AF_INET6;

			if (a->ai_addrlen > sizeof(ret->storage) || first != !pass)
				continue;
			ret[count].len = a->ai_addrlen;
			memcpy(&ret[count].storage, a->ai_addr, a->ai_addrlen);
			count++;
		}
	}
	freeaddrinfo(list);
	if (!count) {
		snprintf(q->why, q->why_bytes, "host '%.80s' has no address", q->host);
		return -EHOSTUNREACH;
	}
	return (int)count;
}

int tool_resolve(const char *text, uint16_t default_port, int family, bool listening,
		 struct weir_addr *ret, unsigned max, char *why, size_t why_bytes)
{
	struct query q = {
		.text = text,
		.default_port = default_port,
		.family = family,
		.listening = listening,
		.why = why,
		.why_bytes = why_bytes,
	};
	struct weir_error err = { 0 };
	char buf[512];

	if (!strncmp(text, "unix:", 5)) {
		if (weir_addr_parse(text, ret, &err)) {
			snprintf(why, why_bytes, "%s", tool_error_text(&err, buf, sizeof(buf)));
			return -EINVAL;
		}
		return 1;
	}
	if (!*text || split(&q)) {
		snprintf(why, why_bytes, "'%.80s' is no address: legal is %s", text, FORMS);
		return -EINVAL;
	}
	if (check_port(&q))
		return -EINVAL;
	return look_up(&q, ret, max);
}
