// SPDX-License-Identifier: MIT
/*
 * nic_status_text.c - the state of interfaces for a person.
 *
 * Theory: a heading, a line for each group of settings, tables of queues, rules, contexts, owners.
 *	Lines and columns with nothing to say are left out: what the kernel does not tell is not
 *	shown.
 *
 *		eth0  mlx5_core 6.18.0, firmware 22.39, 0000:3b:00.0
 *		  link      up, carrier, MTU 1500
 *		  split     on, threshold 0 B (most 1023)
 *		  queue  used by  rules  RSS  IRQ  CPUs
 *		      0           -       16   57  0-3
 * Invariants: 1. a table's column is as wide as its widest cell.
 * Ownership: none.
 * Threads: any.
 * Errors: those of the stream, which main.c checks.
 * Sources: include/weir/nic.h
 * Tests: tests/netns/nic_info.sh, tests/vm/t/nic_info.sh
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "nic_status.h"

#define CELL_BYTES 80

/* ------------------------------------------------------------------------------- tables */

/* One column: the cell of row @i of @info. */
struct column {
	const char *title;
	bool left; /* text; numbers stand to the right */
	void (*cell)(const struct weir_nic_info *info, unsigned i, char *buf);
};

static size_t width_of(const struct column *c, const struct weir_nic_info *info, unsigned rows)
{
	size_t width = 0;
	char cell[CELL_BYTES];

	for (unsigned i = 0; i < rows; i++) {
		c->cell(info, i, cell);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return width && width < strlen(c->title) ? strlen(c->title) : width;
}

/* Columns end with one without a title; those without a single cell are left out. */
static void print_table(FILE *to, const struct column *columns, const struct weir_nic_info *info,
			unsigned rows)
{
	size_t width[16], n = 0, last = 0;
	char cell[CELL_BYTES];

	for (; columns[n].title; n++) {
		width[n] = width_of(&columns[n], info, rows);
		if (width[n])
			last = n;
	}
	for (unsigned i = 0; rows && i <= rows; i++) {
		for (size_t c = 0; c <= last; c++) {
			if (!width[c])
				continue;
			if (i)
				columns[c].cell(info, i - 1, cell);
			fprintf(to, "  %*s",
				(int)(columns[c].left ? c == last ? 0 : -(int)width[c] :
							(int)width[c]),
				i ? cell : columns[c].title);
		}
		fputc('\n', to);
	}
}

/* ------------------------------------------------------------------------------- queues */

static void cell_number(char *buf, int64_t value)
{
	if (value < 0)
		buf[0] = '\0';
	else
		snprintf(buf, CELL_BYTES, "%" PRId64, value);
}

static void queue_index(const struct weir_nic_info *info, unsigned i, char *buf)
{
	(void)info;
	cell_number(buf, i);
}

static void queue_uses(const struct weir_nic_info *info, unsigned i, char *buf)
{
	static const char *const names[] = { "zcrx", "devmem", "AF_XDP", "leased" };
	uint32_t uses = weir_nic_info_queue(info, i)->uses;
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned bit = 0; bit < 4; bit++)
		if (uses & 1u << bit)
			used += (size_t)snprintf(buf + used, CELL_BYTES - used, "%s%s",
						 used ? " " : "", names[bit]);
}

static void queue_rules(const struct weir_nic_info *info, unsigned i, char *buf)
{
	/* without a single rule the column would say nothing */
	cell_number(buf, weir_nic_info_rule(info, 0) ?
				 (int64_t)weir_nic_info_queue(info, i)->rules :
				 -1);
}

static void queue_rss(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, info->rss_table_entries ? (int64_t)weir_nic_info_queue(info, i)->rss : -1);
}

static void queue_napi(const struct weir_nic_info *info, unsigned i, char *buf)
{
	uint32_t id = weir_nic_info_queue(info, i)->napi_id;

	cell_number(buf, id ? (int64_t)id : -1);
}

static void queue_irq(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_queue(info, i)->irq);
}

static void queue_cpus(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "%s", weir_nic_info_queue(info, i)->cpus);
}

static void queue_defer(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_queue(info, i)->defer_hard_irqs);
}

