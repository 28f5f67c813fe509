#include "codec/csv_scan_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define WINDOW ((ptrdiff_t)64)

/* Which of the 64 bytes at p are commas or line ends: bit i for p[i]. Quotes need not be looked
 * for: they mean something at the start of a cell only. */
static uint64_t marks_of(const char *p) {
    uint64_t marks = 0;
#ifdef __SSE2__
    const __m128i comma = _mm_set1_epi8(','), newline = _mm_set1_epi8('\n');
    const __m128i carriage = _mm_set1_epi8('\r');
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + 16 * i));
        __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, newline),
                                    _mm_cmpeq_epi8(bytes, carriage));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(bytes, comma), ends);
        marks |= (uint64_t)(unsigned)_mm_movemask_epi8(found) << (16 * i);
    }
#else
    for (int i = 0; i < WINDOW; i++) {
        char c = p[i];
        marks |= (uint64_t)(c == ',' || c == '\n' || c == '\r') << i;
    }
#endif
    return marks;
}

/* 64 bytes under the eye, and those of them that may end a cell and are still to be looked at. */
struct eye {
    const char *window;
    uint64_t marks;
};

/* Look at the bytes from p on. */
static inline struct eye look_at(const char *p, const char *end) {
    if (end - p >= WINDOW) return (struct eye){p, marks_of(p)};
    char padded[WINDOW] = {0};
    if (p < end) memcpy(padded, p, (size_t)(end - p));
    return (struct eye){p, marks_of(padded)};
}

/* The next mark, `end` when there is none. */
static inline const char *next_mark(struct eye *eye, const char *end) {
    while (!eye->marks) {
        if (end - eye->window <= WINDOW) return end;
        *eye = look_at(eye->window + WINDOW, end);
    }
    const char *p = eye->window + __builtin_ctzll(eye->marks);
    eye->marks &= eye->marks - 1;
    return p;
}

void mr_csv_scan_init(struct mr_csv_scan *scan, struct mr_str text, bool is_last,
                      int64_t first_line, struct mr_arena *arena) {
    const char *start = text.data ? text.data : "";
    *scan = (struct mr_csv_scan){.at = start,
                                 .end = start + text.size,
                                 .is_last = is_last,
                                 .line = first_line,
                                 .arena = arena};
}

int64_t mr_csv_count_lines(const char *text, size_t size) {
    if (size == 0) return 0;
    int64_t n = text[size - 1] == '\n' || text[size - 1] == '\r';
    for (size_t i = 0; i + 1 < size;) {
        size_t stop = size - 1 - i > 128 ? i + 128 : size - 1;
        unsigned char n_here = 0; /* narrow and without a branch: sixteen at a time */
        for (; i < stop; i++) {
            n_here += (unsigned char)((text[i] == '\n') |
                                      ((text[i] == '\r') & (text[i + 1] != '\n')));
        }
        n += n_here;
    }
    return n;
}

size_t mr_csv_max_rows(const struct mr_csv_scan *scan) {
    return (size_t)mr_csv_count_lines(scan->at, (size_t)(scan->end - scan->at)) + 1;
}

/* Room for size bytes that stay where they are until the next call of a cut function. */
static char *scratch(struct mr_csv_scan *scan, size_t size) {
    if (scan->scratch_size - scan->scratch_used < size) {
        /* Cells point into the old block: it is left to the arena. */
        size_t wanted = scan->scratch_size < size ? size : scan->scratch_size;
        wanted = wanted > SIZE_MAX / 2 ? SIZE_MAX : wanted * 2;
        char *block = mr_arena_alloc(scan->arena, wanted);
        if (!block) return NULL;
        scan->scratch = block;
        scan->scratch_size = wanted;
        scan->scratch_used = 0;
    }
    char *result = scan->scratch + scan->scratch_used;
    scan->scratch_used += size;
    return result;
}

/* Put a cell together: the text between its quotes, "" being ", and what follows them. */
static mr_csv_cut join_quoted(struct mr_csv_scan *scan, const char *inside, const char *closing,
                              const char *stop, struct mr_str *cell) {
    char *out = scratch(scan, (size_t)(stop - inside));
    if (!out) return MR_CSV_CUT_NO_MEMORY;
    char *to = out;
    for (const char *p = inside; p < closing; p++) {
        *to++ = *p;
        if (*p == '"') p++;
    }
    size_t tail = (size_t)(stop - closing - 1);
    memcpy(to, closing + 1, tail);
    *cell = (struct mr_str){out, (size_t)(to - out) + tail};
    return MR_CSV_CUT_FULL;
}

/* The cell whose opening quote is at `quote`. *stop: the comma or line end behind it, or `end`. */
static mr_csv_cut cut_quoted(struct mr_csv_scan *scan, const char *quote, struct mr_str *cell,
                             const char **stop) {
    const char *end = scan->end, *inside = quote + 1, *p = inside;
    bool is_plain = true;
    for (;;) {
        p = memchr(p, '"', (size_t)(end - p));
        if (!p) return scan->is_last ? MR_CSV_CUT_UNCLOSED : MR_CSV_CUT_PARTIAL;
        p++;
        if (p == end || *p != '"') break;
        is_plain = false;
        p++;
    }
    const char *closing = p - 1;
    while (p < end && *p != ',' && *p != '\n' && *p != '\r') p++;
    if (p == end && !scan->is_last) return MR_CSV_CUT_PARTIAL;
    *stop = p;
    if (is_plain && p == closing + 1) {
        *cell = (struct mr_str){inside, (size_t)(closing - inside)};
        return MR_CSV_CUT_FULL;
    }
    return join_quoted(scan, inside, closing, p, cell);
}

