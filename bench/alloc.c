/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - counts the calls of malloc, calloc and realloc that this process makes.
 *
 * Theory: a program's own malloc takes the place of the C library's for everything that is linked
 * into it; it counts and passes on to glibc's __libc_malloc.  Where that cannot be (sanitizers,
 * another C library) nothing is counted and bench_alloc_count() returns UINT64_MAX.
 * Sources: glibc manual, "Replacing malloc"; glibc exports __libc_malloc and its kin.
 */
#include <stdlib.h>

#include "bench.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTED 0
#endif
#endif
#if !defined(COUNTED) && defined(__GLIBC__)
#define COUNTED 1
#endif

#if COUNTED

static _Atomic uint64_t calls;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *mem, size_t bytes);

static void count_one(void)
{
	atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

void *malloc(size_t bytes)
{
	count_one();
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	count_one();
	return __libc_calloc(count, bytes);
}

void *realloc(void *mem, size_t bytes)
{
	count_one();
	return __libc_realloc(mem, bytes);
}

uint64_t bench_alloc_count(void)
{
	return atomic_load_explicit(&calls, memory_order_relaxed);
}

#else

uint64_t bench_alloc_count(void)
{
	return UINT64_MAX;
}

#endif