static void cell_us(char *buf, int64_t ns)
{
	if (ns < 0)
		buf[0] = '\0';
	else if (ns % 1000)
		snprintf(buf, CELL_BYTES, "%" PRId64 ".%03d", ns / 1000, (int)(ns % 1000));
	else
		snprintf(buf, CELL_BYTES, "%" PRId64, ns / 1000);
}

static void queue_flush(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_us(buf, weir_nic_info_queue(info, i)->gro_flush_timeout_ns);
}

static void queue_suspend(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_us(buf, weir_nic_info_queue(info, i)->irq_suspend_timeout_ns);
}

static void queue_thread(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "%s",
		 weir_nic_info_queue(info, i)->threaded == WEIR_NIC_ON ? "yes" : "");
}

static void queue_pages(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_queue(info, i)->pool_pages_inflight);
}

static const struct column queue_columns[] = {
	{ "queue", false, queue_index },
	{ "used by", true, queue_uses },
	{ "rules", false, queue_rules },
	{ "RSS", false, queue_rss },
	{ "NAPI", false, queue_napi },
	{ "IRQ", false, queue_irq },
	{ "CPUs", true, queue_cpus },
	{ "thread", true, queue_thread },
	{ "defer IRQs", false, queue_defer },
	{ "flush us", false, queue_flush },
	{ "suspend us", false, queue_suspend },
	{ "pages in use", false, queue_pages },
	{ NULL, false, NULL },
};

/* ---------------------------------------------------------------- rules, contexts, owners */

static void cell_owner(char *buf, uint32_t id)
{
	buf[0] = '\0';
	if (id)
		snprintf(buf, CELL_BYTES, "weir #%" PRIu32, id);
}

static void rule_location(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_rule(info, i)->location);
}

static void rule_match(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "%s", weir_nic_info_rule(info, i)->text);
}

static void rule_to(const struct weir_nic_info *info, unsigned i, char *buf)
{
	const struct weir_nic_rule *rule = weir_nic_info_rule(info, i);

	if (rule->queue >= 0)
		snprintf(buf, CELL_BYTES, "queue %" PRId32, rule->queue);
	else if (rule->queue == WEIR_NIC_TO_CONTEXT)
		snprintf(buf, CELL_BYTES, "context %" PRIu32, rule->context);
	else
		snprintf(buf, CELL_BYTES, "%s",
			 rule->queue == WEIR_NIC_TO_DROP ? "drop" : "elsewhere");
}

static void rule_owner(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_owner(buf, weir_nic_info_rule(info, i)->ours);
}

static const struct column rule_columns[] = {
	{ "rule", false, rule_location }, { "match", true, rule_match }, { "to", true, rule_to },
	{ "made by", true, rule_owner },  { NULL, false, NULL },
};

static void context_id(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_context(info, i)->id);
}

static void context_queues(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "%s", weir_nic_info_context(info, i)->queues);
}

static void context_owner(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_owner(buf, weir_nic_info_context(info, i)->ours);
}

static const struct column context_columns[] = {
	{ "RSS context", false, context_id },
	{ "queues", true, context_queues },
	{ "made by", true, context_owner },
	{ NULL, false, NULL },
};

static void owner_id(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "weir #%" PRIu32, weir_nic_info_owner(info, i)->id);
}

static void owner_name(const struct weir_nic_info *info, unsigned i, char *buf)
{
	snprintf(buf, CELL_BYTES, "%s", weir_nic_info_owner(info, i)->name);
}

static void owner_process(const struct weir_nic_info *info, unsigned i, char *buf)
{
	const struct weir_nic_owner *owner = weir_nic_info_owner(info, i);

	if (!owner->pid)
		snprintf(buf, CELL_BYTES, "kept until `weir nic restore`");
	else
		snprintf(buf, CELL_BYTES, "process %" PRId32 "%s", owner->pid,
			 owner->alive ? "" : ", which has ended");
}

static void owner_changes(const struct weir_nic_info *info, unsigned i, char *buf)
{
	cell_number(buf, weir_nic_info_owner(info, i)->changes);
}

