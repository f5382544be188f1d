// SPDX-License-Identifier: MIT
/*
 * rule_text.c - flow rules: from ethtool's structure to text and back.
 *
 * Theory: the text is ethtool's own language, cut down to what weir makes: a protocol over an IP
 *	version, addresses and ports, each matched in full or not at all.
 *
 *	tcp4 src-ip 10.0.0.2 dst-ip 10.0.0.1 src-port 40000 dst-port 80 queue 3
 *	---- --------------------------------------------------------- -------
 *	kind fields, always in this order                              target
 *
 *	Reading a rule back is less strict than making one: drivers return extensions whose masks
 *	are empty, and values under an empty mask, and such a rule is the same as one without them.
 * Invariants: 1. a rule that was parsed prints as the text it was parsed from.  2. a rule that
 *	matches something else than its text says prints as "other".
 * Ownership: callers own all storage.
 * Threads: any; no shared state.
 * Errors: -EINVAL with what is legal.
 * Sources: include/uapi/linux/ethtool.h, Linux 7.3 (struct ethtool_rx_flow_spec: masks,
 *	ring_cookie; FLOW_EXT, FLOW_MAC_EXT, FLOW_RSS);
 *	drivers/net/ethernet/intel/ixgbe/ixgbe_ethtool.c (ixgbe_get_ethtool_fdir_entry returns
 *	FLOW_EXT always)
 * Tests: tests/unit/test_nic_rule_text.c
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rule_text.h"
#include "value.h"

/* What a rule may compare, in the order of the text. */
enum { SRC_IP, DST_IP, SRC_PORT, DST_PORT, FIELDS };

static const char *const words[FIELDS] = { "src-ip", "dst-ip", "src-port", "dst-port" };

/* Where that lies in struct ethtool_tcpip4_spec and ethtool_tcpip6_spec, the unions' beginning. */
struct layout {
	int family;
	size_t at[FIELDS];
	size_t bytes[FIELDS];
	size_t tos_at;
};

#define AT(type, member) offsetof(struct type, member)

static const struct layout ip4 = {
	.family = AF_INET,
	.at = { AT(ethtool_tcpip4_spec, ip4src), AT(ethtool_tcpip4_spec, ip4dst),
		AT(ethtool_tcpip4_spec, psrc), AT(ethtool_tcpip4_spec, pdst) },
	.bytes = { 4, 4, 2, 2 },
	.tos_at = AT(ethtool_tcpip4_spec, tos),
};

static const struct layout ip6 = {
	.family = AF_INET6,
	.at = { AT(ethtool_tcpip6_spec, ip6src), AT(ethtool_tcpip6_spec, ip6dst),
		AT(ethtool_tcpip6_spec, psrc), AT(ethtool_tcpip6_spec, pdst) },
	.bytes = { 16, 16, 2, 2 },
	.tos_at = AT(ethtool_tcpip6_spec, tclass),
};

struct kind {
	const char *name;
	uint32_t flow_type;
	const struct layout *layout;
};

static const struct kind kinds[] = {
	{ "tcp4", TCP_V4_FLOW, &ip4 },
	{ "udp4", UDP_V4_FLOW, &ip4 },
	{ "tcp6", TCP_V6_FLOW, &ip6 },
	{ "udp6", UDP_V6_FLOW, &ip6 },
};

/* ------------------------------------------------------------------------- to text */

/* 0: nothing is compared; 1: everything; -1: some bits. */
static int mask_kind(const void *mask, size_t bytes)
{
	static const uint8_t none[16], all[16] = { 255, 255, 255, 255, 255, 255, 255, 255,
						   255, 255, 255, 255, 255, 255, 255, 255 };

	if (!memcmp(mask, none, bytes))
		return 0;
	return !memcmp(mask, all, bytes) ? 1 : -1;
}

