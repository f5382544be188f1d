/* SPDX-License-Identifier: MIT */
/*
 * base.h - planes, addresses and error records: what all other headers share.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

#define WEIR_API __attribute__((visibility("default")))
#define WEIR_MUST_CHECK __attribute__((warn_unused_result))

/**
 * weir_version() - version of the library that is linked in.
 *
 * Return: a static string "major.minor.patch"; never NULL.  Threads: any.
 */
WEIR_API const char *weir_version(void);

/**
 * enum weir_plane - how a socket's bytes move.
 * @WEIR_PLANE_AUTO: the best plane this machine, user and socket can have.
 * @WEIR_PLANE_EPOLL: epoll and plain system calls; works everywhere.
 * @WEIR_PLANE_URING: io_uring; the kernel copies into the area (Linux 6.1 and later).
 * @WEIR_PLANE_ZCRX: io_uring with NIC queues of its own: the NIC writes TCP payload into the area
 *	(Linux 6.15 and later); whatever else comes is received as by uring.
 */
enum weir_plane {
	WEIR_PLANE_AUTO = 0,
	WEIR_PLANE_EPOLL = 1,
	WEIR_PLANE_URING = 2,
	WEIR_PLANE_ZCRX = 3,
};

/**
 * weir_plane_name() - name of a plane, as WEIR_PLANE takes it.
 * @plane: the plane.
 *
 * Return: a static string: "auto", "epoll", "uring", "zcrx"; "?" for a value out of range.
 */
WEIR_API const char *weir_plane_name(enum weir_plane plane);

/**
 * weir_plane_parse() - plane of that name.
 * @name: "auto", "epoll", "uring" or "zcrx".
 * @ret: receives the plane; untouched on failure.
 *
 * Return: 0, or -EINVAL for a name that is not a plane's.
 */
WEIR_API WEIR_MUST_CHECK int weir_plane_parse(const char *name, enum weir_plane *ret);

/**
 * struct weir_error - what went wrong, for a person.
 * @code: -errno, the same value that the call returned; 0 where no error was recorded.
 * @stage: what was being done, e.g. "io_uring_setup" or "bind".
 * @object: what it was done to, e.g. an address or an interface; may be empty.
 * @hint: one sentence that says what to do about it; may be empty.
 *
 * Filled by control-path calls that take a ``struct weir_error *reterr``; the caller owns the
 * storage and may pass NULL.  Untouched when the call succeeds.
 */
struct weir_error {
	int code;
	char stage[44];
	char object[112];
	char hint[256];
};

/**
 * weir_error_print() - print an error record as one or two lines of text.
 * @to: stream to print to.
 * @err: the record; NULL prints nothing.
 *
 * Form: "weir: STAGE OBJECT: STRERROR" and, where there is a hint, "  hint: HINT".
 */
WEIR_API void weir_error_print(FILE *to, const struct weir_error *err);

/**
 * weir_error_format() - the same text as weir_error_print(), into a buffer.
 * @err: the record.
 * @buf: receives the text, always NUL-terminated when @bytes > 0.
 * @bytes: size of @buf.
 *
 * Return: @buf.
 */
WEIR_API const char *weir_error_format(const struct weir_error *err, char *buf, size_t bytes);

/**
 * struct weir_addr - a socket address with its length.
 * @len: bytes used of @sa; 0 means "no address".
 * @sa: the address as the kernel takes it.
 * @storage: the same, as room for any kind of address.
 */
struct weir_addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_storage storage;
	};
};

/**
 * weir_addr_parse() - address from text; never asks a name server.
 * @text: "1.2.3.4:80", "[::1]:80", "[fe80::1%eth0]:80", "*:80" (all of IPv6 and IPv4),
 *        ":80" (the same), "unix:/path", "unix:@abstract".
 * @ret: receives the address; untouched on failure.
 * @reterr: error record or NULL.
 *
 * Return: 0; -EINVAL where the text is no address (a host name, a missing or bad port);
 * -ENAMETOOLONG for a UNIX path over the kernel's limit.  Threads: any.
 */
WEIR_API WEIR_MUST_CHECK int weir_addr_parse(const char *text, struct weir_addr *ret,
					     struct weir_error *reterr);

/**
 * weir_addr_format() - text of an address, in the form weir_addr_parse() takes.
 * @sa: address or NULL ("-").
 * @buf: receives the text, NUL-terminated.
 * @bytes: size of @buf; 128 hold any address.
 *
 * Return: @buf.
 */
WEIR_API const char *weir_addr_format(const struct sockaddr *sa, char *buf, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