static const struct column owner_columns[] = {
	{ "held by", true, owner_id },
	{ "name", true, owner_name },
	{ "changes", false, owner_changes },
	{ "by", true, owner_process },
	{ NULL, false, NULL },
};

/* ------------------------------------------------------------------------------ settings */

static const char *word(enum weir_nic_state state)
{
	static const char *const words[] = { [WEIR_NIC_UNKNOWN] = "not known",
					     [WEIR_NIC_OFF] = "off",
					     [WEIR_NIC_ON] = "on",
					     [WEIR_NIC_ABSENT] = "not there" };

	return words[state];
}

__attribute__((format(printf, 3, 4))) static void line(FILE *to, const char *name,
						       const char *format, ...)
{
	va_list ap;

	fprintf(to, "  %-9s ", name);
	va_start(ap, format);
	vfprintf(to, format, ap);
	va_end(ap);
	fputc('\n', to);
}

static const char *driver(const struct weir_nic_info *info)
{
	return info->driver[0] ? info->driver :
	       info->kind[0]   ? info->kind :
	       info->loopback  ? "loopback" :
				 "-";
}

/* Whether flow rules can be had. */
static const char *rules_word(const struct weir_nic_info *info)
{
	return info->ntuple.state == WEIR_NIC_OFF && info->ntuple.fixed ? "not there" :
									  word(info->ntuple.state);
}

static void print_heading(FILE *to, const struct weir_nic_info *info)
{
	fprintf(to, "%s  %s", info->ifname, driver(info));
	if (info->driver_version[0])
		fprintf(to, " %s", info->driver_version);
	if (info->firmware[0] && strcmp(info->firmware, "N/A"))
		fprintf(to, ", firmware %s", info->firmware);
	if (info->bus_info[0])
		fprintf(to, ", %s", info->bus_info);
	fputc('\n', to);
}

static void print_link(FILE *to, const struct weir_nic_info *info)
{
	char most[32] = "";

	line(to, "link", "%s%s, MTU %" PRIu32 " B", info->up ? "up" : "down",
	     info->carrier ? ", carrier" :
	     info->up	   ? ", no carrier" :
			     "",
	     info->mtu_bytes);
	if (info->carries[0])
		line(to, "way out", "%s", info->carries);
	if (info->combined_max)
		line(to, "channels", "%" PRIu32 " combined (most %" PRIu32 ")", info->combined,
		     info->combined_max);
	if (info->rx_channels_max)
		line(to, "channels", "%" PRIu32 " receive (most %" PRIu32 ")", info->rx_channels,
		     info->rx_channels_max);
	if (info->ring_entries_max)
		line(to, "rings", "%" PRIu32 " entries (most %" PRIu32 ")", info->ring_entries,
		     info->ring_entries_max);
	if (info->rx_buf_bytes)
		line(to, "buffers", "%" PRIu32 " B", info->rx_buf_bytes);
	if (info->hds_threshold_max_bytes >= 0)
		snprintf(most, sizeof(most), " (most %" PRId64 ")", info->hds_threshold_max_bytes);
	if (info->hds_threshold_bytes >= 0)
		line(to, "split", "%s, threshold %" PRId64 " B%s", word(info->split),
		     info->hds_threshold_bytes, most);
	else
		line(to, "split", "%s", word(info->split));
}

static void print_features(FILE *to, const struct weir_nic_info *info)
{
	const struct {
		const char *name;
		const struct weir_nic_switch *is;
	} features[] = {
		{ "flow rules", &info->ntuple }, { "hash", &info->rx_hash },
		{ "GRO", &info->gro },		 { "hardware GRO", &info->gro_hw },
		{ "LRO", &info->lro },
	};

	fputs("  features ", to);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		fprintf(to, "%s %s %s%s", i ? "," : "", features[i].name,
			word(features[i].is->state),
			features[i].is->fixed && features[i].is->state != WEIR_NIC_ABSENT ?
				" (fixed)" :
				"");
	fputc('\n', to);
	if (info->xdp_mode[0])
		line(to, "XDP", "program %" PRIu32 ", %s", info->xdp_prog_id, info->xdp_mode);
	if (info->zerocopy_xsk != WEIR_NIC_UNKNOWN)
		line(to, "AF_XDP", "%s",
		     info->zerocopy_xsk == WEIR_NIC_ON ? "without a copy, says the driver" :
							 "copies, says the driver");
}

