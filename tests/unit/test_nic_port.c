/* SPDX-License-Identifier: MIT */
/*
 * test_nic_port.c - the Toeplitz hash, and source ports that lead to a wanted queue.
 *
 * Theory: the hash is checked by the values that Microsoft publishes for drivers' authors. A port
 *	that is named is hashed again by another, slower form of the same definition (bit by bit
 *	over the whole text), for every queue and both families.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/nic/port.h"
#include "t.h"

#define ENTRIES 128
#define QUEUES 8

static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

/* By the definition: the key is shifted by one bit with each bit of the text. */
static uint32_t slow_hash(const uint8_t *text, size_t bytes)
{
	uint8_t shifted[sizeof(key)];
	uint32_t hash = 0;

	memcpy(shifted, key, sizeof(key));
	for (size_t i = 0; i < bytes * 8; i++) {
		if (text[i / 8] & 0x80 >> i % 8)
			hash ^= (uint32_t)shifted[0] << 24 | (uint32_t)shifted[1] << 16 |
				(uint32_t)shifted[2] << 8 | shifted[3];
		for (size_t k = 0; k < sizeof(shifted); k++)
			shifted[k] = (uint8_t)(shifted[k] << 1 |
					       (k + 1 < sizeof(shifted) ? shifted[k + 1] >> 7 : 0));
	}
	return hash;
}

/* What arrives: the sender first. */
static size_t text_of(uint8_t *text, const struct weir_addr *from, const struct weir_addr *to)
{
	const struct weir_addr *ends[2] = { from, to };
	size_t used = 0;

	for (int i = 0; i < 2; i++) {
		const struct sockaddr_in *in = (const void *)&ends[i]->storage;
		const struct sockaddr_in6 *in6 = (const void *)&ends[i]->storage;
		bool four = in->sin_family == AF_INET;

		memcpy(text + used, four ? (const void *)&in->sin_addr : &in6->sin6_addr,
		       four ? 4 : 16);
		used += four ? 4 : 16;
	}
	for (int i = 0; i < 2; i++, used += 2)
		memcpy(text + used, &((const struct sockaddr_in *)&ends[i]->storage)->sin_port, 2);
	return used;
}

static struct weir_addr addr(const char *text)
{
	struct weir_addr a;

	assert_int_equal(weir_addr_parse(text, &a, NULL), 0);
	return a;
}

