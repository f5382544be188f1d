/* SPDX-License-Identifier: MIT */
/*
 * iperf3_server.h - what the server's two files share: iperf3_server.c (tests) and
 * iperf3_visitor.c (connections before they are part of a test).
 */
#ifndef WEIR_TOOLS_IPERF3_SERVER_H
#define WEIR_TOOLS_IPERF3_SERVER_H

#include "iperf3.h"

struct server;

/* A connection that was accepted and is nothing yet. */
struct visitor {
	struct server *server;
	struct weir_sock *sock;
	struct visitor *next; /* in the order of accepts */
	struct weir_timer timer;
	uint8_t cookie[I3_COOKIE_BYTES];
	unsigned have;
	bool denied;
	bool is_stream; /* its cookie is the test's */
};

struct server {
	const struct i3_config *conf;
	struct weir_engine *engine;
	struct weir_sock *listener;
	struct weir_sock *udp_listener;
	struct i3_test *test;	  /* the one that is on */
	struct visitor *visitors; /* oldest first */
	unsigned visitor_count;
	unsigned visitors_alive; /* those that were denied and linger included */
	unsigned tests_alive;	 /* tests that are not freed, the one that is on included */
	unsigned streams_wanted;
	unsigned drain_steps;
	unsigned quiet_looks; /* in a row, with nothing unread */
	bool options_set;     /* the listener has the test's options */
	bool stopping;
	bool failed;
	unsigned test_number;
	struct weir_timer drain_timer;
	struct weir_timer idle_timer;
};

/* iperf3_visitor.c */

/* Gives each visitor that has sent its cookie its place, oldest first. */
void i3_settle_visitors(struct server *sv);
extern const struct weir_sock_ops i3_listener_ops;

/* iperf3_server.c */

/* The visitor's socket becomes the control connection of a new test. */
void i3_become_control(struct server *sv, struct weir_sock *s, const uint8_t *cookie);
/* The socket becomes the next stream of the test that is on. */
void i3_become_stream(struct server *sv, struct weir_sock *s);

#endif
