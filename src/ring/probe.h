/* SPDX-License-Identifier: MIT */
/*
 * probe.h - what the files of the probe share: who asks for what, and the raw calls.
 */
#ifndef WEIR_RING_PROBE_H
#define WEIR_RING_PROBE_H

#include <weir/probe.h>

/**
 * probe_set() - keep the answer to one question.
 * @p: the probe.
 * @can: one of WEIR_CAN_*.
 * @code: 0: it is there; else the -errno.
 */
void probe_set(struct weir_probe *p, uint64_t can, int code);

/** probe_uring() - io_uring: all bits that begin with a ring. */
void probe_uring(struct weir_probe *p);

/** probe_system() - sockets, BPF, netlink, rights, limits, memory, containers. */
void probe_system(struct weir_probe *p);

/**
 * probe_ring() - a ring that nothing is sent through: only its descriptor.
 * @setup: IORING_SETUP_*.
 *
 * Return: the descriptor or -errno.
 */
int probe_ring(unsigned setup);

/** probe_register() - io_uring_register(2); 0 or more, or -errno. */
int probe_register(int ring, unsigned op, void *arg, unsigned n);

/**
 * probe_zcrx_ring() - a ring as zero-copy receive wants it.
 *
 * Return: the descriptor or -errno.
 */
int probe_zcrx_ring(void);

/**
 * probe_zcrx_known() - would a registration be looked at: see the table in probe_uring.c.
 * @ring: descriptor of a ring as zero-copy receive wants it.
 *
 * Return: 0; -EINVAL, -EOPNOTSUPP (the kernel has none); -EPERM; -ENOMEM.
 */
int probe_zcrx_known(int ring);

/** probe_query() - IORING_REGISTER_QUERY of @op into @data; 0 or -errno. */
int probe_query(uint32_t op, void *data, size_t bytes);

/**
 * probe_zcrx_bind() - register an interface queue with memory of its own.
 * @ring: descriptor of probe_zcrx_ring(); closing it ends the registration.
 * @ifindex: interface; 0 with @flags WEIR_ZCRX_REG_NODEV.
 * @queue: its queue.
 * @flags: WEIR_ZCRX_REG_*.
 * @area_bytes: size of the area, whole pages.
 * @retmem: receives the memory, which must live until @ring is closed.
 * @retbytes: receives its size, for munmap(2).
 *
 * Return: 0 or -errno; then there is no memory.
 */
int probe_zcrx_bind(int ring, uint32_t ifindex, uint32_t queue, uint32_t flags, size_t area_bytes,
		    void **retmem, size_t *retbytes);

#endif
