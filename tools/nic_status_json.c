// SPDX-License-Identifier: MIT
/*
 * nic_status_json.c - the state of an interface for a program.
 *
 * Theory: a member for each member of struct weir_nic_info, by the same names; a value that is not
 *	known is null, so that a program cannot take it for one.
 * Invariants: 1. every member is always there.
 * Ownership: the caller owns the object.
 * Threads: any.
 * Errors: what cannot be added for want of memory is missing.
 * Sources: include/weir/nic.h
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "nic_status.h"

static void text(cJSON *to, const char *key, const char *value)
{
	if (value[0])
		cJSON_AddStringToObject(to, key, value);
	else
		cJSON_AddNullToObject(to, key);
}

static void number(cJSON *to, const char *key, double value, bool known)
{
	if (known)
		cJSON_AddNumberToObject(to, key, value);
	else
		cJSON_AddNullToObject(to, key);
}

static void state(cJSON *to, const char *key, enum weir_nic_state value)
{
	static const char *const words[] = { [WEIR_NIC_UNKNOWN] = "",
					     [WEIR_NIC_OFF] = "off",
					     [WEIR_NIC_ON] = "on",
					     [WEIR_NIC_ABSENT] = "absent" };

	text(to, key, words[value]);
}

static void feature(cJSON *to, const char *key, const struct weir_nic_switch *s)
{
	cJSON *j = cJSON_AddObjectToObject(to, key);

	state(j, "state", s->state);
	cJSON_AddBoolToObject(j, "fixed", s->fixed);
}

static void add_device(cJSON *j, const struct weir_nic_info *info)
{
	cJSON_AddStringToObject(j, "interface", info->ifname);
	number(j, "ifindex", info->ifindex, true);
	number(j, "netns_cookie", (double)info->netns_cookie, true);
	text(j, "driver", info->driver);
	text(j, "driver_version", info->driver_version);
	text(j, "firmware", info->firmware);
	text(j, "bus_info", info->bus_info);
	text(j, "kind", info->kind);
	cJSON_AddBoolToObject(j, "up", info->up);
	cJSON_AddBoolToObject(j, "carrier", info->carrier);
	cJSON_AddBoolToObject(j, "loopback", info->loopback);
	number(j, "mtu_bytes", info->mtu_bytes, true);
	text(j, "carries", info->carries);
}

static void add_settings(cJSON *j, const struct weir_nic_info *info)
{
	cJSON *features;

	number(j, "rx_queues", info->rx_queues, true);
	number(j, "combined", info->combined, info->combined_max);
	number(j, "combined_max", info->combined_max, info->combined_max);
	number(j, "rx_channels", info->rx_channels, info->rx_channels_max);
	number(j, "rx_channels_max", info->rx_channels_max, info->rx_channels_max);
	number(j, "ring_entries", info->ring_entries, info->ring_entries);
	number(j, "ring_entries_max", info->ring_entries_max, info->ring_entries_max);
	number(j, "rx_buf_bytes", info->rx_buf_bytes, info->rx_buf_bytes);
	state(j, "split", info->split);
	number(j, "hds_threshold_bytes", (double)info->hds_threshold_bytes,
	       info->hds_threshold_bytes >= 0);
	number(j, "hds_threshold_max_bytes", (double)info->hds_threshold_max_bytes,
	       info->hds_threshold_max_bytes >= 0);
	features = cJSON_AddObjectToObject(j, "features");
	feature(features, "ntuple", &info->ntuple);
	feature(features, "rx_hash", &info->rx_hash);
	feature(features, "gro", &info->gro);
	feature(features, "gro_hw", &info->gro_hw);
	feature(features, "lro", &info->lro);
	state(j, "zerocopy_xsk", info->zerocopy_xsk);
	number(j, "xdp_prog_id", info->xdp_prog_id, info->xdp_mode[0]);
	text(j, "xdp_mode", info->xdp_mode);
}

static void add_rss(cJSON *to, const struct weir_nic_info *info)
{
	static const char *const kinds[] = { "tcp4", "udp4", "tcp6", "udp6" };
	static const uint32_t bits[] = { WEIR_NIC_HASH_TCP4, WEIR_NIC_HASH_UDP4, WEIR_NIC_HASH_TCP6,
					 WEIR_NIC_HASH_UDP6 };
	char key[3 * sizeof(info->rss_key) + 1] = "";
	cJSON *j = cJSON_AddObjectToObject(to, "rss"), *list;

	text(j, "hash", info->rss_hash);
	cJSON_AddBoolToObject(j, "symmetric", info->rss_symmetric);
	for (uint32_t i = 0; i < info->rss_key_bytes; i++)
		snprintf(key + (i ? 3 * i - 1 : 0), 4, i ? ":%02x" : "%02x", info->rss_key[i]);
	text(j, "key", key);
	list = cJSON_AddArrayToObject(j, "hash_ports");
	for (unsigned i = 0; i < 4; i++)
		if (info->rss_hash_ports & bits[i])
			cJSON_AddItemToArray(list, cJSON_CreateString(kinds[i]));
	list = cJSON_AddArrayToObject(j, "table");
	for (uint32_t i = 0; i < info->rss_table_entries; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(weir_nic_info_rss(info, i)));
	list = cJSON_AddArrayToObject(j, "contexts");
	for (unsigned i = 0; weir_nic_info_context(info, i); i++) {
		const struct weir_nic_context *c = weir_nic_info_context(info, i);
		cJSON *one = cJSON_CreateObject();

		number(one, "id", c->id, true);
		text(one, "queues", c->queues);
		number(one, "owner", c->ours, c->ours);
		cJSON_AddItemToArray(list, one);
	}
}

static void add_queues(cJSON *to, const struct weir_nic_info *info)
{
	static const char *const uses[] = { "zcrx", "devmem", "xsk", "leased" };
	cJSON *list = cJSON_AddArrayToObject(to, "queues");

	for (unsigned i = 0; weir_nic_info_queue(info, i); i++) {
		const struct weir_nic_queue *q = weir_nic_info_queue(info, i);
		cJSON *j = cJSON_CreateObject(), *used;

		number(j, "index", q->index, true);
		used = cJSON_AddArrayToObject(j, "uses");
		for (unsigned bit = 0; bit < 4; bit++)
			if (q->uses & 1u << bit)
				cJSON_AddItemToArray(used, cJSON_CreateString(uses[bit]));
		number(j, "napi_id", q->napi_id, q->napi_id);
		number(j, "irq", q->irq, q->irq >= 0);
		text(j, "cpus", q->cpus);
		number(j, "defer_hard_irqs", (double)q->defer_hard_irqs, q->defer_hard_irqs >= 0);
		number(j, "gro_flush_timeout_ns", (double)q->gro_flush_timeout_ns,
		       q->gro_flush_timeout_ns >= 0);
		number(j, "irq_suspend_timeout_ns", (double)q->irq_suspend_timeout_ns,
		       q->irq_suspend_timeout_ns >= 0);
		state(j, "threaded", q->threaded);
		number(j, "pool_pages_inflight", (double)q->pool_pages_inflight,
		       q->pool_pages_inflight >= 0);
		number(j, "rules", q->rules, true);
		number(j, "rss_entries", q->rss, true);
		cJSON_AddItemToArray(list, j);
	}
}

static void add_rules(cJSON *to, const struct weir_nic_info *info)
{
	static const char *const others[] = { "drop", "context", "other" };
	cJSON *list;

	number(to, "rule_room", info->rule_room, info->rule_room);
	cJSON_AddBoolToObject(to, "rule_any", info->rule_any);
	list = cJSON_AddArrayToObject(to, "rules");
	for (unsigned i = 0; weir_nic_info_rule(info, i); i++) {
		const struct weir_nic_rule *rule = weir_nic_info_rule(info, i);
		cJSON *j = cJSON_CreateObject();

		number(j, "location", rule->location, true);
		text(j, "match", rule->text);
		text(j, "to", rule->queue >= 0 ? "queue" : others[-rule->queue - 1]);
		number(j, "queue", rule->queue, rule->queue >= 0);
		number(j, "context", rule->context, rule->queue == WEIR_NIC_TO_CONTEXT);
		number(j, "owner", rule->ours, rule->ours);
		cJSON_AddItemToArray(list, j);
	}
}

static void add_owners(cJSON *to, const struct weir_nic_info *info)
{
	cJSON *list = cJSON_AddArrayToObject(to, "owners");

	for (unsigned i = 0; weir_nic_info_owner(info, i); i++) {
		const struct weir_nic_owner *o = weir_nic_info_owner(info, i);
		cJSON *j = cJSON_CreateObject();

		number(j, "id", o->id, true);
		number(j, "pid", o->pid, o->pid);
		cJSON_AddBoolToObject(j, "alive", o->alive);
		text(j, "name", o->name);
		number(j, "changes", o->changes, true);
		cJSON_AddItemToArray(list, j);
	}
}

struct cJSON *nic_status_json(const struct weir_nic_info *info)
{
	cJSON *j = cJSON_CreateObject();

	add_device(j, info);
	add_settings(j, info);
	add_rss(j, info);
	add_queues(j, info);
	add_rules(j, info);
	add_owners(j, info);
	return j;
}
