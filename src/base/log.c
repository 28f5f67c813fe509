#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE_BYTES 2048 /* below PIPE_BUF: lines of several threads do not mix */

static mr_log_format chosen = MR_LOG_TEXT;

void mr_log_set_format(mr_log_format format) {
    chosen = format;
}

mr_log_format mr_log_get_format(void) {
    return chosen;
}

#define TIME_BYTES 25

static void put_time(char out[TIME_BYTES]) {
    static _Thread_local struct {
        time_t second;
        char text[TIME_BYTES];
    } last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != last.second) {
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        last.second = now.tv_sec;
    }
    memcpy(out, last.text, TIME_BYTES);
    unsigned ms = (unsigned)(now.tv_nsec / 1000000);
    out[20] = (char)('0' + ms / 100);
    out[21] = (char)('0' + ms / 10 % 10);
    out[22] = (char)('0' + ms % 10);
}

void mr_log_begin_json(struct mr_text *line, const char *level) {
    char time[TIME_BYTES];
    put_time(time);
    MR_TEXT_PUT(line, "{\"time\": \"");
    mr_text_put(line, time, strlen(time));
    MR_TEXT_PUT(line, "\", \"level\": \"");
    mr_text_put(line, level, strlen(level));
    MR_TEXT_PUT(line, "\", \"message\": \"");
}

static void put_json(struct mr_text *line, const char *level, const char *message) {
    mr_log_begin_json(line, level);
    line->capacity -= 3;
    mr_text_json(line, mr_str_from(message));
    line->capacity += 3;
    MR_TEXT_PUT(line, "\"}");
}

void mr_log_clean(char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) *text = '?';
    }
}

static void write_line(const char *level, const char *prefix, const char *format, va_list args) {
    char message[MAX_LINE_BYTES], data[MAX_LINE_BYTES];
    int size = vsnprintf(message, sizeof(message), format, args);
    struct mr_text line = {.data = data, .capacity = sizeof(data)};
    if (chosen == MR_LOG_JSON) {
        put_json(&line, level, message);
    } else {
        if (size >= 0) mr_log_clean(message);
        MR_TEXT_PUT(&line, "mlrace: ");
        mr_text_put(&line, prefix, strlen(prefix));
        size_t left = sizeof(data) - 1 - line.size, wanted = size < 0 ? 0 : strlen(message);
        mr_text_put(&line, message, wanted < left ? wanted : left);
    }
    MR_TEXT_PUT(&line, "\n");
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, data, line.size);
    (void)written;
}

void mr_log_info(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("info", "", format, args);
    va_end(args);
}

void mr_log_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_line("error", "error: ", format, args);
    va_end(args);
}
