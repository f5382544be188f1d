// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs.c - /sys/kernel/debug/weirnic/: counters to read, knobs to turn
 *
 * Theory:
 *	One directory per device, by the name of its parent, "weirnic.N"; it
 *	stays the same when the interface is renamed or moved to another
 *	namespace.
 *
 *	stats			counters, one "name value" per line
 *	cpus			"rxN.cpuM FRAMES": where they were worked off
 *	fault/seed		restarts all random sequences, zeroes hits
 *	fault/delay_us		how long the delay fault delays
 *	fault/NAME		"EVERY [TIMES]", "0" is off
 *	rules/locations		which locations flow rules may name: "both",
 *				"any" or "explicit"
 *
 * Invariants:
 *	1. No file is open in its handler after weirnic_debugfs_remove().
 *
 * Ownership:
 *	The device owns its directory.
 *
 * Threads:
 *	Handlers run in user processes; debugfs holds off removal meanwhile.
 *
 * Errors:
 *	Failures to create are ignored, as debugfs wants it: the device works
 *	without. Text that cannot be read is -EINVAL.
 *
 * Sources:
 *	Documentation/filesystems/debugfs.rst, Linux 7.3
 *
 * Tests:
 *	tests/vm/t/nic_stats.sh, tests/vm/t/nic_faults.sh,
 *	tests/vm/t/nic_rules.sh, tests/vm/t/nic_irq.sh
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "control.h"

#define TEXT_BYTES	64

static struct dentry *weirnic_root;

static int text_get(char *text, const char __user *from, size_t count)
{
	if (count >= TEXT_BYTES)
		return -EINVAL;
	if (copy_from_user(text, from, count))
		return -EFAULT;
	text[count] = '\0';
	return 0;
}

static int knob_show(struct seq_file *s, void *v)
{
	const struct weirnic_fault_knob *knob = s->private;
	u64 limit = READ_ONCE(knob->limit);

	seq_printf(s, "every %u times %llu hits %lld\n",
		   READ_ONCE(knob->every), limit == U64_MAX ? 0 : limit,
		   atomic64_read(&knob->hits));
	return 0;
}

static ssize_t knob_write(struct file *file, const char __user *from,
			  size_t count, loff_t *pos)
{
	struct seq_file *s = file->private_data;
	char text[TEXT_BYTES];
	int err = text_get(text, from, count);

	if (!err)
		err = weirnic_fault_set(s->private, text);
	return err ? err : count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(knob);

static int seed_show(struct seq_file *s, void *v)
{
	const struct weirnic_faults *wf = s->private;

	seq_printf(s, "%llu\n", READ_ONCE(wf->seed));
	return 0;
}

static ssize_t seed_write(struct file *file, const char __user *from,
			  size_t count, loff_t *pos)
{
	struct seq_file *s = file->private_data;
	char text[TEXT_BYTES];
	int err = text_get(text, from, count);
	u64 seed;

	if (!err)
		err = kstrtou64(strim(text), 0, &seed);
	if (err)
		return err;
	weirnic_fault_seed(s->private, seed);
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(seed);

static const char * const locations_names[] = {
	[WEIRNIC_LOCATIONS_BOTH]	= "both",
	[WEIRNIC_LOCATIONS_ANY]		= "any",
	[WEIRNIC_LOCATIONS_EXPLICIT]	= "explicit",
};

static int locations_show(struct seq_file *s, void *v)
{
	const struct weirnic_steer *st = s->private;

	seq_printf(s, "%s\n", locations_names[READ_ONCE(st->locations)]);
	return 0;
}

static ssize_t locations_write(struct file *file, const char __user *from,
			       size_t count, loff_t *pos)
{
	struct weirnic_steer *st = ((struct seq_file *)file->private_data)->private;
	char text[TEXT_BYTES];
	int which = text_get(text, from, count);

	if (which)
		return which;
	which = sysfs_match_string(locations_names, text);
	if (which < 0)
		return which;
	guard(mutex)(&st->lock);
	WRITE_ONCE(st->locations, which);
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(locations);

static int stats_show(struct seq_file *s, void *v)
{
	weirnic_stats_print(s->private, s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int cpus_show(struct seq_file *s, void *v)
{
	const struct weirnic_dev *wd = s->private;
	unsigned int i, cpu;

	for (i = 0; i < wd->ndev->num_rx_queues; i++)
		for_each_possible_cpu(cpu)
			seq_printf(s, "rx%u.cpu%u %llu\n", i, cpu,
				   READ_ONCE(wd->rxq[i].cpu_frames[cpu]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(cpus);

/**
 * weirnic_debugfs_add() - make a device's directory
 * @wd: the device, complete
 */
void weirnic_debugfs_add(struct weirnic_dev *wd)
{
	struct weirnic_faults *wf = &wd->faults;
	struct dentry *dir, *sub;
	unsigned int i;

	dir = debugfs_create_dir(dev_name(wd->dma), weirnic_root);
	wd->debugfs = dir;
	debugfs_create_file("stats", 0444, dir, wd, &stats_fops);
	debugfs_create_file("cpus", 0444, dir, wd, &cpus_fops);
	sub = debugfs_create_dir("fault", dir);
	debugfs_create_file("seed", 0644, sub, wf, &seed_fops);
	debugfs_create_u32("delay_us", 0644, sub, &wf->delay_us);
	for (i = 0; i < WEIRNIC_FAULT_COUNT; i++)
		debugfs_create_file(weirnic_fault_names[i], 0644, sub,
				    &wf->knob[i], &knob_fops);
	sub = debugfs_create_dir("rules", dir);
	debugfs_create_file("locations", 0644, sub, wd->steer, &locations_fops);
}

/**
 * weirnic_debugfs_remove() - remove it again
 * @wd: the device; its memory stays until this returns
 */
void weirnic_debugfs_remove(struct weirnic_dev *wd)
{
	debugfs_remove_recursive(wd->debugfs);
	wd->debugfs = NULL;
}

void weirnic_debugfs_init(void)
{
	weirnic_root = debugfs_create_dir("weirnic", NULL);
}

void weirnic_debugfs_exit(void)
{
	debugfs_remove_recursive(weirnic_root);
}
