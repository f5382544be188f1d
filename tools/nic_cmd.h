/* SPDX-License-Identifier: MIT */
/*
 * nic_cmd.h - the subcommands of weir nic.
 */
#ifndef WEIR_TOOLS_NIC_CMD_H
#define WEIR_TOOLS_NIC_CMD_H

#include "nic_status.h"

/* Each as cmd_NAME() of weir_tool.h; argv[0] is the subcommand's name. */
int nic_plan(int argc, char **argv);
int nic_apply(int argc, char **argv);
int nic_restore(int argc, char **argv);

#endif
