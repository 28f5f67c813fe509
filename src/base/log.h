/* Lines for the operator, on standard error: for people, or an object of JSON each. Never a
 * payload. Thread-safe: one write per line. */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include "base/status.h"
#include "base/text.h"

typedef enum mr_log_format { MR_LOG_TEXT, MR_LOG_JSON } mr_log_format;

/* Before other threads log; MR_LOG_TEXT until then. */
void mr_log_set_format(mr_log_format format);
mr_log_format mr_log_get_format(void);

void mr_log_info(const char *format, ...) MR_PRINTF(1, 2);
void mr_log_error(const char *format, ...) MR_PRINTF(1, 2);

/* Replaces, by question marks, what would steer a terminal: control characters but newline and tab.
 * Names of files and what servers say are anybody's. */
void mr_log_clean(char *text);

/* The beginning of a line of JSON, up to the text of its message; the quote behind that, what else
 * the line tells and its end are the caller's to put.
 * The time is in UTC: "2026-01-31T23:59:59.123Z". */
void mr_log_begin_json(struct mr_text *line, const char *level);

#endif
