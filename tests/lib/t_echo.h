/* SPDX-License-Identifier: MIT */
/*
 * t_echo.h - a listener that sends back what it receives, by every way there is.
 *
 * Theory: each piece goes back by a way drawn at random: the slice itself, a copy, or memory of a
 * held slice that is released when the send's event comes.  A full queue pauses the socket; the
 * pieces that did not fit are held until WRITABLE.  End of stream finishes the connection once
 * all is sent.
 */
#ifndef WEIR_TESTS_T_ECHO_H
#define WEIR_TESTS_T_ECHO_H

#include "t.h"

struct t_echo {
	const struct weir_sock_ops *ops; /* first: struct t_user */
	struct weir_engine *e;
	struct weir_sock *listener;
	struct t_echo_conn *conns;
	unsigned open;
	uint64_t by_slice, by_copy, by_hold, refused;
	int end_res; /* expected result of ended */
};

void t_echo_open(struct t_echo *echo, struct weir_engine *e, const char *address,
		 const struct weir_sock_opts *opts);
/* Close the listener and what is left, run until all is closed. */
void t_echo_close(struct t_echo *echo);

#endif