static void print_rss(FILE *to, const struct weir_nic_info *info)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} kinds[] = {
		{ WEIR_NIC_HASH_TCP4, " tcp4" },
		{ WEIR_NIC_HASH_UDP4, " udp4" },
		{ WEIR_NIC_HASH_TCP6, " tcp6" },
		{ WEIR_NIC_HASH_UDP6, " udp6" },
	};

	if (!info->rss_table_entries && !info->rss_hash[0])
		return;
	fprintf(to, "  RSS       %" PRIu32 " entries", info->rss_table_entries);
	if (info->rss_hash[0])
		fprintf(to, ", %s%s", info->rss_hash, info->rss_symmetric ? ", symmetric" : "");
	if (info->rss_hash_ports) {
		fputs(", with ports:", to);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			fputs(info->rss_hash_ports & kinds[i].bit ? kinds[i].name : "", to);
	}
	fputc('\n', to);
	if (!info->rss_key_bytes)
		return;
	fputs("  RSS key  ", to);
	for (uint32_t i = 0; i < info->rss_key_bytes; i++)
		fprintf(to, "%s%02x", i ? ":" : " ", info->rss_key[i]);
	fputc('\n', to);
}

void nic_status_text(FILE *to, const struct weir_nic_info *info)
{
	unsigned rules = 0, contexts = 0, owners = 0;

	while (weir_nic_info_rule(info, rules))
		rules++;
	while (weir_nic_info_context(info, contexts))
		contexts++;
	while (weir_nic_info_owner(info, owners))
		owners++;
	print_heading(to, info);
	print_link(to, info);
	print_features(to, info);
	print_rss(to, info);
	if (info->rule_room)
		line(to, "rules", "%u (most %" PRIu32 ")", rules, info->rule_room);
	print_table(to, queue_columns, info, info->rx_queues);
	print_table(to, rule_columns, info, rules);
	print_table(to, context_columns, info, contexts);
	print_table(to, owner_columns, info, owners);
}

/* ---------------------------------------------------------------------------- short form */

static unsigned count_queues(const struct weir_nic_info *info, uint32_t uses)
{
	unsigned n = 0;

	for (unsigned i = 0; i < info->rx_queues; i++)
		n += (weir_nic_info_queue(info, i)->uses & uses) != 0;
	return n;
}

/* What there is to say besides: bound queues, owners, XDP, the way out. */
static void notes_put(const struct weir_nic_info *info, char *buf, size_t bytes)
{
	unsigned bound = count_queues(info, ~0u);
	size_t used = 0;

	buf[0] = '\0';
	if (bound)
		used += (size_t)snprintf(buf, bytes, "%u queue%s bound", bound,
					 bound > 1 ? "s" : "");
	if (weir_nic_info_owner(info, 0))
		used += (size_t)snprintf(buf + used, bytes - used, "%sheld by weir",
					 used ? "; " : "");
	if (info->xdp_mode[0])
		used += (size_t)snprintf(buf + used, bytes - used, "%sXDP", used ? "; " : "");
	if (info->carries[0])
		snprintf(buf + used, bytes - used, "%s%s", used ? "; " : "", info->carries);
}

void nic_status_list(FILE *to, const struct weir_nic_info *const *infos, unsigned n)
{
	const char *format = "%-15s  %-14.14s  %-10s  %6s  %-9s  %-10s%s%s\n";

	fprintf(to, format, "interface", "driver", "link", "queues", "split", "flow rules", "", "");
	for (unsigned i = 0; i < n; i++) {
		const struct weir_nic_info *info = infos[i];
		char notes[256], queues[16];

		notes_put(info, notes, sizeof(notes));
		snprintf(queues, sizeof(queues), "%" PRIu32, info->rx_queues);
		fprintf(to, format, info->ifname, driver(info),
			!info->up     ? "down" :
			info->carrier ? "up" :
					"no carrier",
			queues, word(info->split), rules_word(info), notes[0] ? "  " : "", notes);
	}
}
