// SPDX-License-Identifier: MIT
/*
 * opts.c - option structures that grow, numbers from the environment, names of planes.
 *
 * Theory: an option structure begins with the size its caller was compiled with.  An older
 *	caller's is shorter: the rest is zero, which always means the default.  A newer caller's
 *	is longer: legal only while what we do not know is zero.
 * Invariants: 1. outputs are written only on success, except @to, which callers zero first.
 * Ownership: callers own all storage.
 * Threads: any; getenv(3) is safe while nobody calls setenv(3).
 * Errors: -EINVAL with the name of the structure or variable.
 * Sources: the size-first pattern of struct clone_args and bpf_attr.
 * Tests: tests/unit/test_opts.c
 */
#include <stdlib.h>
#include <string.h>

#include "util.h"

static const char *const plane_names[] = {
	[WEIR_PLANE_AUTO] = "auto",
	[WEIR_PLANE_EPOLL] = "epoll",
	[WEIR_PLANE_URING] = "uring",
	[WEIR_PLANE_ZCRX] = "zcrx",
};

const char *weir_version(void)
{
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
	return TEXT(WEIR_VERSION_MAJOR) "." TEXT(WEIR_VERSION_MINOR) "." TEXT(WEIR_VERSION_PATCH);
}

const char *weir_plane_name(enum weir_plane plane)
{
	if ((unsigned)plane >= weir_array_len(plane_names))
		return "?";
	return plane_names[plane];
}

int weir_plane_parse(const char *name, enum weir_plane *ret)
{
	for (unsigned i = 0; name && i < weir_array_len(plane_names); i++) {
		if (!strcmp(name, plane_names[i])) {
			*ret = (enum weir_plane)i;
			return 0;
		}
	}
	return -EINVAL;
}

int weir_env_u32(const char *name, uint32_t *ret, struct weir_error *reterr)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (!text || !*text)
		return 0;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || value > UINT32_MAX)
		return weir_error_set(reterr, -EINVAL, name, text,
				      "the environment variable takes a number from 0 to %u",
				      UINT32_MAX);
	*ret = (uint32_t)value;
	return 0;
}

int weir_opts_read(void *to, size_t bytes, const void *from, const char *what,
		   struct weir_error *reterr)
{
	const char *raw = from;
	size_t size;

	if (!from)
		return 0;
	memcpy(&size, from, sizeof(size));
	if (size < sizeof(size) || size > 4096)
		return weir_error_set(reterr, -EINVAL, what, "size",
				      "set .size to sizeof(struct %s)", what);
	for (size_t i = bytes; i < size; i++)
		if (raw[i])
			return weir_error_set(reterr, -EINVAL, what, "unknown field",
					      "the program was built for a newer libweir");
	memcpy(to, from, size < bytes ? size : bytes);
	return 0;
}
