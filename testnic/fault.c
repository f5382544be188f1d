// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - seeded faults: what a bad wire or a failing NIC would do
 *
 * Theory:
 *	A fault has a knob: act on one of `every` occasions on the average, at
 *	most `limit` times. Whether it acts on occasion n is a function of the
 *	device's seed, the fault and n alone:
 *
 *		mix(seed, fault, n) falls into the lowest 1/every of all values
 *
 *	so the same seed with the same traffic gives the same faults, and no
 *	state but a counter is kept. What a fault then does (which byte, how
 *	many, which queue) is drawn the same way from a counter of draws.
 *
 *	With several CPUs sending at once the n-th decision is still the same;
 *	which of two frames in flight it falls on is a race, as on a real wire.
 *	A test that needs the same frames hit sends on one CPU.
 *
 * Invariants:
 *	1. A knob that is off costs its user one load.
 *	2. hits never passes limit, on any number of CPUs.
 *
 * Ownership:
 *	struct weirnic_faults is part of the device.
 *
 * Threads:
 *	Decisions take no lock. Knobs are written by debugfs files one after
 *	another (knob_lock); a decision made at that moment may use the new
 *	seed with the old rate.
 *
 * Errors:
 *	-EINVAL for a knob's text that cannot be read.
 *
 * Sources:
 *	The mixing function is the output function of SplitMix64 (Steele, Lea,
 *	Flood: Fast splittable pseudorandom number generators, 2014).
 *
 * Tests:
 *	tests/vm/t/nic_faults.sh
 */
#include <linux/math64.h>
#include <linux/string.h>

#include "control.h"

const char * const weirnic_fault_names[WEIRNIC_FAULT_COUNT] = {
	[WEIRNIC_FAULT_DROP]		= "drop",
	[WEIRNIC_FAULT_DUPLICATE]	= "duplicate",
	[WEIRNIC_FAULT_REORDER]		= "reorder",
	[WEIRNIC_FAULT_CORRUPT]		= "corrupt",
	[WEIRNIC_FAULT_SPLIT_LESS]	= "split_less",
	[WEIRNIC_FAULT_SPLIT_MORE]	= "split_more",
	[WEIRNIC_FAULT_MISDIRECT]	= "misdirect",
	[WEIRNIC_FAULT_ALLOC_FAIL]	= "alloc_fail",
	[WEIRNIC_FAULT_NO_BUFFER]	= "no_buffer",
	[WEIRNIC_FAULT_DELAY]		= "delay",
	[WEIRNIC_FAULT_CARRIER_FLAP]	= "carrier_flap",
	[WEIRNIC_FAULT_QUEUE_START]	= "queue_start",
	[WEIRNIC_FAULT_NAPI_ID]		= "napi_id",
};

#define DELAY_US_DEFAULT	1000

static DEFINE_MUTEX(knob_lock);

static u64 mix(u64 seed, u64 stream, u64 n)
{
	u64 z = seed + (stream << 56) + (n + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* A number below @bound; the high bits decide, so that all are alike good */
static u32 scale(u64 value, u32 bound)
{
	return mul_u64_u32_shr(value >> 32, bound, 32);
}

/**
 * __weirnic_fault_hit() - the decision for a knob that is on
 * @wd: the device
 * @fault: which fault
 *
 * Return: whether the fault acts now; it is counted then.
 */
bool __weirnic_fault_hit(struct weirnic_dev *wd, enum weirnic_fault fault)
{
	struct weirnic_fault_knob *knob = &wd->faults.knob[fault];
	u32 every = READ_ONCE(knob->every);
	u64 n;

	if (!every)
		return false;
	n = atomic64_inc_return(&knob->occasions) - 1;
	if (scale(mix(READ_ONCE(wd->faults.seed), fault, n), every))
		return false;
	return atomic64_add_unless(&knob->hits, 1, READ_ONCE(knob->limit));
}

/**
 * weirnic_fault_random() - what a fault does in detail
 * @wd: the device
 * @fault: the fault that acts
 * @bound: how many choices there are, not 0
 *
 * Return: a number below @bound, the same for the same seed and history.
 */
u32 weirnic_fault_random(struct weirnic_dev *wd, enum weirnic_fault fault,
			 u32 bound)
{
	struct weirnic_fault_knob *knob = &wd->faults.knob[fault];
	u64 n = atomic64_inc_return(&knob->draws) - 1;

	return scale(mix(READ_ONCE(wd->faults.seed),
			 fault + WEIRNIC_FAULT_COUNT, n), bound);
}

u32 weirnic_fault_delay_us(const struct weirnic_dev *wd)
{
	return READ_ONCE(wd->faults.delay_us);
}

static void knob_restart(struct weirnic_fault_knob *knob)
{
	atomic64_set(&knob->occasions, 0);
	atomic64_set(&knob->draws, 0);
	atomic64_set(&knob->hits, 0);
}

/**
 * weirnic_fault_seed() - begin all random sequences of a device anew
 * @wf: the device's faults
 * @seed: the seed
 */
void weirnic_fault_seed(struct weirnic_faults *wf, u64 seed)
{
	unsigned int i;

	guard(mutex)(&knob_lock);
	WRITE_ONCE(wf->seed, seed);
	for (i = 0; i < WEIRNIC_FAULT_COUNT; i++)
		knob_restart(&wf->knob[i]);
}

/**
 * weirnic_fault_set() - set a knob from "EVERY [TIMES]" or "0"
 * @knob: the knob
 * @text: what the user wrote; it is cut up
 *
 * Switching on begins the fault's sequence and count anew; switching off
 * leaves the count to be read.
 *
 * Return: 0, or -EINVAL.
 */
int weirnic_fault_set(struct weirnic_fault_knob *knob, char *text)
{
	char *rest = strim(text), *first = strsep(&rest, " \t");
	u64 times = 0;
	u32 every;

	if (kstrtou32(first, 0, &every))
		return -EINVAL;
	if (rest && (!every || kstrtou64(skip_spaces(rest), 0, &times)))
		return -EINVAL;
	guard(mutex)(&knob_lock);
	WRITE_ONCE(knob->every, 0);
	if (!every)
		return 0;
	WRITE_ONCE(knob->limit, times ? times : U64_MAX);
	knob_restart(knob);
	WRITE_ONCE(knob->every, every);
	return 0;
}

/**
 * weirnic_fault_init() - all knobs off, the seed 1
 * @wd: the device
 */
void weirnic_fault_init(struct weirnic_dev *wd)
{
	struct weirnic_faults *wf = &wd->faults;
	unsigned int i;

	wf->delay_us = DELAY_US_DEFAULT;
	for (i = 0; i < WEIRNIC_FAULT_COUNT; i++)
		wf->knob[i].limit = U64_MAX;
	weirnic_fault_seed(wf, 1);
}