static void published(void **state)
{
	static const struct {
		const char *to, *from;
		uint32_t hash;
	} rows[] = {
		{ "161.142.100.80:1766", "66.9.149.187:2794", 0x51ccc178 },
		{ "65.69.140.83:4739", "199.92.111.2:14230", 0xc626b0ea },
		{ "12.22.207.184:38024", "24.19.198.95:12898", 0x5c2b394a },
		{ "[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x40207d3d },
		{ "[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0xdde51bbf },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct weir_addr to = addr(rows[i].to), from = addr(rows[i].from);
		uint8_t text[36];
		size_t bytes = text_of(text, &from, &to);

		assert_int_equal(nic_toeplitz(key, sizeof(key), text, 0, bytes), rows[i].hash);
		assert_int_equal(slow_hash(text, bytes), rows[i].hash);
		/* in parts */
		assert_int_equal(nic_toeplitz(key, sizeof(key), text, 0, 5) ^
					 nic_toeplitz(key, sizeof(key), text + 5, 5, bytes - 5),
				 rows[i].hash);
	}
}

static struct nic_info *nic(void)
{
	struct nic_info *info = calloc(1, sizeof(*info));

	assert_non_null(info);
	info->rss = calloc(ENTRIES, sizeof(*info->rss));
	assert_non_null(info->rss);
	for (unsigned i = 0; i < ENTRIES; i++)
		info->rss[i] = i % QUEUES;
	snprintf(info->pub.ifname, sizeof(info->pub.ifname), "test0");
	snprintf(info->pub.rss_hash, sizeof(info->pub.rss_hash), "toeplitz");
	info->pub.rss_hash_ports = WEIR_NIC_HASH_TCP4 | WEIR_NIC_HASH_TCP6 | WEIR_NIC_HASH_UDP4;
	info->pub.rss_table_entries = ENTRIES;
	info->pub.rss_key_bytes = sizeof(key);
	info->pub.rx_queues = QUEUES;
	memcpy(info->pub.rss_key, key, sizeof(key));
	return info;
}

static void leads_there(const struct nic_info *info, const char *local, const char *remote,
			unsigned queue)
{
	struct weir_addr l = addr(local), r = addr(remote);
	struct weir_error err = { 0 };
	uint8_t text[36];
	uint16_t port = 0;
	size_t bytes;

	if (weir_nic_source_port(&info->pub, &l, &r, IPPROTO_TCP, queue, &port, &err))
		fail_msg("%s %s rxq %u: %s", local, remote, queue, err.hint);
	assert_true(port >= 1024);
	((struct sockaddr_in *)&l.storage)->sin_port = htons(port);
	bytes = text_of(text, &r, &l);
	assert_int_equal(info->rss[slow_hash(text, bytes) % ENTRIES], queue);
}

static void every_queue(void **state)
{
	struct nic_info *info = nic();

	(void)state;
	for (unsigned q = 0; q < QUEUES; q++) {
		leads_there(info, "10.0.0.1:0", "10.0.0.2:80", q);
		leads_there(info, "10.0.0.1:65535", "10.0.0.2:80", q);
		leads_there(info, "192.168.1.77:5000", "1.1.1.1:443", q);
		leads_there(info, "[fd00::1]:0", "[2001:db8::2]:5201", q);
	}
	weir_nic_info_free(&info->pub);
}

/* The next try, after one that bind() found taken, gives another port. */
static void next_port(void **state)
{
	struct nic_info *info = nic();
	struct weir_addr l = addr("10.0.0.1:0"), r = addr("10.0.0.2:80");
	uint16_t first = 0, second = 0;

	(void)state;
	assert_int_equal(weir_nic_source_port(&info->pub, &l, &r, IPPROTO_TCP, 5, &first, NULL), 0);
	((struct sockaddr_in *)&l.storage)->sin_port = htons((uint16_t)(first + 1));
	assert_int_equal(weir_nic_source_port(&info->pub, &l, &r, IPPROTO_TCP, 5, &second, NULL),
			 0);
	assert_true(second > first);
	weir_nic_info_free(&info->pub);
}

static void refused(struct nic_info *info, int protocol, unsigned queue, int code)
{
	struct weir_addr l = addr("10.0.0.1:0"), r = addr("10.0.0.2:80");
	struct weir_error err = { 0 };
	uint16_t port = 7;

	assert_int_equal(weir_nic_source_port(&info->pub, &l, &r, protocol, queue, &port, &err),
			 code);
	assert_int_equal(err.code, code);
	assert_true(err.hint[0]);
	assert_int_equal(port, 7);
}

static void refusals(void **state)
{
	struct nic_info *info = nic();
	struct weir_addr l = addr("10.0.0.1:0"), r = addr("[fd00::2]:80");
	uint16_t port;

	(void)state;
	refused(info, IPPROTO_TCP, QUEUES, -ENOENT);
	refused(info, IPPROTO_SCTP, 0, -EINVAL);
	assert_int_equal(weir_nic_source_port(&info->pub, &l, &r, IPPROTO_TCP, 0, &port, NULL),
			 -EINVAL);
	info->pub.rss_hash_ports = WEIR_NIC_HASH_TCP6;
	refused(info, IPPROTO_TCP, 0, -EOPNOTSUPP);
	info->pub.rss_hash_ports = WEIR_NIC_HASH_TCP4;
	refused(info, IPPROTO_UDP, 0, -EOPNOTSUPP);
	info->pub.rss_symmetric = true;
	refused(info, IPPROTO_TCP, 0, -EOPNOTSUPP);
	info->pub.rss_symmetric = false;
	info->pub.rss_key_bytes = 0;
	refused(info, IPPROTO_TCP, 0, -EOPNOTSUPP);
	info->pub.rss_key_bytes = sizeof(key);
	info->pub.rss_table_entries = 100; /* no power of two: how it is used is not known */
	refused(info, IPPROTO_TCP, 0, -EOPNOTSUPP);
	info->pub.rss_table_entries = ENTRIES;
	snprintf(info->pub.rss_hash, sizeof(info->pub.rss_hash), "xor");
	refused(info, IPPROTO_TCP, 0, -EOPNOTSUPP);
	weir_nic_info_free(&info->pub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(every_queue),
		cmocka_unit_test(next_port),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
