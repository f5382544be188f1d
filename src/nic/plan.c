// SPDX-License-Identifier: MIT
/*
 * plan.c - from what is wanted of a NIC and what it is, to changes in the order of making them.
 *
 * Theory: each wish of the options becomes changes, in an order in which each can be made, and the
 *	reverse of which puts all back:
 *
 *	    channels        they make the queues, and a default RSS table is renewed with them;
 *	                    fewer ones after rss: a table of somebody's own may read as the
 *	                    default of fewer queues, and would be lost
 *	    split, hds      zero-copy receive is refused without
 *	    features        ntuple before rules; lro, rx-gro-hw
 *	    rss             no other flow on the chosen queues, before anything is steered there
 *	    context, rules  the wanted flows come
 *	    irq, napi       where and how they are worked off
 *
 *	A plan is made from what the kernel says now, as it will be when the changes of dead
 *	owners are undone; making it changes nothing. Doing it (nic.c) computes each target anew,
 *	under the journal's lock.
 * Invariants: 1. every change of a plan has a kind; a setting is in it once for each key.
 *	2. at least one queue is left to other traffic.  3. what dead owners hold counts for
 *	nothing: it is undone before the plan is done.
 * Ownership: a plan owns all its texts.
 * Threads: any; plans are not shared.
 * Errors: one sentence that names queue or setting and says what to do.
 * Sources: bound queues refuse a change of split (net/core/dev.c, Linux 7.3); channels and RSS
 *	tables (net/ethtool/channels.c: too few channels for the table are refused).
 * Tests: tests/unit/test_nic_open.c, tests/vm/t/nic_apply.sh, tests/netns/nic_apply.sh
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

/* What making a plan looks at. */
struct making {
	struct weir_nic_plan *plan;
	struct nic_ctx *ctx;
	const struct nic_journal *j;
	const struct weir_nic_opts *opts;
	const struct weir_nic_info *info;
	unsigned rings; /* Rx queues once leftovers are undone and channels are set */
	struct weir_error *err;
};

/* Queues as a set: the NIC's may be more than one owner can hold. */
#define RINGS_MAX 65536
struct queues {
	uint64_t bit[RINGS_MAX / 64];
};

static void queues_add(struct queues *q, unsigned i)
{
	if (i < RINGS_MAX)
		q->bit[i / 64] |= UINT64_C(1) << i % 64;
}

static bool queues_has(const struct queues *q, unsigned i)
{
	return i < RINGS_MAX && q->bit[i / 64] >> i % 64 & 1;
}

/* What owners keep other traffic off, from their wants: "away 2,3" */
static void queues_held(const struct nic_journal *j, struct queues *ret)
{
	const char *wants[NIC_WANTS_MAX], *base;
	unsigned n = nic_journal_setting(j, &nic_set_rss, "", &base, wants, NIC_WANTS_MAX);

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < n && i < NIC_WANTS_MAX; i++) {
		const char *at = wants[i] + strcspn(wants[i], "0123456789");

		while (*at) {
			char *end;

			queues_add(ret, (unsigned)strtoul(at, &end, 10));
			at = end + strcspn(end, "0123456789");
		}
	}
}

static const char *use_of(const struct weir_nic_queue *q)
{
	if (!q)
		return NULL;
	return q->uses & WEIR_NIC_QUEUE_ZCRX   ? "zero-copy receive has bound it" :
	       q->uses & WEIR_NIC_QUEUE_DEVMEM ? "devmem TCP has bound it" :
	       q->uses & WEIR_NIC_QUEUE_XSK    ? "an AF_XDP socket is on it" :
	       q->uses & WEIR_NIC_QUEUE_LEASED ? "it is leased to another device" :
						 NULL;
}

/* Owners whose process has ended: what they made is undone before anything is done. */
static bool is_dead(const struct making *m, uint32_t id)
{
	const struct weir_nic_owner *owner;

	for (unsigned i = 0; id && (owner = weir_nic_info_owner(m->info, i)); i++)
		if (owner->id == id)
			return !owner->alive;
	return false;
}

