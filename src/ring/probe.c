// SPDX-License-Identifier: MIT
/*
 * probe.c - what this kernel and this user can do: the answers together.
 *
 * Theory: each question has one bit.  It is asked in the way that costs and changes least: by a
 *	query where the kernel has one, by an object that is closed again, by a request that must
 *	fail at a known later check.  The kernel's -errno is kept beside the bit, because "no" is
 *	of use only with its reason.
 *
 *		weir_probe_read()
 *		  probe_uring()   probe_uring.c    rings, opcodes, buffer rings, zero-copy receive
 *		  probe_system()  probe_system.c   sockets, BPF, rights, limits, memory
 *		weir_probe_why()  probe_why.c      sentences
 *		weir_probe_try_zcrx() probe_try.c  the one question that is not harmless
 * Invariants: 1. a bit is set exactly when its code is 0.  2. nothing of the machine is changed and
 *	nothing is left open.
 * Ownership: the caller's structure.
 * Threads: any; nothing is shared.
 * Errors: -EINVAL only; what cannot be found out is not there, with the reason in its code.
 * Sources: DESIGN, "Choosing a plane".
 * Tests: tests/unit/test_probe.c, tests/cli/doctor.sh, tests/vm/t/doctor.sh
 */
#include "probe.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

void probe_set(struct weir_probe *p, uint64_t can, int code)
{
	int bit = __builtin_ctzll(can);

	if (code > 0)
		code = 0;
	p->code[bit] = (int16_t)code;
	if (code)
		p->can &= ~can;
	else
		p->can |= can;
}

int weir_probe_read(struct weir_probe *ret, size_t bytes)
{
	struct weir_probe p;
	struct utsname name;

	if (!ret || bytes < offsetof(struct weir_probe, release) || bytes > 65536)
		return -EINVAL;
	memset(&p, 0, sizeof(p));
	/* What nobody asks is not there. */
	for (size_t i = 0; i < sizeof(p.code) / sizeof(p.code[0]); i++)
		p.code[i] = -ENOSYS;
	if (!uname(&name))
		snprintf(p.release, sizeof(p.release), "%.63s", name.release);
	probe_system(&p);
	probe_uring(&p);
	memset(ret, 0, bytes);
	memcpy(ret, &p, bytes < sizeof(p) ? bytes : sizeof(p));
	return 0;
}
