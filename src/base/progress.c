#include "base/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define CLEAR_LINE "\r\x1b[K"

static int64_t now_ns(void) {
    return (int64_t)mr_clock_ns();
}

void mr_progress_init(struct mr_progress *progress, int fd) {
    const char *term = getenv("TERM");
    bool is_dumb = !term || strcmp(term, "dumb") == 0;
    *progress = (struct mr_progress){
        .fd = fd, .is_on = isatty(fd) && !is_dumb, .start_ns = now_ns()};
}

/* A bar that cannot be drawn is no reason to stop. */
static void show(const struct mr_progress *progress, const char *text, size_t size) {
    ssize_t n = write(progress->fd, text, size);
    (void)n;
}

/* "1.2 GB", in powers of 1000. */
static void format_bytes(char out[16], uint64_t bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.5 && unit < 6; unit++) value /= 1000;
    snprintf(out, 16, "%.*f %s", unit && value < 99.95 ? 1 : 0, value, units[unit]);
}

/* "1,234,567" */
static void format_count(char out[32], uint64_t count) {
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static uint64_t per_second(uint64_t count, int64_t elapsed_ns) {
    return elapsed_ns > 0 ? (uint64_t)((double)count * 1e9 / (double)elapsed_ns) : 0;
}

/* "1,234 rows/s", "1.2 MB/s" */
static void format_rate(char out[48], uint64_t done_bytes, uint64_t n_rows, int64_t elapsed_ns) {
    char number[32];
    if (n_rows == MR_PROGRESS_NO_ROWS) {
        format_bytes(number, per_second(done_bytes, elapsed_ns));
        snprintf(out, 48, "%s/s", number);
    } else {
        format_count(number, per_second(n_rows, elapsed_ns));
        snprintf(out, 48, "%s rows/s", number);
    }
}

/* "3:05", "2:03:05" */
static void format_time(char out[32], double seconds) {
    unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 1000000000;
    unsigned long hours = whole / 3600;
    if (hours) {
        snprintf(out, 32, "%lu:%02lu:%02lu", hours, whole / 60 % 60, whole % 60);
    } else {
        snprintf(out, 32, "%lu:%02lu", whole / 60, whole % 60);
    }
}

size_t mr_progress_format(char *out, size_t size, unsigned columns, uint64_t done_bytes,
                          uint64_t total_bytes, uint64_t n_rows, int64_t elapsed_ns) {
    enum { BAR = 24 };
    char done[16], total[16], rate[48], left[32], text[256];
    format_bytes(done, done_bytes);
    format_rate(rate, done_bytes, n_rows, elapsed_ns);
    int n;
    if (total_bytes == 0) {
        n = snprintf(text, sizeof(text), "%s  %s", done, rate);
    } else {
        if (done_bytes > total_bytes) done_bytes = total_bytes;
        double share = (double)done_bytes / (double)total_bytes;
        char bar[BAR + 1];
        int n_full = (int)(share * BAR);
        for (int i = 0; i < BAR; i++) bar[i] = i < n_full ? '=' : i == n_full ? '>' : ' ';
        bar[BAR] = '\0';
        format_bytes(total, total_bytes);
        snprintf(left, sizeof(left), "-:--");
        if (done_bytes) format_time(left, (double)elapsed_ns * 1e-9 / share * (1 - share));
        n = snprintf(text, sizeof(text), "[%s] %3d%%  %s of %s  %s  ETA %s", bar,
                     (int)(share * 100), done, total, rate, left);
    }
    size_t length = n > 0 ? (size_t)n : 0;
    if (columns && length >= columns) length = columns - 1; /* the last one would wrap around */
    if (length >= size) length = size - 1;
    memcpy(out, text, length);
    out[length] = '\0';
    return length;
}

void mr_progress_draw(struct mr_progress *progress, uint64_t done_bytes, uint64_t total_bytes,
                      uint64_t n_rows) {
    if (!progress->is_on) return;
    struct winsize window = {0};
    unsigned columns = 80;
    if (ioctl(progress->fd, TIOCGWINSZ, &window) == 0 && window.ws_col) columns = window.ws_col;
    char text[sizeof(CLEAR_LINE) + 256] = CLEAR_LINE;
    size_t size = sizeof(CLEAR_LINE) - 1;
    size += mr_progress_format(text + size, 256, columns, done_bytes, total_bytes, n_rows,
                               now_ns() - progress->start_ns);
    show(progress, text, size);
}

void mr_progress_clear(struct mr_progress *progress) {
    if (progress->is_on) show(progress, CLEAR_LINE, sizeof(CLEAR_LINE) - 1);
}

void mr_progress_finish(struct mr_progress *progress, uint64_t n_rows) {
    if (!progress->is_on) return;
    int64_t elapsed_ns = now_ns() - progress->start_ns;
    char rows[32], rate[32], text[160];
    format_count(rows, n_rows);
    format_count(rate, per_second(n_rows, elapsed_ns));
    int n = snprintf(text, sizeof(text), CLEAR_LINE "%s rows in %.1f s (%s rows/s)\n", rows,
                     (double)elapsed_ns * 1e-9, rate);
    if (n > 0) show(progress, text, (size_t)n);
}
