/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the harnesses share: input taken apart, and what must hold.
 *
 * A harness is LLVMFuzzerTestOneInput() of one file: it hands the input to a parser as a peer, a
 * file or the kernel would, and checks what the parser promises.  `make fuzz` links it with
 * libFuzzer; everywhere else replay.c gives it the seeds and bytes of its own.
 */
#ifndef WEIR_TESTS_FUZZ_H
#define WEIR_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What is not so ends the process; sanitizers then print the stack, and the input is kept. */
#define must(condition)                                            \
	do {                                                       \
		if (!(condition))                                  \
			fuzz_fail(__func__, __LINE__, #condition); \
	} while (0)

/* libFuzzer closes stderr for the code under test, which says much; this is a copy of it. */
static int fuzz_stderr = STDERR_FILENO;

static inline void fuzz_keep_stderr(void)
{
	fuzz_stderr = dup(STDERR_FILENO);
}

static inline __attribute__((noreturn)) void fuzz_fail(const char *where, int line,
						       const char *condition)
{
	dprintf(fuzz_stderr, "%s():%d: this does not hold: %s\n", where, line, condition);
	__builtin_trap();
}

/* The rest of the input; what is beyond its end reads as 0. */
struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

static inline size_t fuzz_take(struct fuzz_in *in, void *to, size_t bytes)
{
	size_t n = bytes < in->left ? bytes : in->left;

	if (n)
		memcpy(to, in->at, n);
	memset((char *)to + n, 0, bytes - n);
	in->at += n;
	in->left -= n;
	return n;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	uint8_t n;

	fuzz_take(in, &n, sizeof(n));
	return n;
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
	uint16_t n;

	fuzz_take(in, &n, sizeof(n));
	return n;
}

static inline uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint32_t n;

	fuzz_take(in, &n, sizeof(n));
	return n;
}

/* Up to @max bytes where they lie; their number. */
static inline size_t fuzz_part(struct fuzz_in *in, size_t max, const uint8_t **ret)
{
	size_t n = max < in->left ? max : in->left;

	*ret = in->at;
	in->at += n;
	in->left -= n;
	return n;
}

/* A copy with a NUL behind it, of exactly its size, so that a read beyond it is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
