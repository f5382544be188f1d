// SPDX-License-Identifier: MIT
/*
 * txmem.c - memory of the transmit queue: writes, requests, their records, copies.
 *
 * Theory: free lists that are filled in chunks and never shrink while the engine lives, so that
 *	sending costs no allocation once the busiest moment was seen.  Copies come in four size
 *	classes; larger ones are made and freed singly.
 * Invariants: 1. what is on a free list is referenced by nobody.
 * Ownership: the engine frees the chunks when it is closed.
 * Threads: the engine's.
 * Errors: NULL where memory is out.
 * Sources: none.
 * Tests: tests/unit/test_quiet_path.c (no allocation in the steady state)
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static const size_t class_bytes[WEIR_COPY_CLASSES] = { 256, 2048, 16384, 65536 };
static const unsigned class_chunk[WEIR_COPY_CLASSES] = { 64, 16, 4, 1 };

struct weir_tx *weir_tx_new(struct weir_engine *e)
{
	struct weir_tx *t = e->tx_free;

	if (!t) {
		struct weir_tx *chunk = weir_engine_chunk(e, 64 * sizeof(*t));

		if (!chunk)
			return NULL;
		for (unsigned i = 0; i < 64; i++) {
			chunk[i].next = e->tx_free;
			e->tx_free = &chunk[i];
		}
		t = e->tx_free;
	}
	e->tx_free = t->next;
	t->next = NULL;
	t->tag = 0;
	t->copy = NULL;
	t->pool = NULL;
	t->segment_bytes = 0;
	t->peer_len = 0;
	t->join = t->more = t->sctp = t->copied = t->lent = false;
	t->zc = WEIR_TX_PLAIN;
	t->ctx = 0;
	return t;
}

void weir_tx_let_go(struct weir_engine *e, struct weir_tx *t)
{
	if (t->pool) {
		(void)weir_pool_unhold(t->pool, t->buffer);
		weir_keep_put(e, t->keep);
	} else if (t->copy) {
		weir_copy_release(e, t->copy);
	}
	t->pool = NULL;
	t->copy = NULL;
}

void weir_tx_release(struct weir_engine *e, struct weir_tx *t)
{
	weir_tx_let_go(e, t);
	t->next = e->tx_free;
	e->tx_free = t;
}

struct weir_txop *weir_txop_new(struct weir_engine *e)
{
	struct weir_txop *op = e->op_free;

	if (!op) {
		struct weir_txop *chunk = weir_engine_chunk(e, 8 * sizeof(*op));

		if (!chunk)
			return NULL;
		for (unsigned i = 0; i < 8; i++) {
			chunk[i].next = e->op_free;
			e->op_free = &chunk[i];
		}
		op = e->op_free;
	}
	e->op_free = op->next;
	op->next = NULL;
	op->first = NULL;
	op->bytes = 0;
	memset(&op->msg, 0, sizeof(op->msg));
	op->msg.msg_iov = op->iov;
	op->segment_bytes = 0;
	op->datagrams = 0;
	op->res = 0;
	op->done = false;
	op->plane_word = 0;
	op->zc = NULL;
	return op;
}

void weir_txop_release(struct weir_engine *e, struct weir_txop *op)
{
	op->next = e->op_free;
	e->op_free = op;
}

struct weir_zc *weir_zc_new(struct weir_engine *e)
{
	struct weir_zc *zc = e->zc_free;

	if (!zc) {
		struct weir_zc *chunk = weir_engine_chunk(e, 64 * sizeof(*zc));

		if (!chunk)
			return NULL;
		for (unsigned i = 0; i < 64; i++) {
			chunk[i].next = e->zc_free;
			e->zc_free = &chunk[i];
		}
		zc = e->zc_free;
	}
	e->zc_free = zc->next;
	memset(zc, 0, sizeof(*zc));
	zc->last = &zc->first;
	zc->live = true;
	return zc;
}

void weir_zc_free(struct weir_engine *e, struct weir_zc *zc)
{
	zc->live = false;
	zc->next = e->zc_free;
	e->zc_free = zc;
}

struct weir_copy *weir_copy_new(struct weir_engine *e, size_t bytes)
{
	struct weir_copy *copy;
	uint32_t k = 0;
	size_t stride;
	char *chunk;

	while (k < WEIR_COPY_CLASSES && class_bytes[k] < bytes)
		k++;
	if (k == WEIR_COPY_CLASSES) {
		copy = malloc(sizeof(*copy) + bytes);
		if (copy)
			copy->class_index = k;
		return copy;
	}
	if (!e->copy_free[k]) {
		stride = sizeof(*copy) + class_bytes[k];
		chunk = weir_engine_chunk(e, class_chunk[k] * stride);
		if (!chunk)
			return NULL;
		for (unsigned i = 0; i < class_chunk[k]; i++) {
			copy = (struct weir_copy *)(chunk + i * stride);
			copy->class_index = k;
			copy->next = e->copy_free[k];
			e->copy_free[k] = copy;
		}
	}
	copy = e->copy_free[k];
	e->copy_free[k] = copy->next;
	return copy;
}

void weir_copy_release(struct weir_engine *e, struct weir_copy *copy)
{
	if (copy->class_index == WEIR_COPY_CLASSES) {
		free(copy);
		return;
	}
	copy->next = e->copy_free[copy->class_index];
	e->copy_free[copy->class_index] = copy;
}
