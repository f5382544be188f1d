// SPDX-License-Identifier: MIT
/*
 * addr.c - socket addresses from text and to text.
 *
 * Theory: numeric addresses only, so that the library never blocks on a name server; tools
 *	resolve names themselves.  "[v6%scope]:port", "v4:port", "*:port", "unix:/path",
 *	"unix:@abstract".
 * Invariants: 1. an output is written only on success.
 * Ownership: callers own all storage.
 * Threads: any; no shared state.
 * Errors: -EINVAL with a hint that shows a legal form; -ENAMETOOLONG for UNIX paths.
 * Sources: ip(7), ipv6(7), unix(7), if_nametoindex(3).
 * Tests: tests/unit/test_addr.c
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "util.h"

static int bad(struct weir_error *reterr, const char *text, const char *hint)
{
	return weir_error_set(reterr, -EINVAL, "address", text, "%s", hint);
}

static int parse_unix(const char *path, struct weir_addr *ret, struct weir_error *reterr)
{
	struct weir_addr addr = { 0 };
	struct sockaddr_un *un = (struct sockaddr_un *)&addr.storage;
	size_t len = strlen(path);

	if (!len || (path[0] == '@' && len == 1))
		return bad(reterr, "unix:", "a path or @name must follow \"unix:\"");
	if (len >= sizeof(un->sun_path))
		return weir_error_set(reterr, -ENAMETOOLONG, "address", path,
				      "UNIX socket paths have at most %zu bytes",
				      sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (path[0] == '@')
		un->sun_path[0] = '\0';
	else
		addr.len++;
	*ret = addr;
	return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	port = strtoul(text, &end, 10);
	if (errno || *end || port > 65535)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

static int parse_host6(char *host, struct sockaddr_in6 *in6)
{
	char *scope = strchr(host, '%');

	if (scope) {
		char *end;

		*scope++ = '\0';
		in6->sin6_scope_id = if_nametoindex(scope);
		if (!in6->sin6_scope_id) {
			in6->sin6_scope_id = (uint32_t)strtoul(scope, &end, 10);
			if (*end || !in6->sin6_scope_id)
				return -EINVAL;
		}
	}
	return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_inet(const char *text, struct weir_addr *ret, struct weir_error *reterr)
{
	struct weir_addr addr = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&addr.storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr.storage;
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint16_t port;
	char host[96];

	if (!colon || len >= sizeof(host) || parse_port(colon + 1, &port))
		return bad(reterr, text,
			   "give ADDRESS:PORT with a port from 0 to 65535, e.g. 127.0.0.1:9000, "
			   "[::1]:9000 or unix:/path");
	memcpy(host, text, len);
	host[len] = '\0';
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		if (parse_host6(host + 1, in6))
			return bad(reterr, text, "between [ ] goes a numeric IPv6 address");
		in6->sin6_family = AF_INET6;
	} else if (!len || !strcmp(host, "*")) {
		in6->sin6_family = AF_INET6;
	} else if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		return bad(reterr, text,
			   strchr(host, ':') ? "write IPv6 addresses in brackets: [::1]:9000" :
					       "only numeric addresses: resolve the name first");
	}
	in->sin_port = htons(port);
	addr.len = addr.sa.sa_family == AF_INET ? sizeof(*in) : sizeof(*in6);
	*ret = addr;
	return 0;
}

int weir_addr_parse(const char *text, struct weir_addr *ret, struct weir_error *reterr)
{
	if (!text || !ret)
		return bad(reterr, "(null)", "an address text and a place for it are needed");
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text + 5, ret, reterr);
	return parse_inet(text, ret, reterr);
}

static void format_unix(const struct sockaddr_un *un, char *buf, size_t bytes)
{
	if (un->sun_path[0])
		snprintf(buf, bytes, "unix:%.*s", (int)sizeof(un->sun_path), un->sun_path);
	else
		snprintf(buf, bytes, "unix:@%.*s", (int)sizeof(un->sun_path) - 1, un->sun_path + 1);
}

static void format_in6(const struct sockaddr_in6 *in6, char *buf, size_t bytes)
{
	char host[INET6_ADDRSTRLEN] = "?";
	char scope[IF_NAMESIZE] = "";

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (in6->sin6_scope_id && !if_indextoname(in6->sin6_scope_id, scope))
		snprintf(scope, sizeof(scope), "%u", in6->sin6_scope_id);
	snprintf(buf, bytes, "[%s%s%s]:%u", host, scope[0] ? "%" : "", scope,
		 ntohs(in6->sin6_port));
}

const char *weir_addr_format(const struct sockaddr *sa, char *buf, size_t bytes)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	char host[INET_ADDRSTRLEN] = "?";

	if (!buf || !bytes)
		return "";
	if (!sa) {
		snprintf(buf, bytes, "-");
	} else if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(buf, bytes, "%s:%u", host, ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6) {
		format_in6((const struct sockaddr_in6 *)sa, buf, bytes);
	} else if (sa->sa_family == AF_UNIX) {
		format_unix((const struct sockaddr_un *)sa, buf, bytes);
	} else {
		snprintf(buf, bytes, "family %d", sa->sa_family);
	}
	return buf;
}
