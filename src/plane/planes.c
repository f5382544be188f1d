// SPDX-License-Identifier: MIT
/*
 * planes.c - the table of planes, best first.
 *
 * Theory: the order is the order in which AUTO tries them.
 * Invariants: 1. NULL ends the table.
 * Ownership: static.
 * Threads: any; constant.
 * Errors: none.
 * Sources: DESIGN, "Choosing a plane".
 * Tests: tests/contract/
 */
#include "../core/plane.h"

extern const struct weir_plane_ops weir_plane_epoll;
#ifndef WEIR_NO_URING
extern const struct weir_plane_ops weir_plane_uring;
extern const struct weir_plane_ops weir_plane_zcrx;
#endif

const struct weir_plane_ops *const *weir_planes(void)
{
	static const struct weir_plane_ops *const planes[] = {
#ifndef WEIR_NO_URING
		&weir_plane_zcrx,
		&weir_plane_uring,
#endif
		&weir_plane_epoll,
		NULL,
	};

	return planes;
}
