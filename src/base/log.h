/* Lines for the operator, on standard error. Never a payload. Thread-safe: one write per line. */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include "base/status.h"

void mr_log_info(const char *format, ...) MR_PRINTF(1, 2);
void mr_log_error(const char *format, ...) MR_PRINTF(1, 2);

#endif