static bool ext_used(const struct ethtool_rx_flow_spec *fs)
{
	const struct ethtool_flow_ext *m = &fs->m_ext;

	if (fs->flow_type & FLOW_EXT && (m->vlan_etype || m->vlan_tci || m->data[0] || m->data[1]))
		return true;
	return fs->flow_type & FLOW_MAC_EXT && mask_kind(m->h_dest, sizeof(m->h_dest));
}

static void field_text(const struct layout *layout, unsigned field, const uint8_t *value, char *buf,
		       size_t bytes)
{
	char text[INET6_ADDRSTRLEN] = "?";
	size_t len = strlen(buf);

	if (field == SRC_PORT || field == DST_PORT)
		snprintf(text, sizeof(text), "%u", value[0] << 8 | value[1]);
	else
		inet_ntop(layout->family, value, text, sizeof(text));
	snprintf(buf + len, bytes - len, " %s %s", words[field], text);
}

static bool match_text(const struct ethtool_rx_flow_spec *fs, const struct kind *kind, char *buf,
		       size_t bytes)
{
	const struct layout *layout = kind->layout;
	const uint8_t *value = fs->h_u.hdata, *mask = fs->m_u.hdata;

	if (mask[layout->tos_at] || ext_used(fs))
		return false;
	snprintf(buf, bytes, "%s", kind->name);
	for (unsigned i = 0; i < FIELDS; i++) {
		int compared = mask_kind(mask + layout->at[i], layout->bytes[i]);

		if (compared < 0)
			return false;
		if (compared)
			field_text(layout, i, value + layout->at[i], buf, bytes);
	}
	return true;
}

const char *nic_rule_match(const struct ethtool_rx_flow_spec *fs, char *buf, size_t bytes)
{
	uint32_t flow_type = fs->flow_type & ~(uint32_t)(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS);

	for (size_t i = 0; i < weir_array_len(kinds); i++)
		if (kinds[i].flow_type == flow_type && match_text(fs, &kinds[i], buf, bytes))
			return buf;
	snprintf(buf, bytes, "other 0x%" PRIx32, fs->flow_type);
	return buf;
}

static uint32_t ring_of(const struct ethtool_rx_flow_spec *fs)
{
	return (uint32_t)(fs->ring_cookie & ETHTOOL_RX_FLOW_SPEC_RING);
}

static unsigned vf_of(const struct ethtool_rx_flow_spec *fs)
{
	return (unsigned)((fs->ring_cookie & ETHTOOL_RX_FLOW_SPEC_RING_VF) >>
			  ETHTOOL_RX_FLOW_SPEC_RING_VF_OFF);
}

const char *nic_rule_text(const struct ethtool_rxnfc *rule, char *buf, size_t bytes)
{
	const struct ethtool_rx_flow_spec *fs = &rule->fs;
	size_t len;

	nic_rule_match(fs, buf, bytes);
	len = strlen(buf);
	if (fs->ring_cookie == RX_CLS_FLOW_DISC)
		snprintf(buf + len, bytes - len, " drop");
	else if (fs->ring_cookie == RX_CLS_FLOW_WAKE)
		snprintf(buf + len, bytes - len, " wake");
	else if (vf_of(fs)) /* counted from 1; 0 is the device itself */
		snprintf(buf + len, bytes - len, " vf %u queue %" PRIu32, vf_of(fs) - 1,
			 ring_of(fs));
	else if (!(fs->flow_type & FLOW_RSS))
		snprintf(buf + len, bytes - len, " queue %" PRIu32, ring_of(fs));
	else if (!ring_of(fs))
		snprintf(buf + len, bytes - len, " context %" PRIu32, rule->rss_context);
	else
		snprintf(buf + len, bytes - len, " context %" PRIu32 " plus queue %" PRIu32,
			 rule->rss_context, ring_of(fs));
	return buf;
}

