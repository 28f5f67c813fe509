/* Bytes to values, as Python's json.loads (Lib/json/__init__.py, Modules/_json.c).
 *
 * yyjson reads strict JSON, in place where it can. What Python accepts beyond that (the literals
 * NaN, Infinity and -Infinity, lone surrogates) is rare: such a body fails the strict reading and
 * is read again from a tidied copy, with yyjson's lenient flags, and checked afterwards. */
#include <ctype.h>
#include <math.h>

#include "base/utf8.h"
#include "codec/json_int.h"
#include "schema/cast.h"

#define MAX_INT_DIGITS 4300 /* sys.get_int_max_str_digits() */
#define READ_FLAGS YYJSON_READ_BIGNUM_AS_RAW
#define LENIENT_FLAGS                                                                              \
    (READ_FLAGS | YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_ALLOW_INVALID_UNICODE)

/* yyjson's memory comes from the arena. It asks for two blocks, a copy of the text and the values,
 * and gives both back when it fails: the second reading gets them again. */
struct doc_memory {
    struct mr_arena *arena;
    struct {
        void *data;
        size_t size;
        bool is_free;
    } blocks[2];
};

static void *doc_malloc(void *ctx, size_t size) {
    struct doc_memory *memory = ctx;
    for (int i = 0; i < 2; i++) {
        if (memory->blocks[i].is_free && memory->blocks[i].size >= size) {
            memory->blocks[i].is_free = false;
            return memory->blocks[i].data;
        }
    }
    void *data = mr_arena_alloc(memory->arena, size);
    for (int i = 0; data && i < 2; i++) {
        if (memory->blocks[i].data && !memory->blocks[i].is_free) continue;
        memory->blocks[i].data = data;
        memory->blocks[i].size = size;
        memory->blocks[i].is_free = false;
        break;
    }
    return data;
}

static void *doc_realloc(void *ctx, void *old, size_t old_size, size_t size) {
    struct doc_memory *memory = ctx;
    void *data = mr_arena_realloc(memory->arena, old, old_size, size);
    for (int i = 0; data && i < 2; i++) {
        if (memory->blocks[i].data != old) continue;
        memory->blocks[i].data = data;
        memory->blocks[i].size = size;
    }
    return data;
}

static void doc_free(void *ctx, void *data) {
    struct doc_memory *memory = ctx;
    for (int i = 0; i < 2; i++) {
        if (memory->blocks[i].data == data) memory->blocks[i].is_free = true;
    }
}

/* --- Encodings ------------------------------------------------------------------------------- */

struct encoding {
    const char *name;
    size_t unit;     /* bytes of a code unit: 1, 2, 4 */
    size_t bom_size; /* bytes to skip */
    bool is_big_endian;
};

/* json.detect_encoding. */
static struct encoding detect_encoding(const char *body, size_t size) {
    static const struct {
        const char *bom;
        struct encoding encoding;
    } boms[] = {{"\0\0\xFE\xFF", {"UTF-32", 4, 4, true}},
                {"\xFF\xFE\0\0", {"UTF-32", 4, 4, false}},
                {"\xFE\xFF", {"UTF-16", 2, 2, true}},
                {"\xFF\xFE", {"UTF-16", 2, 2, false}},
                {"\xEF\xBB\xBF", {"UTF-8", 1, 3, false}}};
    for (size_t i = 0; i < sizeof(boms) / sizeof(boms[0]); i++) {
        size_t bom_size = boms[i].encoding.bom_size;
        if (size >= bom_size && memcmp(body, boms[i].bom, bom_size) == 0) return boms[i].encoding;
    }
    if (size >= 4) {
        if (!body[0]) return (struct encoding){"UTF", body[1] ? 2 : 4, 0, true};
        if (!body[1]) return (struct encoding){"UTF", body[2] || body[3] ? 2 : 4, 0, false};
    } else if (size == 2 && (!body[0] || !body[1])) {
        return (struct encoding){"UTF-16", 2, 0, !body[0]};
    }
    return (struct encoding){"UTF-8", 1, 0, false};
}

static unsigned code_unit(const unsigned char *at, size_t unit, bool is_big_endian) {
    unsigned value = 0;
    for (size_t i = 0; i < unit; i++) {
        value |= (unsigned)at[i] << (8 * (is_big_endian ? unit - 1 - i : i));
    }
    return value;
}