/* The first rule that leads to queues from @from to below @to and stays; NULL: none. */
static const struct weir_nic_rule *rule_to(const struct making *m, unsigned from, unsigned to)
{
	const struct weir_nic_rule *rule;

	for (unsigned i = 0; (rule = weir_nic_info_rule(m->info, i)); i++)
		if (rule->queue >= 0 && (unsigned)rule->queue >= from &&
		    (unsigned)rule->queue < to && !is_dead(m, rule->ours))
			return rule;
	return NULL;
}

static bool context_has(const struct weir_nic_context *c, unsigned queue)
{
	char *end = NULL;

	for (const char *at = c->queues; *at; at = *end ? end + 1 : end) {
		unsigned long from = strtoul(at, &end, 10), to = from;

		if (end == at)
			break;
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (queue >= from && queue <= to)
			return true;
	}
	return false;
}

/* Is it in an RSS context of another owner? */
static bool in_context(const struct making *m, unsigned queue)
{
	const struct weir_nic_context *c;

	for (unsigned i = 0; (c = weir_nic_info_context(m->info, i)); i++)
		if (c->ours && !is_dead(m, c->ours) && context_has(c, queue))
			return true;
	return false;
}

static unsigned channels_now(const struct making *m)
{
	return m->info->combined_max ? m->info->combined : m->info->rx_channels;
}

static unsigned channels_most(const struct making *m)
{
	return m->info->combined_max ? m->info->combined_max : m->info->rx_channels_max;
}

/* How to come to more queues: "more: --channels 3" */
static const char *more_queues(const struct making *m, char *buf, size_t bytes)
{
	unsigned channels = m->opts->channels ? m->opts->channels : channels_now(m);

	if (channels < channels_most(m))
		snprintf(buf, bytes, "more: --channels %u", channels + 1);
	else
		snprintf(buf, bytes, "it can have no more");
	return buf;
}

static int choose_given(struct making *m, const struct queues *held)
{
	unsigned first = (unsigned)m->opts->queue_first, count = m->plan->queue_count;
	char object[64], more[48];

	snprintf(object, sizeof(object), "%s rxq %u", m->plan->ifname, first);
	if (first + count > m->rings)
		return weir_error_set(m->err, -ERANGE, "nic plan", object,
				      "the NIC has %u Rx queues, 0 to %u; %s", m->rings,
				      m->rings - 1, more_queues(m, more, sizeof(more)));
	for (unsigned i = 0; i < count; i++) {
		const char *use = use_of(weir_nic_info_queue(m->info, first + i));
		bool away = m->opts->flags & WEIR_NIC_RSS_AWAY;

		snprintf(object, sizeof(object), "%s rxq %u", m->plan->ifname, first + i);
		if (use)
			return weir_error_set(m->err, -EBUSY, "nic plan", object,
					      "%s: choose another queue, or end what uses it", use);
		if (away && (queues_has(held, first + i) || in_context(m, first + i)))
			return weir_error_set(m->err, -EBUSY, "nic plan", object,
					      "another owner holds it: \"weir nic status %s\" "
					      "names it",
					      m->plan->ifname);
		m->plan->queue[i] = (int)(first + i);
	}
	return 0;
}

static bool is_free(const struct making *m, const struct queues *held, unsigned i)
{
	return !use_of(weir_nic_info_queue(m->info, i)) && !queues_has(held, i) &&
	       !in_context(m, i) && !rule_to(m, i, i + 1);
}

/* The highest ones: drivers and people begin to count at 0. */
static int choose_free(struct making *m, const struct queues *held)
{
	unsigned count = m->plan->queue_count, run = 0;

	for (unsigned i = m->rings; i-- > 0;) {
		run = is_free(m, held, i) ? run + 1 : 0;
		if (run < count)
			continue;
		for (unsigned k = 0; k < count; k++)
			m->plan->queue[k] = (int)(i + k);
		return 0;
	}
	return weir_error_set(m->err, -EBUSY, "nic plan", m->plan->ifname,
			      "no %u of its %u Rx queues beside each other are free: \"weir nic "
			      "status %s\" shows what uses them",
			      count, m->rings, m->plan->ifname);
}

