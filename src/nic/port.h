/* SPDX-License-Identifier: MIT */
/* port.h - the Toeplitz hash, for port.c and its test. */
#ifndef WEIR_NIC_PORT_H
#define WEIR_NIC_PORT_H

#include "nic.h"

/**
 * nic_toeplitz() - hash of a part of the hashed text.
 * @key: the NIC's key.
 * @key_bytes: its length.
 * @text: the part.
 * @at: where it stands in the whole text, in bytes.
 * @bytes: its length.
 *
 * Return: the hash; those of parts are xored to that of the whole.
 */
uint32_t nic_toeplitz(const uint8_t *key, size_t key_bytes, const uint8_t *text, size_t at,
		      size_t bytes);

#endif