/* Move behind the line end at p, \n or \r, or \r and \n; false when it may go on in the next
 * block. */
static bool skip_line_end(const struct mr_csv_scan *scan, const char **p) {
    bool is_carriage = **p == '\r';
    ++*p;
    if (!is_carriage) return true;
    if (*p == scan->end) return scan->is_last;
    if (**p == '\n') ++*p;
    return true;
}

/* Skip lines that are no records. *first: the start of the next record's first cell; record_line:
 * its line. FULL, or PARTIAL or END. `at` moves over what need not be seen again. */
static mr_csv_cut skip_blank_lines(struct mr_csv_scan *scan, const char **first) {
    const char *p = scan->at, *line_start = p;
    scan->record_line = scan->line;
    for (;;) {
        const char *text = p;
        while (p < scan->end && (*p == ' ' || *p == '\t')) p++;
        if (p == scan->end) return scan->is_last ? MR_CSV_CUT_END : MR_CSV_CUT_PARTIAL;
        if (*p != '\n' && *p != '\r') {
            /* Spaces belong to the cell that follows: back to where the line starts. */
            *first = p > text ? line_start : p;
            return MR_CSV_CUT_FULL;
        }
        bool is_carriage = *p == '\r';
        if (!skip_line_end(scan, &p)) return MR_CSV_CUT_PARTIAL;
        line_start = p;
        scan->record_line++;
        if (is_carriage && p[-1] == '\r' && p < scan->end && *p == ',') {
            /* A comma right behind a blank line that \r alone ends is lost, unless spaces follow:
             * state EAT_CRNL_NOP of the tokenizer, and the way back of WHITESPACE_LINE. */
            p++;
        } else {
            scan->at = p;
            scan->line = scan->record_line;
        }
    }
}

/* One record into cells: cell n goes to cells[slots[n] * stride], or to cells[n] without slots.
 * `at` and `line` move behind it, unless it is too wide. */
static inline __attribute__((always_inline)) mr_csv_cut
cut_record(struct mr_csv_scan *scan, struct eye *eye, struct mr_str *cells, size_t stride,
           const uint32_t *slots, size_t width, size_t *n_cells) {
    const char *p = scan->at, *end = scan->end;
    scan->record_line = scan->line;
    if (p == end || (unsigned char)*p <= ' ') {
        mr_csv_cut result = skip_blank_lines(scan, &p);
        if (result != MR_CSV_CUT_FULL) return result;
        *eye = look_at(p, end);
    }
    int64_t n_lines = 0;
    size_t n = 0;
    for (;; p++) {
        struct mr_str cell;
        const char *stop;
        if (p < end && *p == '"') {
            mr_csv_cut result = cut_quoted(scan, p, &cell, &stop);
            if (result != MR_CSV_CUT_FULL) {
                if (result == MR_CSV_CUT_UNCLOSED) scan->record_line += n_lines;
                return result;
            }
            n_lines += mr_csv_count_lines(p, (size_t)(stop - p));
            *eye = look_at(stop, end);
            next_mark(eye, end);
        } else {
            stop = next_mark(eye, end);
            if (stop == end && !scan->is_last) return MR_CSV_CUT_PARTIAL;
            cell = (struct mr_str){p, (size_t)(stop - p)};
        }
        if (n < width) {
            size_t slot = slots ? slots[n] : n;
            if (slot != MR_CSV_NO_SLOT) cells[slot * stride] = cell;
        }
        n++;
        p = stop;
        if (p == end || *p != ',') break;
    }
    *n_cells = n;
    if (p < end) {
        if (*p == '\r') {
            if (!skip_line_end(scan, &p)) return MR_CSV_CUT_PARTIAL;
            if (p[-1] == '\n') next_mark(eye, end);
        } else {
            p++;
        }
        n_lines++;
    }
    if (n > width && slots) return MR_CSV_CUT_TOO_WIDE;
    scan->at = p;
    scan->line = scan->record_line + n_lines;
    return MR_CSV_CUT_FULL;
}

mr_csv_cut mr_csv_cut_record(struct mr_csv_scan *scan, struct mr_str *cells, size_t max_cells,
                             size_t *n) {
    struct eye eye = look_at(scan->at, scan->end);
    scan->scratch_used = 0;
    return cut_record(scan, &eye, cells, 1, NULL, max_cells, n);
}

mr_csv_cut mr_csv_cut_batch(struct mr_csv_scan *scan, struct mr_csv_batch *batch) {
    const size_t stride = batch->max_rows;
    struct eye eye = look_at(scan->at, scan->end);
    scan->scratch_used = 0;
    for (batch->n_rows = 0; batch->n_rows < batch->max_rows; batch->n_rows++) {
        struct mr_str *cells = batch->cells + batch->n_rows;
        size_t n = 0;
        mr_csv_cut result = cut_record(scan, &eye, cells, stride, batch->slots, batch->width, &n);
        if (result != MR_CSV_CUT_FULL) {
            batch->n_found = n;
            return result;
        }
        batch->lines[batch->n_rows] = scan->record_line;
        for (size_t s = batch->n_slots; s > 0 && batch->positions[s - 1] >= n; s--) {
            cells[(s - 1) * stride] = (struct mr_str){"", 0};
        }
    }
    return MR_CSV_CUT_FULL;
}
