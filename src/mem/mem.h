/* SPDX-License-Identifier: MIT */
/*
 * mem.h - what src/mem offers beside the public area.h: references and the inside of an area.
 */
#ifndef WEIR_MEM_H
#define WEIR_MEM_H

#include <weir/area.h>

/**
 * struct weir_area - memory to receive into.
 * @info: what was got.
 * @refs: owners: the caller of weir_area_open() and each engine (atomic).
 */
struct weir_area {
	struct weir_area_info info;
	int refs;
};

#endif
