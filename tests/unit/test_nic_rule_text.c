/* SPDX-License-Identifier: MIT */
/*
 * test_nic_rule_text.c - flow rules from text and back.
 *
 * Theory: every legal text is parsed to the fields that the kernel wants, and printed as it was.
 *	What drivers add without a meaning changes nothing; what means something else is "other".
 *	Random rules of legal fields come back as they were.  The seed is printed on failure.
 */
#include <arpa/inet.h>
#include <string.h>

#include "nic/rule_text.h"
#include "t.h"

static struct ethtool_rxnfc parsed(const char *spec)
{
	struct ethtool_rxnfc rule;
	struct weir_error err = { 0 };
	char text[NIC_RULE_BYTES];

	if (nic_rule_parse(spec, &rule, &err))
		fail_msg("%s: %s", spec, err.hint);
	assert_string_equal(nic_rule_text(&rule, text, sizeof(text)), spec);
	return rule;
}

static void bad(const char *spec)
{
	struct weir_error err = { 0 };
	struct ethtool_rxnfc rule;

	memset(&rule, 0x5a, sizeof(rule));
	assert_int_equal(nic_rule_parse(spec, &rule, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_true(err.hint[0]);
	for (size_t i = 0; i < sizeof(rule); i++)
		assert_int_equal(((unsigned char *)&rule)[i], 0x5a);
	assert_int_equal(nic_rule_parse(spec, &rule, NULL), -EINVAL);
}

static void fields(void **state)
{
	struct ethtool_rxnfc r = parsed("tcp4 src-ip 10.0.0.2 dst-ip 10.0.0.1 src-port 40000 "
					"dst-port 80 queue 3");
	const struct ethtool_tcpip4_spec *v = &r.fs.h_u.tcp_ip4_spec, *m = &r.fs.m_u.tcp_ip4_spec;

	(void)state;
	assert_int_equal(r.fs.flow_type, TCP_V4_FLOW);
	assert_int_equal(ntohl(v->ip4src), 0x0a000002);
	assert_int_equal(ntohl(v->ip4dst), 0x0a000001);
	assert_int_equal(ntohs(v->psrc), 40000);
	assert_int_equal(ntohs(v->pdst), 80);
	assert_int_equal(m->ip4src, 0xffffffff);
	assert_int_equal(m->ip4dst, 0xffffffff);
	assert_int_equal(m->psrc, 0xffff);
	assert_int_equal(m->pdst, 0xffff);
	assert_int_equal(v->tos | m->tos, 0);
	assert_int_equal(r.fs.ring_cookie, 3);
	assert_int_equal(nic_rule_queue(&r), 3);

	r = parsed("udp4 dst-port 53 context 7");
	assert_int_equal(r.fs.flow_type, UDP_V4_FLOW | FLOW_RSS);
	assert_int_equal(r.rss_context, 7);
	assert_int_equal(r.fs.ring_cookie, 0);
	assert_int_equal(r.fs.m_u.udp_ip4_spec.ip4src, 0);
	assert_int_equal(nic_rule_queue(&r), WEIR_NIC_TO_CONTEXT);

	r = parsed("tcp6 src-ip 2001:db8::2 dst-ip ::1 src-port 1 dst-port 65535 queue 0");
	assert_int_equal(r.fs.flow_type, TCP_V6_FLOW);
	assert_int_equal(ntohl(r.fs.h_u.tcp_ip6_spec.ip6src[0]), 0x20010db8);
	assert_int_equal(ntohl(r.fs.h_u.tcp_ip6_spec.ip6dst[3]), 1);
	assert_int_equal(ntohs(r.fs.h_u.tcp_ip6_spec.pdst), 65535);
	for (int i = 0; i < 4; i++)
		assert_int_equal(r.fs.m_u.tcp_ip6_spec.ip6dst[i], 0xffffffff);
	parsed("udp6 queue 1");
	assert_int_equal(parsed("udp6 dst-port 0 queue 1").fs.m_u.udp_ip6_spec.pdst, 0xffff);
	parsed("tcp6 src-ip ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0 dst-ip "
	       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1 src-port 65535 dst-port 65534 "
	       "context 4294967294");
}

static void illegal(void **state)
{
	(void)state;
	bad("");
	bad("tcp4");
	bad("tcp");
	bad("sctp4 dst-port 1 queue 1");
	bad("tcp4 queue");
	bad("tcp4 queue -1");
	bad("tcp4 queue 01");
	bad("tcp4 queue 1 ");
	bad(" tcp4 queue 1");
	bad("tcp4  queue 1");
	bad("tcp4 queue 1 2");
	bad("tcp4 queue 1 queue 2");
	bad("tcp4 context 0");
	bad("tcp4 context new");
	bad("tcp4 context 4294967295");
	bad("tcp4 queue 2147483648");
	bad("tcp4 dst-port queue 1");
	bad("tcp4 dst-port 65536 queue 1");
	bad("tcp4 dst-port 80 src-port 80 queue 1");
	bad("tcp4 dst-port 80 dst-port 81 queue 1");
	bad("tcp4 dst-ip 10.0.0.0/8 queue 1");
	bad("tcp4 dst-ip 10.0.0.01 queue 1");
	bad("tcp4 dst-ip ::1 queue 1");
	bad("tcp6 dst-ip 10.0.0.1 queue 1");
	bad("tcp6 dst-ip 0:0::1 queue 1");
	bad("tcp6 dst-ip 2001:DB8::1 queue 1");
	bad("tcp4 drop");
	bad("other 0x1 queue 1");
	bad("tcp4 dst-port 80 action 1");
	bad("tcp4 dst-ip "
	    "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
	    "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
	    "111111111111111111111111111111111111111111 queue 1");
}

/* How the rule is printed after a change of it. */
static const char *text_of(const struct ethtool_rxnfc *rule)
{
	static char text[NIC_RULE_BYTES];

	return nic_rule_text(rule, text, sizeof(text));
}

static void meaningless(void **state)
{
	const char *spec = "tcp4 dst-port 80 queue 3";
	struct ethtool_rxnfc r = parsed(spec);

	(void)state;
	r.fs.flow_type |= FLOW_EXT | FLOW_MAC_EXT;
	r.fs.h_ext.vlan_tci = 5;
	r.fs.h_ext.h_dest[0] = 1;
	r.fs.h_u.tcp_ip4_spec.ip4src = 1;
	r.fs.h_u.tcp_ip4_spec.tos = 4;
	r.fs.location = 17;
	assert_string_equal(text_of(&r), spec);
	r.fs.flow_type &= ~(uint32_t)(FLOW_EXT | FLOW_MAC_EXT);
	r.fs.m_ext.vlan_tci = 1;
	assert_string_equal(text_of(&r), spec);
}

static void other(void **state)
{
	const struct ethtool_rxnfc first = parsed("tcp4 dst-port 80 queue 3");
	struct ethtool_rxnfc r = first;

	(void)state;
	r.fs.m_u.tcp_ip4_spec.pdst = htons(0xff00);
	assert_string_equal(text_of(&r), "other 0x1 queue 3");
	r = first;
	r.fs.m_u.tcp_ip4_spec.ip4dst = htonl(0xffffff00);
	assert_string_equal(text_of(&r), "other 0x1 queue 3");
	r = first;
	r.fs.m_u.tcp_ip4_spec.tos = 1;
	assert_string_equal(text_of(&r), "other 0x1 queue 3");
	r = first;
	r.fs.flow_type |= FLOW_EXT;
	r.fs.m_ext.vlan_tci = htons(0xfff);
	assert_string_equal(text_of(&r), "other 0x80000001 queue 3");
	r = first;
	r.fs.flow_type |= FLOW_EXT;
	r.fs.m_ext.data[1] = 1;
	assert_string_equal(text_of(&r), "other 0x80000001 queue 3");
	r = first;
	r.fs.flow_type |= FLOW_MAC_EXT;
	memset(r.fs.m_ext.h_dest, 255, sizeof(r.fs.m_ext.h_dest));
	assert_string_equal(text_of(&r), "other 0x40000001 queue 3");
	r = first;
	r.fs.flow_type = ETHER_FLOW;
	assert_string_equal(text_of(&r), "other 0x12 queue 3");
	r = parsed("tcp6 dst-port 80 queue 3");
	r.fs.m_u.tcp_ip6_spec.tclass = 255;
	assert_string_equal(text_of(&r), "other 0x5 queue 3");
}

static void targets(void **state)
{
	struct ethtool_rxnfc r = parsed("udp6 dst-port 80 queue 3");

	(void)state;
	r.fs.ring_cookie = RX_CLS_FLOW_DISC;
	assert_string_equal(text_of(&r), "udp6 dst-port 80 drop");
	assert_int_equal(nic_rule_queue(&r), WEIR_NIC_TO_DROP);
	r.fs.ring_cookie = RX_CLS_FLOW_WAKE;
	assert_string_equal(text_of(&r), "udp6 dst-port 80 wake");
	assert_int_equal(nic_rule_queue(&r), WEIR_NIC_TO_OTHER);
	r.fs.ring_cookie = 5 | UINT64_C(2) << ETHTOOL_RX_FLOW_SPEC_RING_VF_OFF;
	assert_string_equal(text_of(&r), "udp6 dst-port 80 vf 1 queue 5");
	assert_int_equal(nic_rule_queue(&r), WEIR_NIC_TO_OTHER);
	r.fs.flow_type |= FLOW_RSS;
	r.rss_context = 4;
	r.fs.ring_cookie = 2;
	assert_string_equal(text_of(&r), "udp6 dst-port 80 context 4 plus queue 2");
	assert_int_equal(nic_rule_queue(&r), WEIR_NIC_TO_CONTEXT);
}

static void ip_text(char *buf, size_t bytes, const char *word, bool v6)
{
	char text[INET6_ADDRSTRLEN];
	size_t len = strlen(buf);
	uint8_t ip[16];

	for (unsigned i = 0; i < sizeof(ip); i++) /* zeros in a row are what is shortened */
		ip[i] = t_rand() % 3 ? (uint8_t)t_rand() : 0;
	if (t_rand() % 2)
		return;
	inet_ntop(v6 ? AF_INET6 : AF_INET, ip, text, sizeof(text));
	snprintf(buf + len, bytes - len, " %s %s", word, text);
}

static void port_text(char *buf, size_t bytes, const char *word)
{
	size_t len = strlen(buf);

	if (t_rand() % 2)
		snprintf(buf + len, bytes - len, " %s %u", word, (unsigned)(t_rand() % 65536));
}

static void random_rules(void **state)
{
	static const char *const kinds[] = { "tcp4", "udp4", "tcp6", "udp6" };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		unsigned kind = (unsigned)(t_rand() % 4);
		char spec[NIC_RULE_BYTES];
		size_t len;

		snprintf(spec, sizeof(spec), "%s", kinds[kind]);
		ip_text(spec, sizeof(spec), "src-ip", kind > 1);
		ip_text(spec, sizeof(spec), "dst-ip", kind > 1);
		port_text(spec, sizeof(spec), "src-port");
		port_text(spec, sizeof(spec), "dst-port");
		len = strlen(spec);
		snprintf(spec + len, sizeof(spec) - len, " %s %u",
			 t_rand() % 2 ? "queue" : "context", (unsigned)(1 + t_rand() % 1000));
		parsed(spec);
	}
}

static void lines(void **state)
{
	char line[256];

	(void)state;
	nic_obj_rule.ethtool("eth0", "tcp4 dst-port 80 queue 3", NULL, line, sizeof(line));
	assert_string_equal(line, "ethtool -N eth0 flow-type tcp4 dst-port 80 action 3");
	nic_obj_rule.ethtool("eth0", "tcp4 dst-port 80 context new", NULL, line, sizeof(line));
	assert_string_equal(line, "ethtool -N eth0 flow-type tcp4 dst-port 80 context new");
	nic_obj_rule.ethtool("eth0", "tcp4 dst-port 80 queue 3", "1023", line, sizeof(line));
	assert_string_equal(line, "ethtool -N eth0 delete 1023");
	nic_obj_rule.what("udp6 queue 1", line, sizeof(line));
	assert_string_equal(line, "flow rule udp6 queue 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(fields),	 T_CASE(illegal),      T_CASE(meaningless), T_CASE(other),
		T_CASE(targets), T_CASE(random_rules), T_CASE(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
