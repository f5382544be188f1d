/* SPDX-License-Identifier: MIT */
/*
 * weir.h - everything a program needs: one include.
 *
 * weir moves socket payload in and out of the application's own memory over the best plane the
 * machine has (epoll, io_uring, zero-copy receive), through one interface.  Read sock.h for
 * sockets, engine.h for the event loop, area.h for memory, sctp.h for SCTP, io.h for callbacks in
 * the shape of osmo_io.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/area.h>
#include <weir/base.h>
#include <weir/ctx.h>
#include <weir/engine.h>
#include <weir/group.h>
#include <weir/ifq.h>
#include <weir/io.h>
#include <weir/nic.h>
#include <weir/place.h>
#include <weir/probe.h>
#include <weir/sctp.h>
#include <weir/sock.h>

#endif