/* UTF-16 or UTF-32 to UTF-8; lone surrogates pass (the codecs' error handler "surrogatepass").
 * The copy has room for yyjson's padding. */
static mr_status to_utf8(struct mr_str body, struct encoding encoding, struct mr_arena *arena,
                         struct mr_str *out, struct mr_error *err) {
    size_t n_units = body.size / encoding.unit;
    size_t room = n_units * (encoding.unit == 2 ? 3 : 4);
    char *text = mr_arena_alloc(arena, room + YYJSON_PADDING_SIZE);
    if (!text) return mr_arena_fail(arena, err);
    if (body.size % encoding.unit) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the body is not valid JSON: %zu bytes are no whole number of UTF-%zu units",
                       body.size, encoding.unit * 8);
    }
    const unsigned char *bytes = (const unsigned char *)body.data;
    size_t n = 0;
    for (size_t i = 0; i < n_units; i++) {
        unsigned code = code_unit(bytes + i * encoding.unit, encoding.unit, encoding.is_big_endian);
        if (code > 0x10FFFF) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "the body is not valid JSON: no UTF-32 character at byte %zu", i * 4);
        }
        if (encoding.unit == 2 && (code & 0xFC00) == 0xD800 && i + 1 < n_units) {
            unsigned low = code_unit(bytes + (i + 1) * 2, 2, encoding.is_big_endian);
            if ((low & 0xFC00) == 0xDC00) {
                code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
                i++;
            }
        }
        n += mr_utf8_encode(code, text + n);
    }
    *out = (struct mr_str){text, n};
    return MR_OK;
}

/* --- Lenient reading ------------------------------------------------------------------------- */

/* The code unit of an escape \uXXXX; 0 when there is none at `at` (\u0000 is not looked for). */
static unsigned escaped_unit(struct mr_str text, size_t at) {
    if (text.size - at < 6 || text.data[at] != '\\' || text.data[at + 1] != 'u') return 0;
    unsigned code = 0;
    for (size_t i = 2; i < 6; i++) {
        char c = text.data[at + i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return 0;
        code = code << 4 | digit;
    }
    return code;
}

/* Copy a text with its lone surrogate escapes replaced by WTF-8 bytes, which yyjson can be told to
 * let pass. Stops when *n_out bytes are written. Returns the bytes read. */
static size_t replace_surrogates(struct mr_str text, char *out, size_t *n_out,
                                 bool *has_surrogates) {
    size_t n = 0, at = 0, max = *n_out;
    while (at < text.size && n < max) {
        unsigned code = text.data[at] == '\\' ? escaped_unit(text, at) : 0;
        size_t size = 1;
        if ((code & 0xFC00) == 0xD800 && (escaped_unit(text, at + 6) & 0xFC00) == 0xDC00) {
            size = 12;
        } else if ((code & 0xF800) == 0xD800) {
            char encoded[4];
            mr_utf8_encode(code, encoded);
            memcpy(out + n, encoded, 3);
            *has_surrogates = true;
            n += 3;
            at += 6;
            continue;
        } else if (text.data[at] == '\\' && at + 1 < text.size) {
            size = 2;
        }
        memcpy(out + n, text.data + at, size);
        n += size;
        at += size;
    }
    *n_out = n;
    return at;
}

/* Offset of the first literal that Python does not know; text.size when there is none. yyjson's
 * lenient flag knows inf and nan in any case and with a minus. The text is known to be well-formed
 * otherwise. */
static size_t find_unknown_literal(struct mr_str text) {
    static const char *const known[] = {"true", "false", "null", "NaN", "Infinity"};
    for (size_t at = 0; at < text.size; at++) {
        if (text.data[at] == '"') {
            for (at++; at < text.size && text.data[at] != '"'; at++) at += text.data[at] == '\\';
            continue;
        }
        size_t end = at;
        while (end < text.size && isalpha((unsigned char)text.data[end])) end++;
        if (end == at) continue;
        struct mr_str word = {text.data + at, end - at};
        char before = at ? text.data[at - 1] : ' ';
        bool is_known = isdigit((unsigned char)before) || before == '.'; /* an exponent's e */
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            is_known |= mr_str_is(word, known[i]) && (before != '-' || *known[i] == 'I');
        }
        if (!is_known) return at - (before == '-');
        at = end - 1;
    }
    return text.size;
}

