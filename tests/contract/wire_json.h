/* A decoded message as one line of JSON, for comparison with the reader in Python. */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Prints {"type": ...}, or {"refused": "corrupt" | "newer_version"} and the reason, and a newline.
 */
void wire_json(FILE *to, const uint8_t *msg, size_t len);

#endif
