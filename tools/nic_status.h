/* SPDX-License-Identifier: MIT */
/*
 * nic_status.h - what the files of "weir nic status" share.
 */
#ifndef WEIR_TOOLS_NIC_STATUS_H
#define WEIR_TOOLS_NIC_STATUS_H

#include <stdio.h>
#include <weir/nic.h>

struct cJSON;

/**
 * nic_status() - the command "weir nic status".
 * @argc: number of words, argv[0] included.
 * @argv: words.
 *
 * Return: the exit code.
 */
int nic_status(int argc, char **argv);

/**
 * nic_status_text() - all that is known of an interface, for a person.
 * @to: stream.
 * @info: its state.
 */
void nic_status_text(FILE *to, const struct weir_nic_info *info);

/**
 * nic_status_list() - several interfaces, a line each.
 * @to: stream.
 * @infos: their states.
 * @n: how many; at least 1.
 */
void nic_status_list(FILE *to, const struct weir_nic_info *const *infos, unsigned n);

/**
 * nic_status_json() - all that is known of an interface, for a program.
 * @info: its state.
 *
 * What is not known is null.
 *
 * Return: an object that the caller deletes; NULL where there was no memory.
 */
struct cJSON *nic_status_json(const struct weir_nic_info *info);

#endif