/* After a lenient reading: literals that stand for numbers, which some versions of yyjson leave as
 * text, get their value, and strings with surrogates their mark. */
static void mend_values(yyjson_doc *doc, bool has_surrogates) {
    yyjson_val *value = yyjson_doc_get_root(doc);
    for (size_t n = yyjson_doc_get_val_count(doc); n; n--, value++) {
        if (yyjson_is_raw(value)) {
            struct mr_str text = {yyjson_get_raw(value), yyjson_get_len(value)};
            if (isdigit((unsigned char)text.data[text.size - 1])) continue;
            value->tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
            value->uni.f64 = *text.data == 'N' ? NAN : *text.data == '-' ? -INFINITY : INFINITY;
        } else if (has_surrogates && yyjson_is_str(value)) {
            struct mr_str text = {yyjson_get_str(value), yyjson_get_len(value)};
            if (mr_utf8_check(text.data, text.size) == text.size) continue;
            value->tag = (value->tag & ~(uint64_t)YYJSON_TAG_MASK) | YYJSON_TYPE_STR |
                         MR_SUBTYPE_SURROGATE;
        }
    }
}

/* --- Limits ---------------------------------------------------------------------------------- */

/* Whether more than MAX_INT_DIGITS digits stand in a row anywhere. A run that long covers one of
 * the bytes looked at. */
static bool has_long_digits(struct mr_str text) {
    const size_t step = MAX_INT_DIGITS / 2;
    for (size_t at = step; at < text.size; at += step) {
        size_t low = at, high = at;
        while (low > 0 && text.data[low - 1] >= '0' && text.data[low - 1] <= '9') low--;
        while (high < text.size && text.data[high] >= '0' && text.data[high] <= '9') high++;
        if (high > low + MAX_INT_DIGITS) return true;
    }
    return false;
}

/* Python refuses to make an int of so many digits (ValueError, which MLflow answers with 500). */
static mr_status check_long_integers(yyjson_doc *doc, struct mr_error *err) {
    yyjson_val *value = yyjson_doc_get_root(doc);
    for (size_t n = yyjson_doc_get_val_count(doc); n; n--, value++) {
        size_t size = yyjson_is_raw(value) ? yyjson_get_len(value) : 0;
        if (size <= MAX_INT_DIGITS) continue;
        const char *text = yyjson_get_raw(value);
        size_t sign = text[0] == '-';
        bool is_real = memchr(text, '.', size) || memchr(text, 'e', size) ||
                       memchr(text, 'E', size);
        if (size - sign > MAX_INT_DIGITS && !is_real) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "the body has an integer of %zu digits; the limit is %d", size - sign,
                           MAX_INT_DIGITS);
        }
    }
    return MR_OK;
}

/* Containers that hold no filled container are stepped over whole. */
static mr_status check_depth(yyjson_val *root, struct mr_error *err) {
    yyjson_val *ends[MR_JSON_MAX_DEPTH]; /* of the containers around the current value */
    size_t depth = 0;
    yyjson_val *end = unsafe_yyjson_is_ctn(root) ? unsafe_yyjson_get_next(root) : root + 1;
    for (yyjson_val *value = root; value < end;) {
        while (depth && value >= ends[depth - 1]) depth--;
        size_t size = unsafe_yyjson_is_ctn(value) ? unsafe_yyjson_get_len(value) : 0;
        if (!size) {
            value++;
            continue;
        }
        if (depth == MR_JSON_MAX_DEPTH) {
            return mr_fail(err, MR_E_BAD_REQUEST, "the body is nested more than %d levels deep",
                           MR_JSON_MAX_DEPTH);
        }
        yyjson_val *next = unsafe_yyjson_get_next(value);
        size_t n_children = unsafe_yyjson_is_obj(value) ? size * 2 : size;
        if ((size_t)(next - value - 1) == n_children) {
            value = next;
        } else {
            ends[depth++] = next;
            value++;
        }
    }
    return MR_OK;
}

/* --- Reading --------------------------------------------------------------------------------- */

