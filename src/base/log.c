#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static void write_line(const char *prefix, const char *format, va_list args) {
    char line[2048];
    int size = snprintf(line, sizeof(line), "mlrace: %s", prefix);
    int more = vsnprintf(line + size, sizeof(line) - (size_t)size - 1, format, args);
    size += more < 0 ? 0 : more;
    if ((size_t)size > sizeof(line) - 2) size = (int)sizeof(line) - 2;
    line[size++] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written;
}

void mr_log_info(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void mr_log_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("error: ", format, args);
    va_end(args);
}
