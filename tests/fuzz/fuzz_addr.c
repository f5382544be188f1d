/* SPDX-License-Identifier: MIT */
/*
 * fuzz_addr.c - texts of addresses and flows: weir_addr_parse(), weir_nic_flow_parse().
 *
 * Theory: what is taken is printed and taken again, as the same address; the length is that of its
 * family; what is refused leaves the output alone and says why.
 */
#include <netinet/in.h>
#include <sys/un.h>
#include <weir/weir.h>

#include "fuzz.h"

static void address(const char *text)
{
	struct weir_addr a, b;
	struct weir_error err = { 0 };
	char back[sizeof(struct sockaddr_un) + 32];
	int r;

	memset(&a, 0x5a, sizeof(a));
	memset(&b, 0x5a, sizeof(b));
	r = weir_addr_parse(text, &a, &err);
	if (r) {
		must(r == err.code && err.hint[0]);
		must(!memcmp(&a, &b, sizeof(a)));
		return;
	}
	must(!err.code);
	must(a.len <= sizeof(a.storage));
	if (a.sa.sa_family == AF_INET)
		must(a.len == sizeof(struct sockaddr_in));
	else if (a.sa.sa_family == AF_INET6)
		must(a.len == sizeof(struct sockaddr_in6));
	else
		must(a.sa.sa_family == AF_UNIX);
	weir_addr_format(&a.sa, back, sizeof(back));
	must(strlen(back) < sizeof(back) - 1);
	/* The length of an abstract name is not in the structure that is printed. */
	must(!weir_addr_parse(back, &b, NULL));
	must(a.len == b.len && !memcmp(&a.storage, &b.storage, a.len));
	for (size_t bytes = 1; bytes < 12; bytes++) {
		char *cut = malloc(bytes);

		weir_addr_format(&a.sa, cut, bytes);
		must(strlen(cut) < bytes);
		free(cut);
	}
}

static void flow(const char *text)
{
	struct weir_nic_flow a = { 0 }, b = { 0 };
	struct weir_error err = { 0 };
	char back[160];
	int r = weir_nic_flow_parse(text, &a, &err);

	if (r) {
		must(r == err.code && err.hint[0]);
		return;
	}
	weir_nic_flow_format(&a, back, sizeof(back));
	must(!weir_nic_flow_parse(back, &b, NULL));
	must(!memcmp(&a.local.storage, &b.local.storage, sizeof(a.local.storage)));
	must(!memcmp(&a.remote.storage, &b.remote.storage, sizeof(a.remote.storage)));
	must(a.protocol == b.protocol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	address(text);
	flow(text);
	free(text);
	return 0;
}