static int choose_queues(struct making *m)
{
	unsigned left = 0;
	struct queues held;
	char more[48];
	int r;

	queues_held(m->j, &held);
	if (m->plan->queue_count > m->rings)
		return weir_error_set(m->err, -ERANGE, "nic plan", m->plan->ifname,
				      "it has %u Rx queues, %u are wanted; %s", m->rings,
				      m->plan->queue_count, more_queues(m, more, sizeof(more)));
	r = m->opts->queue_first < 0 ? choose_free(m, &held) : choose_given(m, &held);
	if (r || !(m->opts->flags & WEIR_NIC_RSS_AWAY))
		return r;
	for (unsigned i = 0; i < m->plan->queue_count; i++)
		queues_add(&held, (unsigned)m->plan->queue[i]);
	for (unsigned i = 0; i < m->rings; i++)
		left += !queues_has(&held, i);
	if (!left)
		return weir_error_set(m->err, -ERANGE, "nic plan", m->plan->ifname,
				      "no Rx queue would be left for other traffic: it has %u; %s",
				      m->rings, more_queues(m, more, sizeof(more)));
	return 0;
}

/* --------------------------------------------------------------------------- the wishes */

static int want(struct making *m, const struct nic_setting_kind *kind, const char *key,
		const char *value, const char *note)
{
	return nic_plan_want(m->plan, m->ctx, m->j, kind, key, value, note, m->err);
}

/* Rx queues with so many channels: beside them there may be others. */
static unsigned rings_with(const struct making *m, unsigned channels)
{
	unsigned now = channels_now(m), rings = m->info->rx_queues;

	return rings > now ? rings - now + channels : channels;
}

/* Rx queues once dead owners' changes are undone. */
static unsigned rings_left(const struct making *m)
{
	const char *wants[NIC_WANTS_MAX], *base;

	if (nic_journal_setting(m->j, &nic_set_channels, "", &base, wants, NIC_WANTS_MAX) || !base)
		return m->info->rx_queues;
	return rings_with(m, (unsigned)strtoul(base + strcspn(base, "0123456789"), NULL, 10));
}

/* Number of queues that the RSS table needs; 0: it follows the number of queues. */
static unsigned table_needs(const struct making *m)
{
	const char *wants[NIC_WANTS_MAX], *at;
	unsigned n = nic_journal_setting(m->j, &nic_set_rss, "", &at, wants, NIC_WANTS_MAX);
	bool is_default = true;
	unsigned needs = 0;

	if (at && !n) /* only the dead have changed it */
		for (at += strcspn(at, "0123456789"); *at; at += strcspn(at, "0123456789")) {
			char *end;
			unsigned queue = (unsigned)strtoul(at, &end, 10);

			needs = queue >= needs ? queue + 1 : needs;
			at = end;
		}
	if (at && !n)
		return needs;
	for (unsigned i = 0; i < m->info->rss_table_entries; i++) {
		unsigned queue = (unsigned)weir_nic_info_rss(m->info, i);

		is_default = is_default && queue == i % m->info->rx_queues;
		needs = queue >= needs ? queue + 1 : needs;
	}
	return is_default ? 0 : needs;
}

/* What keeps queues from @m->rings on, which fewer channels would take away. */
static int queues_can_go(const struct making *m)
{
	const struct weir_nic_rule *rule = rule_to(m, m->rings, RINGS_MAX);
	struct queues held;

	queues_held(m->j, &held);
	for (unsigned i = m->rings; i < m->info->rx_queues; i++) {
		const char *use = use_of(weir_nic_info_queue(m->info, i));

		if (!use && (queues_has(&held, i) || in_context(m, i)))
			use = "another owner holds it (weir nic status)";
		if (use)
			return weir_error_set(m->err, -EBUSY, "nic plan", m->plan->ifname,
					      "rxq %u would go with %u channels, and %s", i,
					      m->opts->channels, use);
	}
	if (m->rings < m->info->rx_queues && table_needs(m) > m->rings)
		return weir_error_set(m->err, -EBUSY, "nic plan", m->plan->ifname,
				      "the RSS table names queues that would go: \"ethtool -X %s "
				      "default\" first, or end who holds it (weir nic status)",
				      m->plan->ifname);
	if (m->rings < m->info->rx_queues && rule)
		return weir_error_set(m->err, -EBUSY, "nic plan", m->plan->ifname,
				      "rxq %d would go, and a rule leads there (%s): \"ethtool -N "
				      "%s delete %u\" first, or end its owner",
				      rule->queue, rule->text, m->plan->ifname, rule->location);
	return 0;
}

