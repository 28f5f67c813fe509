#include "codec/json_rows.h"

/* What stands beside the rows is small: names, params. If not, the document is decoded whole. */
#define MAX_REST_BYTES ((size_t)16 << 20)
#define MAX_KEY_BYTES 32

/* Where the scan is. */
enum place {
    AT_START, /* before the document's first character */
    IN_REST,  /* in what is kept */
    IN_ROWS,
    IN_INDEX
};

struct mr_json_scan {
    struct mr_arena *arena;
    size_t block_size;
    enum place place;
    uint64_t offset; /* of the byte under the eye */
    int64_t depth;   /* brackets that are open */
    bool is_string;  /* inside quotes */
    bool is_escaped; /* behind a backslash */
    bool is_whole;   /* no use to go on: the document must be decoded whole */
    struct mr_buf rest;
    struct mr_json_rows found;

    /* Keys of the outermost object, or of dataframe_split's object inside it. */
    int64_t key_depth; /* of the members watched */
    bool is_split;     /* they are dataframe_split's */
    bool is_key_next, is_key, is_value_next;
    char key[MAX_KEY_BYTES];
    size_t key_size; /* may be above MAX_KEY_BYTES: then the key is none of ours */
    int n_formats;

    /* The list that is gone through: rows or index. */
    int64_t list_depth;
    bool has_item; /* since the last comma */
    int64_t n_rows, n_labels;
    struct mr_json_block block;
    size_t max_blocks;
};

