/* SPDX-License-Identifier: MIT */
/*
 * init.h - what the files of the VM's PID 1 offer each other.
 */
#ifndef WEIR_VM_INIT_H
#define WEIR_VM_INIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TESTS_DIR "/t"

/* say.c: everything goes to the first serial line, one write per line */
void say_open(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_text(const char *prefix, const char *text, size_t len);
bool hear(char *line, size_t size, unsigned timeout_ms);
uint64_t now_ms(void);

/* files.c: small files and settings; each complains through say() and goes on */
char *file_read(const char *path, size_t *retlen);
bool file_write(const char *path, const char *value);
void file_remove_below(const char *path);

/* setup.c */
void setup_system(void);

/* kmsg.c: the kernel's log since the last look */
void kmsg_open(void);
unsigned kmsg_scan(bool show_all);

/* state.c: what a test must leave as it was */
struct state;
struct state *state_take(void);
unsigned state_compare(const struct state *before, const struct state *after, bool show);
void state_free(struct state *state);

/* procs.c: user-space processes other than this one */
unsigned procs_end(unsigned grace_ms);
void procs_reap(void);

/* run.c: one test; see there for the verdicts */
enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_SKIP, VERDICT_STUCK };
struct run_result {
	enum verdict verdict;
	uint64_t wall_ms;
	char reason[200];
};
void run_test(const char *name, unsigned timeout_s, struct run_result *result);

#endif