static int check_channels(struct making *m)
{
	unsigned channels = m->opts->channels, most = channels_most(m);

	if (!channels)
		return 0;
	if (!most)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "its driver (%s) has no channels to set", m->info->driver);
	if (channels > most)
		return weir_error_set(m->err, -ERANGE, "nic plan", m->plan->ifname,
				      "it has at most %u channels", most);
	m->rings = rings_with(m, channels);
	m->plan->rss_first = m->rings < m->info->rx_queues && m->opts->flags & WEIR_NIC_RSS_AWAY;
	return queues_can_go(m);
}

static int set_channels(struct making *m)
{
	char value[16];

	if (!m->opts->channels)
		return 0;
	snprintf(value, sizeof(value), "%u", m->opts->channels);
	return want(m, &nic_set_channels, "", value, "");
}

static int want_split(struct making *m)
{
	int r;

	if (!(m->opts->flags & WEIR_NIC_SPLIT))
		return 0;
	if (m->info->xdp_prog_id)
		return weir_error_set(
			m->err, -EBUSY, "nic plan", m->plan->ifname,
			"an XDP program is attached, and zero-copy receive is refused "
			"beside one: \"ip link set dev %s xdp off\", or another NIC",
			m->plan->ifname);
	if (m->info->split == WEIR_NIC_ABSENT)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "its driver (%s) cannot split headers from data "
				      "(tcp-data-split)",
				      m->info->driver);
	r = want(m, &nic_set_split, "", "on", "");
	if (r || m->info->hds_threshold_bytes < 0)
		return r;
	return want(m, &nic_set_hds, "", "0", "");
}

static int want_feature(struct making *m, const char *key, const struct weir_nic_switch *now,
			const char *value, bool needed)
{
	bool off = strcmp(value, "on") != 0;
	bool is = now->state == (off ? WEIR_NIC_OFF : WEIR_NIC_ON) ||
		  (off && now->state == WEIR_NIC_ABSENT);

	if (now->state == WEIR_NIC_ABSENT || now->state == WEIR_NIC_UNKNOWN || now->fixed) {
		if (is || !needed)
			return 0;
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "its driver (%s) cannot set %s %s", m->info->driver, key,
				      value);
	}
	return want(m, &nic_set_feature, key, value, "");
}

static int want_features(struct making *m)
{
	uint32_t flags = m->opts->flags;
	int r = 0;

	if (m->opts->flow_count || flags & WEIR_NIC_RSS_AWAY)
		r = want_feature(m, "ntuple", &m->info->ntuple, "on", m->opts->flow_count > 0);
	if (!r && flags & WEIR_NIC_NO_LRO)
		r = want_feature(m, "lro", &m->info->lro, "off", true);
	if (!r && flags & WEIR_NIC_GRO_HW)
		r = want_feature(m, "rx-gro-hw", &m->info->gro_hw, "on", false);
	return r;
}

void nic_queues_text(const int *queue, unsigned count, char *buf, size_t bytes)
{
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < count && used < bytes; i++)
		used += (size_t)snprintf(buf + used, bytes - used, "%s%d", i ? "," : "", queue[i]);
}

/* Contexts of others that spread over a chosen queue are not changed, but said. */
static void context_note(const struct making *m, char *note, size_t bytes)
{
	const struct weir_nic_context *c;

	note[0] = '\0';
	for (unsigned i = 0; (c = weir_nic_info_context(m->info, i)); i++)
		for (unsigned k = 0; !is_dead(m, c->ours) && k < m->plan->queue_count; k++)
			if (context_has(c, (unsigned)m->plan->queue[k]))
				snprintf(
					note, bytes,
					"RSS context %u, not this plan's, also spreads over rxq %d",
					c->id, m->plan->queue[k]);
}

static int want_rss(struct making *m)
{
	char list[512], value[520], note[120];
	unsigned entries = m->info->rss_table_entries;

	if (!(m->opts->flags & WEIR_NIC_RSS_AWAY))
		return 0;
	if (!entries)
		return weir_error_set(
			m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
			"its driver (%s) has no RSS table: other flows cannot be kept "
			"off a queue",
			m->info->driver);
	nic_queues_text(m->plan->queue, m->plan->queue_count, list, sizeof(list));
	snprintf(value, sizeof(value), "away %s", list);
	context_note(m, note, sizeof(note));
	return want(m, &nic_set_rss, "", value, note);
}

