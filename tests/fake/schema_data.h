/* SPDX-License-Identifier: MIT */
/* The recorded files, byte by byte, so that the program needs no file beside it. */
#ifndef TESTS_FAKE_SCHEMA_DATA_H
#define TESTS_FAKE_SCHEMA_DATA_H

extern const char schema_7_2[], schema_7_2_end[];
extern const char schema_10_0[], schema_10_0_end[];
extern const char schema_agent[], schema_agent_end[];

#endif
