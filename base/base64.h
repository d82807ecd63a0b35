/* SPDX-License-Identifier: MIT */
/* RFC 4648 base64, as guest-file-read sends file contents. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes text into at most capacity bytes. False when it is malformed or does not fit; then
 * *ret_size is untouched. */
bool base64_decode(const char *text, unsigned char *bytes, size_t capacity, size_t *ret_size);

#endif