/* Do rules take the packets already, those that are there or those of this plan? */
static int check_rule(const struct making *m, const char *spec)
{
	const char *to = strstr(spec, " queue ");
	const struct weir_nic_rule *rule;
	size_t len;

	to = to ? to : strstr(spec, " context ");
	len = to ? (size_t)(to - spec) : strlen(spec);
	for (unsigned i = 0; (rule = weir_nic_info_rule(m->info, i)); i++)
		if (!strncmp(rule->text, spec, len) && !rule->text[len] && !is_dead(m, rule->ours))
			return weir_error_set(m->err, -EEXIST, "nic plan", m->plan->ifname,
					      "rule %u takes these packets already (%s): \"ethtool "
					      "-N %s delete %u\", or end its owner (weir nic "
					      "status)",
					      rule->location, rule->text, m->plan->ifname,
					      rule->location);
	for (unsigned i = 0; i < m->plan->count; i++)
		if (m->plan->change[i].object == &nic_obj_rule &&
		    !strncmp(m->plan->change[i].want, spec, len + 1))
			return weir_error_set(
				m->err, -EINVAL, "nic plan", m->plan->ifname,
				"two flows take the same packets (%.*s): leave one out", (int)len,
				spec);
	return 0;
}

static int want_flows(struct making *m)
{
	char list[512], text[520], specs[2][NIC_SPEC_BYTES];
	int r;

	if (!m->opts->flow_count)
		return 0;
	snprintf(text, sizeof(text), "queue %d", m->plan->queue[0]);
	if (m->plan->queue_count > 1) {
		nic_queues_text(m->plan->queue, m->plan->queue_count, list, sizeof(list));
		snprintf(text, sizeof(text), "queues %s", list);
		r = nic_plan_make_object(m->plan, &nic_obj_context, text, -1, m->err);
		if (r)
			return r;
		snprintf(text, sizeof(text), "context %s", NIC_CONTEXT_NEW);
	}
	for (unsigned i = 0; i < m->opts->flow_count; i++) {
		unsigned n = nic_flow_specs(&m->opts->flows[i], text, specs);

		for (unsigned k = 0; n && k < i; k++)
			if (nic_flow_same(&m->opts->flows[i], &m->opts->flows[k]))
				n = 0; /* named twice */
		for (unsigned k = 0; k < n; k++) {
			r = check_rule(m, specs[k]);
			if (!r)
				r = nic_plan_make_object(m->plan, &nic_obj_rule, specs[k], (int)i,
							 m->err);
			if (r)
				return r;
		}
	}
	return 0;
}

static int want_irq(struct making *m, unsigned i)
{
	const struct weir_nic_queue *q = weir_nic_info_queue(m->info, (unsigned)m->plan->queue[i]);
	char key[16], value[16];

	if (m->plan->rings)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "interrupts may get other numbers with the number of queues: "
				      "change channels first, its own apply, and then the rest");
	if (!q || q->irq < 0)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "the kernel does not tell the interrupt of rxq %d",
				      m->plan->queue[i]);
	snprintf(key, sizeof(key), "%d", q->irq);
	snprintf(value, sizeof(value), "%u", m->opts->cpus[i]);
	return want(m, &nic_set_irq, key, value, "");
}

static int want_napi(struct making *m, unsigned i)
{
	const struct weir_nic_queue *q = weir_nic_info_queue(m->info, (unsigned)m->plan->queue[i]);
	char key[16], value[160];
	int used;

	if (!q)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "rxq %d is made by the change of channels: change channels "
				      "first, its own apply, and then the rest",
				      m->plan->queue[i]);
	if (q->gro_flush_timeout_ns < 0 || q->defer_hard_irqs < 0)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "the kernel does not tell the NAPI settings of rxq %d: raise "
				      "the link (ip link set %s up); before Linux 6.13 it never "
				      "does",
				      m->plan->queue[i], m->plan->ifname);
	snprintf(key, sizeof(key), "%d", m->plan->queue[i]);
	used = snprintf(value, sizeof(value), "defer-hard-irqs %u gro-flush-timeout %llu",
			m->opts->defer_hard_irqs,
			(unsigned long long)m->opts->gro_flush_timeout_ns);
	if (q->irq_suspend_timeout_ns >= 0)
		snprintf(value + used, sizeof(value) - (size_t)used, " irq-suspend-timeout %llu",
			 (unsigned long long)m->opts->irq_suspend_timeout_ns);
	else if (m->opts->irq_suspend_timeout_ns)
		return weir_error_set(m->err, -EOPNOTSUPP, "nic plan", m->plan->ifname,
				      "this kernel has no irq-suspend-timeout; leave it 0");
	return want(m, &nic_set_napi, key, value, "");
}