static mr_status syntax_error(struct mr_str text, size_t at, const char *what,
                              struct mr_error *err) {
    if (at >= text.size) {
        return mr_fail(err, MR_E_BAD_REQUEST,
                       "the body is not valid JSON: it ends at byte %zu (%s)", text.size, what);
    }
    unsigned char c = (unsigned char)text.data[at];
    char found[8] = {(char)c};
    if (c < 0x20 || c >= 0x7F) snprintf(found, sizeof(found), "\\x%02x", c);
    return mr_fail(err, MR_E_BAD_REQUEST, "the body is not valid JSON: %s at byte %zu, found '%s'",
                   what, at, found);
}

static mr_status read_lenient(struct mr_str text, struct doc_memory *memory, yyjson_doc **doc,
                              bool *has_surrogates, struct mr_error *err) {
    size_t bad = mr_wtf8_check(text.data, text.size, has_surrogates);
    if (bad < text.size) return syntax_error(text, bad, "invalid UTF-8", err);
    char *copy = mr_arena_alloc(memory->arena, text.size + YYJSON_PADDING_SIZE);
    if (!copy) return mr_arena_fail(memory->arena, err);
    size_t size = text.size;
    replace_surrogates(text, copy, &size, has_surrogates);
    memset(copy + size, 0, YYJSON_PADDING_SIZE);
    yyjson_alc alc = {doc_malloc, doc_realloc, doc_free, memory};
    yyjson_read_err fault;
    *doc = yyjson_read_opts(copy, size, LENIENT_FLAGS | YYJSON_READ_INSITU, &alc, &fault);
    if (!*doc && fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) {
        return mr_arena_fail(memory->arena, err);
    }
    if (!*doc) {
        size_t at = replace_surrogates(text, copy, &fault.pos, has_surrogates);
        return syntax_error(text, at, fault.msg, err);
    }
    size_t unknown = find_unknown_literal(text);
    if (unknown < text.size) return syntax_error(text, unknown, "unexpected literal", err);
    mend_values(*doc, *has_surrogates);
    return MR_OK;
}

mr_status mr_json_parse(char *body, size_t body_size, size_t body_capacity, struct mr_arena *arena,
                        yyjson_val **root, bool *has_surrogates, struct mr_error *err) {
    struct encoding encoding = detect_encoding(body, body_size);
    struct mr_str text = {body + encoding.bom_size, body_size - encoding.bom_size};
    bool has_padding = body_capacity >= body_size + YYJSON_PADDING_SIZE;
    if (encoding.unit > 1) {
        MR_TRY(to_utf8(text, encoding, arena, &text, err));
        has_padding = true;
    }
    *has_surrogates = false;
    if (!text.size) return mr_fail(err, MR_E_BAD_REQUEST, "the body is empty, expected JSON");

    /* A text without these bytes has nothing that a second, lenient reading would accept, so that
     * the first one may destroy it. */
    bool is_plain = !memchr(text.data, '\\', text.size) && !memchr(text.data, 'N', text.size) &&
                    !memchr(text.data, 'I', text.size) && !memchr(text.data, 0xED, text.size);
    bool is_in_place = has_padding && is_plain;
    if (is_in_place) memset((char *)text.data + text.size, 0, YYJSON_PADDING_SIZE);
    bool is_long = text.size > MAX_INT_DIGITS && has_long_digits(text);
    struct doc_memory memory = {.arena = arena};
    yyjson_alc alc = {doc_malloc, doc_realloc, doc_free, &memory};
    yyjson_read_err fault;
    yyjson_doc *doc = yyjson_read_opts((char *)text.data, text.size,
                                       READ_FLAGS | (is_in_place ? YYJSON_READ_INSITU : 0), &alc,
                                       &fault);
    if (!doc) {
        if (fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) return mr_arena_fail(arena, err);
        if (is_plain) return syntax_error(text, fault.pos, fault.msg, err);
        MR_TRY(read_lenient(text, &memory, &doc, has_surrogates, err));
    }
    if (is_long) MR_TRY(check_long_integers(doc, err));
    *root = yyjson_doc_get_root(doc);
    if (text.size > 2 * MR_JSON_MAX_DEPTH) MR_TRY(check_depth(*root, err));
    return MR_OK;
}
