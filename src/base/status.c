#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
    int http;
    const char *error_code;
} table[] = {
#define MR_STATUS_ROW(name, http, code) [name] = {http, code},
    MR_STATUS_TABLE(MR_STATUS_ROW)
#undef MR_STATUS_ROW
};

mr_status mr_fail(struct mr_error *err, mr_status status, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (length < 0) err->message[0] = '\0';
    if ((size_t)length >= sizeof(err->message)) {
        size_t kept = mr_utf8_floor(err->message, sizeof(err->message) - 4);
        memcpy(err->message + kept, "...", 4);
    }
    /* What others have named may be no UTF-8, or be cut within a character. */
    size_t size = strlen(err->message), at = 0;
    bool has_surrogates;
    while ((at += mr_wtf8_check(err->message + at, size - at, &has_surrogates)) < size) {
        err->message[at] = '?';
    }
    return status;
}

int mr_status_http(mr_status status) {
    return table[status].http;
}

const char *mr_status_error_code(mr_status status) {
    return table[status].error_code;
}