static int want_queues(struct making *m)
{
	int r = 0;

	for (unsigned i = 0; !r && i < m->plan->queue_count; i++) {
		if (m->opts->flags & WEIR_NIC_IRQ_CPU)
			r = want_irq(m, i);
		if (!r && m->opts->flags & WEIR_NIC_BUSY_POLL)
			r = want_napi(m, i);
	}
	return r;
}

static int refuse_way_out(const struct making *m)
{
	if (!m->info->carries[0] || m->opts->flags & WEIR_NIC_REALLY)
		return 0;
	return weir_error_set(m->err, -EPERM, "nic plan", m->plan->ifname,
			      "%s; a mistake would cut this machine off: another NIC, or --really",
			      m->info->carries);
}

static void count_leftovers(struct weir_nic_plan *plan, const struct nic_journal *j)
{
	const struct nic_owner *owner;

	for (unsigned i = 0; (owner = nic_journal_owner(j, i)); i++)
		if (nic_owner_life(owner) == NIC_DEAD)
			plan->leftovers += nic_journal_changes(j, owner->id);
}

static int make(struct making *m)
{
	int r = refuse_way_out(m);

	m->plan->queue_count = m->opts->queue_count;
	m->rings = rings_left(m);
	if (!r)
		r = check_channels(m);
	m->plan->rings = m->rings != m->info->rx_queues ? m->rings : 0;
	if (!r && !m->plan->rss_first)
		r = set_channels(m);
	if (!r)
		r = want_split(m);
	if (!r)
		r = choose_queues(m);
	if (!r)
		r = want_features(m);
	if (!r)
		r = want_rss(m);
	if (!r && m->plan->rss_first)
		r = set_channels(m);
	if (!r)
		r = want_flows(m);
	return r ? r : want_queues(m);
}

int nic_plan_make(struct weir_nic_plan **ret, struct nic_ctx *ctx, const struct nic_journal *j,
		  const struct weir_nic_opts *opts, struct weir_error *reterr)
{
	struct making m = { .ctx = ctx, .j = j, .opts = opts, .err = reterr };
	struct nic_info *info = NULL;
	int r;

	m.plan = calloc(1, sizeof(*m.plan));
	if (!m.plan)
		return weir_error_set(reterr, -ENOMEM, "nic plan", ctx->ifname, NULL);
	snprintf(m.plan->ifname, sizeof(m.plan->ifname), "%s", ctx->ifname);
	r = nic_info_read(&info, ctx, j, reterr);
	if (!r) {
		m.info = &info->pub;
		count_leftovers(m.plan, j);
		r = make(&m);
		weir_nic_info_free(&info->pub);
	}
	if (r) {
		weir_nic_plan_free(m.plan);
		return r;
	}
	*ret = m.plan;
	return 0;
}

int weir_nic_plan_new(struct weir_nic_plan **ret, const struct weir_nic_opts *opts,
		      struct weir_error *reterr)
{
	struct weir_nic_opts o = { 0 };
	struct weir_error err = { 0 };
	struct nic_journal *j = NULL;
	struct nic_ctx ctx;
	int r = nic_opts_read(&o, opts, reterr);

	if (r)
		return r;
	if (!ret)
		return weir_error_set(reterr, -EINVAL, "nic plan", o.ifname,
				      "a place for the plan is needed");
	r = nic_ctx_init(&ctx, o.ifname, &err);
	if (!r)
		r = nic_journal_open(&j, &ctx, false, &err);
	if (!r)
		r = nic_plan_make(ret, &ctx, j, &o, &err);
	nic_journal_close(j);
	nic_ctx_fini(&ctx);
	return nic_error_give(reterr, &err, r, "nic plan", o.ifname);
}
