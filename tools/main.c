/* SPDX-License-Identifier: MIT */
/*
 * main.c - the weir command: a table of subcommands, from which help and usage are printed.
 *
 * Theory: weir NAME [ARGUMENTS] calls the function in NAME's row with argv[0] = NAME.  "help X"
 *	is "X --help".  What was written to stdout is checked once, at the end, so that a full
 *	disk or a closed pipe is an error in every subcommand.
 * Invariants:
 *	1. a subcommand is known exactly when it has a row.
 *	2. the exit code is 0, 1 or 2 (weir_tool.h).
 * Ownership: none.
 * Threads: one.
 * Errors: a line on stderr and exit code 2 for bad usage.
 * Sources: none.
 * Tests: tests/cli/command.sh
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

#include "weir_tool.h"

struct command {
	const char *name;
	const char *about;
	int (*run)(int argc, char **argv);
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
	{ "recv", "receive a stream into a file or pipe", cmd_recv },
	{ "send", "send a file or pipe as a stream", cmd_send },
	{ "iperf3", "measure throughput with iperf3's protocol, as server or client", cmd_iperf3 },
	{ "doctor", "say what kernel, user and NIC queues can do, and why not more", cmd_doctor },
	{ "nic", "set a NIC up for zero-copy receive, and put it back", cmd_nic },
	{ "help", "print help, of the command that is named", cmd_help },
	{ "version", "print the version", cmd_version },
	{ NULL, NULL, NULL },
};

static const struct command *find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static const char *command_at(const void *user, unsigned index)
{
	(void)user;
	return commands[index].name;
}

static void print_usage(FILE *to)
{
	fputs("Usage: weir COMMAND [ARGUMENTS]\n"
	      "       weir help COMMAND\n"
	      "       weir --version\n\n"
	      "Commands:\n",
	      to);
	for (const struct command *c = commands; c->name; c++)
		fprintf(to, "  %-10s %s\n", c->name, c->about);
	fputs("\nEnvironment: WEIR_PLANE=auto|zcrx|uring|epoll chooses how bytes move.\n", to);
}

static int unknown_command(const char *name)
{
	const char *near = tool_nearest(name, command_at, NULL);

	if (near)
		fprintf(stderr, "weir: unknown command '%.80s'; did you mean '%s'?\n", name, near);
	else
		fprintf(stderr, "weir: unknown command '%.80s'\n", name);
	fputs("Try 'weir help'.\n", stderr);
	return TOOL_EXIT_USAGE;
}

static int cmd_help(int argc, char **argv)
{
	char help[] = "--help";
	const struct command *command;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_usage(stdout);
		return TOOL_EXIT_OK;
	}
	if (argc > 2) {
		fprintf(stderr, "weir help: unexpected operand '%.80s'\n", argv[2]);
		return TOOL_EXIT_USAGE;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (command->run == cmd_help || command->run == cmd_version) {
		printf("Usage: weir %s\n\n%s\n", command->name, command->about);
		return TOOL_EXIT_OK;
	}
	return command->run(2, (char *[]){ argv[1], help, NULL });
}

static int cmd_version(int argc, char **argv)
{
	if (argc > 1) {
		fprintf(stderr, "weir version: unexpected operand '%.80s'\n", argv[1]);
		return TOOL_EXIT_USAGE;
	}
	printf("weir %s\n", weir_version());
	return TOOL_EXIT_OK;
}

/*
 * A standard descriptor that is closed would be given to the next file or socket, which would then
 * be read or written for it.  One that is open in the wrong direction fails as a closed one does.
 */
static void guard_descriptors(void)
{
	static const int flags[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) < 0)
			return;
}

static int run(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_usage(stderr);
		return TOOL_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cmd_version(argc - 1, argv + 1);
	if (argv[1][0] == '-') {
		fprintf(stderr,
			"weir: unknown option '%.80s'; options come after the command\n"
			"Try 'weir help'.\n",
			argv[1]);
		return TOOL_EXIT_USAGE;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int code;

	guard_descriptors();
	code = run(argc, argv);

	if (ferror(stdout) || fflush(stdout) || fclose(stdout)) {
		fprintf(stderr, "weir: cannot write to standard output: %s\n", strerror(errno));
		return code ? code : TOOL_EXIT_FAILED;
	}
	return code;
}