struct mr_json_scan *mr_json_scan_new(size_t block_size, struct mr_arena *arena) {
    struct mr_json_scan *scan = mr_arena_zalloc(arena, sizeof(*scan));
    if (!scan) return NULL;
    scan->arena = arena;
    scan->block_size = block_size;
    mr_buf_init(&scan->rest, arena);
    return scan;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_key(const struct mr_json_scan *scan, const char *name) {
    return scan->key_size <= MAX_KEY_BYTES &&
           mr_str_is((struct mr_str){scan->key, scan->key_size}, name);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void begin_rows(struct mr_json_scan *scan) {
    if (scan->found.before.data) {
        scan->is_whole = true; /* rows twice: the decoder knows what becomes of that */
        return;
    }
    scan->found.before = mr_buf_str(&scan->rest);
    mr_buf_init(&scan->rest, scan->arena);
    scan->place = IN_ROWS;
    scan->list_depth = scan->depth;
    scan->has_item = false;
    scan->block = (struct mr_json_block){.offset = scan->offset + 1};
}

static mr_status add_block(struct mr_json_scan *scan, struct mr_error *err) {
    struct mr_json_rows *found = &scan->found;
    if (found->n_blocks == scan->max_blocks) {
        size_t size = sizeof(*found->blocks), wanted = scan->max_blocks ? scan->max_blocks * 2 : 64;
        struct mr_json_block *blocks = mr_arena_realloc(scan->arena, found->blocks,
                                                        scan->max_blocks * size, wanted * size);
        if (!blocks) return mr_arena_fail(scan->arena, err);
        found->blocks = blocks;
        scan->max_blocks = wanted;
    }
    scan->block.size = scan->offset - scan->block.offset;
    found->blocks[found->n_blocks++] = scan->block;
    scan->block = (struct mr_json_block){.offset = scan->offset + 1, .first_row = scan->n_rows};
    return MR_OK;
}

static mr_status end_rows(struct mr_json_scan *scan, struct mr_error *err) {
    struct mr_json_rows *found = &scan->found;
    if (scan->has_item || found->n_blocks == 0) {
        MR_TRY(add_block(scan, err));
    } else {
        /* A comma and nothing after it: the decoder shall see it. */
        struct mr_json_block *last = &found->blocks[found->n_blocks - 1];
        last->size = scan->offset - last->offset;
    }
    scan->place = IN_REST;
    return MR_OK;
}

/* A character of the rows or the index, outside quotes. */
static mr_status step_in_list(struct mr_json_scan *scan, char c, struct mr_error *err) {
    bool is_rows = scan->place == IN_ROWS;
    if (scan->depth == scan->list_depth && c == ',') {
        scan->has_item = false;
        bool is_full = scan->offset - scan->block.offset >= scan->block_size;
        return is_rows && is_full ? add_block(scan, err) : MR_OK;
    }
    bool is_close = c == ']' || c == '}';
    if (is_close && scan->depth-- == scan->list_depth) {
        if (is_rows) {
            MR_TRY(end_rows(scan, err));
            mr_buf_char(&scan->rest, c);
        } else {
            scan->place = IN_REST;
        }
        return MR_OK;
    }
    if (scan->depth == scan->list_depth && !is_close && !is_blank(c) && !scan->has_item) {
        scan->has_item = true;
        bool is_container = c == '[' || c == '{';
        if (is_rows && scan->n_rows++ == 0 && scan->found.is_of_arrays && !is_container) {
            scan->is_whole = true; /* plain values: together they may be one row, or many */
        }
        if (!is_rows) {
            scan->n_labels++;
            scan->is_whole |= is_container; /* labels of several levels */
        }
    }
    if (c == '[' || c == '{') scan->depth++;
    scan->is_string = c == '"';
    return MR_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* The first character of a watched member's value. It is in `rest` already. */
static void begin_value(struct mr_json_scan *scan, char c) {
    bool is_records = is_key(scan, "dataframe_records");
    bool is_arrays = is_key(scan, "instances") || is_key(scan, "inputs");
    bool is_split = is_key(scan, "dataframe_split");
    if (scan->is_split) {
        if (c != '[') return;
        if (is_key(scan, "data")) begin_rows(scan);
        if (is_key(scan, "index")) {
            scan->rest.size--;
            mr_buf_text(&scan->rest, "null");
            scan->place = IN_INDEX;
            scan->list_depth = scan->depth;
            scan->has_item = false;
            scan->is_whole |= scan->found.has_index;
            scan->found.has_index = true;
        }
        return;
    }
    if (!is_records && !is_arrays && !is_split) return;
    scan->is_whole |= scan->n_formats++ > 0;
    if (is_split && c == '{') {
        scan->is_split = true;
        scan->key_depth = scan->depth;
        scan->is_key_next = true;
    } else if (!is_split && c == '[') {
        scan->found.is_of_arrays = is_arrays;
        begin_rows(scan);
    }
}

/* A character outside quotes. */
static void step_in_rest(struct mr_json_scan *scan, char c) {
    mr_buf_char(&scan->rest, c);
    if (is_blank(c)) return;
    bool is_watched = scan->depth == scan->key_depth;
    if (c == '[' || c == '{') scan->depth++;
    if (is_watched && scan->is_value_next) {
        scan->is_value_next = false;
        scan->is_string = c == '"';
        begin_value(scan, c);
        return;
    }
    switch (c) {
    case '"':
        scan->is_string = true;
        scan->is_key = is_watched && scan->is_key_next;
        scan->is_key_next = false;
        if (scan->is_key) scan->key_size = 0;
        break;
    case ':': scan->is_value_next = is_watched; break;
    case ',': scan->is_key_next |= is_watched; break;
    case ']':
    case '}':
        scan->depth--;
        if (scan->is_split && scan->depth < scan->key_depth) {
            scan->is_split = false;
            scan->key_depth = scan->depth;
        }
        break;
    default: break;
    }
}

static void begin_document(struct mr_json_scan *scan, char c) {
    mr_buf_char(&scan->rest, c);
    bool is_mark = scan->offset < 3 &&
                   (unsigned char)c == (unsigned char)"\xEF\xBB\xBF"[scan->offset];
    if (is_blank(c) || is_mark) return;
    scan->place = IN_REST;
    scan->depth = scan->key_depth = 1;
    scan->is_key_next = true;
    if (c == '[') {
        begin_rows(scan);
    } else if (c != '{') {
        scan->is_whole = true;
    }
}

/* Characters inside quotes, up to the closing one or the end of text; returns how many. */
static size_t skip_string(struct mr_json_scan *scan, const char *text, size_t size) {
    size_t n = 0;
    while (n < size) {
        char c = text[n++];
        if (scan->is_escaped) {
            scan->is_escaped = false;
        } else if (c == '\\') {
            scan->is_escaped = true;
        } else if (c == '"') {
            scan->is_string = false;
            break;
        }
    }
    if (scan->place == IN_REST) {
        mr_buf_append(&scan->rest, text, n);
        size_t n_key = n - !scan->is_string;
        if (scan->is_key && scan->key_size + n_key <= MAX_KEY_BYTES) {
            memcpy(scan->key + scan->key_size, text, n_key);
        }
        if (scan->is_key) scan->key_size += n_key;
    }
    return n;
}

/* Bytes that mean nothing between the rows' brackets. */
static size_t skip_plain(const struct mr_json_scan *scan, const char *text, size_t size) {
    if (scan->depth <= scan->list_depth) return 0;
    static const bool is_mark[256] = {
        ['"'] = true, ['['] = true, [']'] = true, ['{'] = true, ['}'] = true};
    size_t n = 0;
    while (n < size && !is_mark[(unsigned char)text[n]]) n++;
    return n;
}

/* Python's json tells UTF-16 and UTF-32 by their zero bytes and marks (json.detect_encoding). */
static bool is_wide(struct mr_str text) {
    return text.size > 1 && (!text.data[0] || !text.data[1] || (unsigned char)text.data[0] >= 0xFE);
}

mr_status mr_json_scan_feed(struct mr_json_scan *scan, struct mr_str text, struct mr_error *err) {
    if (scan->offset == 0 && is_wide(text)) scan->is_whole = true;
    for (size_t at = 0; at < text.size && !scan->is_whole;) {
        const char *p = text.data + at;
        size_t n = 1;
        if (scan->is_string) {
            n = skip_string(scan, p, text.size - at);
        } else if (scan->place == IN_REST) {
            step_in_rest(scan, *p);
        } else if (scan->place == AT_START) {
            begin_document(scan, *p);
        } else {
            n = skip_plain(scan, p, text.size - at);
            if (n == 0) {
                n = 1;
                MR_TRY(step_in_list(scan, *p, err));
            }
        }
        at += n;
        scan->offset += n;
        if (scan->rest.size > MAX_REST_BYTES) scan->is_whole = true;
    }
    return mr_buf_status(&scan->rest, err);
}

mr_status mr_json_scan_end(struct mr_json_scan *scan, struct mr_json_rows *out,
                           struct mr_error *err) {
    struct mr_json_rows *found = &scan->found;
    if (!scan->is_whole && scan->place != AT_START && (scan->depth > 0 || scan->is_string)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "the JSON ends too early, at byte %llu, inside %s",
                       (unsigned long long)scan->offset,
                       scan->is_string ? "a string" : "an array or object");
    }
    if (scan->is_whole || found->n_blocks == 0) {
        *out = (struct mr_json_rows){0};
        return MR_OK;
    }
    if (found->has_index && scan->n_labels != scan->n_rows) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "dataframe_split has %lld rows in data and %lld labels in index",
                       (long long)scan->n_rows, (long long)scan->n_labels);
    }
    found->after = mr_buf_str(&scan->rest);
    *out = *found;
    return mr_buf_status(&scan->rest, err);
}