int32_t nic_rule_queue(const struct ethtool_rxnfc *rule)
{
	const struct ethtool_rx_flow_spec *fs = &rule->fs;

	if (fs->ring_cookie == RX_CLS_FLOW_DISC)
		return WEIR_NIC_TO_DROP;
	if (fs->ring_cookie == RX_CLS_FLOW_WAKE || vf_of(fs) || ring_of(fs) > INT32_MAX)
		return WEIR_NIC_TO_OTHER;
	return fs->flow_type & FLOW_RSS ? WEIR_NIC_TO_CONTEXT : (int32_t)ring_of(fs);
}

/* ----------------------------------------------------------------------- from text */

struct reader {
	char copy[NIC_RULE_BYTES]; /* of the text, cut into words */
	char *rest;
};

static const char *word(struct reader *r)
{
	return strtok_r(NULL, " ", &r->rest);
}

/* @name VALUE, where the next word is @name: its value, and the word after it into *@next. */
static const char *named(struct reader *r, const char **next, const char *name)
{
	const char *value;

	if (!*next || strcmp(*next, name))
		return NULL;
	value = word(r);
	*next = word(r);
	return value ? value : "";
}

static int parse_field(const struct layout *layout, unsigned field, const char *text,
		       struct ethtool_rx_flow_spec *fs)
{
	uint8_t *value = fs->h_u.hdata + layout->at[field];
	uint64_t port;

	memset(fs->m_u.hdata + layout->at[field], 255, layout->bytes[field]);
	if (field == SRC_IP || field == DST_IP)
		return inet_pton(layout->family, text, value) == 1 ? 0 : -EINVAL;
	if (nic_number_parse(text, UINT16_MAX, &port))
		return -EINVAL;
	value[0] = (uint8_t)(port >> 8);
	value[1] = (uint8_t)port;
	return 0;
}

static int parse_target(struct reader *r, const char **next, struct ethtool_rxnfc *rule)
{
	const char *value = named(r, next, "queue");
	uint64_t n;

	if (value) {
		if (*next || nic_number_parse(value, INT32_MAX, &n))
			return -EINVAL;
		rule->fs.ring_cookie = n;
		return 0;
	}
	value = named(r, next, "context");
	if (!value || *next || nic_number_parse(value, UINT32_MAX - 1, &n) || !n)
		return -EINVAL;
	rule->fs.flow_type |= FLOW_RSS;
	rule->rss_context = (uint32_t)n;
	return 0;
}

static int parse(struct reader *r, struct ethtool_rxnfc *rule)
{
	const char *next = strtok_r(r->copy, " ", &r->rest);
	const struct kind *kind = NULL;

	for (size_t i = 0; next && i < weir_array_len(kinds); i++)
		if (!strcmp(kinds[i].name, next))
			kind = &kinds[i];
	if (!kind)
		return -EINVAL;
	rule->fs.flow_type = kind->flow_type;
	next = word(r);
	for (unsigned i = 0; i < FIELDS; i++) {
		const char *value = named(r, &next, words[i]);

		if (value && parse_field(kind->layout, i, value, &rule->fs))
			return -EINVAL;
	}
	return parse_target(r, &next, rule);
}

int nic_rule_parse(const char *spec, struct ethtool_rxnfc *ret, struct weir_error *reterr)
{
	struct ethtool_rxnfc rule = { 0 };
	char back[NIC_RULE_BYTES];
	struct reader r;
	int n;

	n = snprintf(r.copy, sizeof(r.copy), "%s", spec);
	if (n < 0 || (size_t)n >= sizeof(r.copy) || parse(&r, &rule) ||
	    strcmp(nic_rule_text(&rule, back, sizeof(back)), spec))
		return nic_value_bad(
			reterr, "flow rule", spec,
			"tcp4|udp4|tcp6|udp6 [src-ip A] [dst-ip A] [src-port N] "
			"[dst-port N] queue N|context N, addresses in their short form");
	*ret = rule;
	return 0;
}
