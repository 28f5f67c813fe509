#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/number.h"
#include "base/utf8.h"
#include "loader/pickle_int.h"

/* Memory ------------------------------------------------------------------------------------ */

/* The opcode that takes most is EMPTY_LIST: one byte, an object of 120 and a place on the stack,
 * which may have grown just now. So no honest file comes near this for each byte read. What does is
 * one payload that many arrays are made of. */
#define BUDGET_BASE_BYTES ((size_t)1 << 20)
#define BUDGET_FACTOR 256

/* And what a small compressed file may unpack to. */
#define BUDGET_PACKED_BYTES ((size_t)256 << 20)

mr_status mr_pickle_fail(struct mr_unpickler *u, mr_status status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0) text[0] = '\0';
    return mr_fail(u->err, status, "byte %llu of the pickle: %s", (unsigned long long)u->opcode_at,
                   text);
}

/* base + BUDGET_FACTOR * n, or the largest size. */
static size_t times_factor(uint64_t n, size_t base) {
    size_t bytes;
    if (__builtin_mul_overflow(n, BUDGET_FACTOR, &bytes) ||
        __builtin_add_overflow(bytes, base, &bytes)) {
        return SIZE_MAX;
    }
    return bytes;
}

static size_t budget_bytes(const struct mr_unpickler *u) {
    size_t of_read = times_factor(mr_stream_offset(u->stream), BUDGET_BASE_BYTES);
    size_t of_file = times_factor(mr_stream_stored_bytes(u->stream), BUDGET_PACKED_BYTES);
    return of_read < of_file ? of_read : of_file;
}

/* Whether as many bytes are within the budget; then they are counted. */
static bool take_budget(struct mr_unpickler *u, size_t size) {
    size_t used;
    u->is_over_budget = __builtin_add_overflow(u->used_bytes, size, &used) ||
                        used > budget_bytes(u);
    if (!u->is_over_budget) u->used_bytes = used;
    return !u->is_over_budget;
}

void *mr_pickle_alloc(struct mr_unpickler *u, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = SIZE_MAX;
    if (!take_budget(u, bytes)) return NULL;
    return mr_arena_alloc(u->arena, bytes);
}

mr_status mr_pickle_count(struct mr_unpickler *u, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = SIZE_MAX;
    return take_budget(u, bytes) ? MR_OK : mr_pickle_no_memory(u);
}

void *mr_pickle_grow(struct mr_unpickler *u, void *old, size_t n_old, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = SIZE_MAX;
    if (!take_budget(u, bytes)) return NULL;
    return mr_arena_realloc(u->arena, old, n_old * size, bytes);
}

mr_status mr_pickle_no_memory(struct mr_unpickler *u) {
    if (!u->is_over_budget) return mr_arena_fail(u->arena, u->err);
    return mr_pickle_fail(u, MR_E_TOO_LARGE,
                          "what was read so far needs more than %zu bytes of memory",
                          budget_bytes(u));
}

/* Bytes ------------------------------------------------------------------------------------- */

mr_status mr_pickle_read_bytes(struct mr_unpickler *u, uint64_t n, struct mr_str *out) {
    if (n > mr_stream_max_left(u->stream) || n > PTRDIFF_MAX) {
        return mr_pickle_fail(u, MR_E_FORMAT, "%llu bytes should follow, but at most %llu do",
                              (unsigned long long)n,
                              (unsigned long long)mr_stream_max_left(u->stream));
    }
    char *bytes = mr_arena_alloc(u->arena, (size_t)n + 1);
    if (!bytes) return mr_arena_fail(u->arena, u->err);
    MR_TRY(mr_stream_read(u->stream, bytes, (size_t)n, u->err));
    MR_TRY(mr_pickle_count(u, (size_t)n + 1, 1));
    bytes[n] = '\0';
    *out = (struct mr_str){bytes, (size_t)n};
    return MR_OK;
}

mr_status mr_pickle_read_line(struct mr_unpickler *u, struct mr_str *out) {
    size_t n = 0, capacity = 64;
    char *line = mr_pickle_alloc(u, capacity, 1);
    if (!line) return mr_pickle_no_memory(u);
    for (;; n++) {
        if (n == capacity) {
            char *grown = mr_pickle_grow(u, line, capacity, capacity * 2, 1);
            if (!grown) return mr_pickle_no_memory(u);
            line = grown;
            capacity *= 2;
        }
        MR_TRY(mr_stream_read(u->stream, &line[n], 1, u->err));
        if (line[n] == '\n') break;
    }
    line[n] = '\0';
    *out = (struct mr_str){line, n};
    return MR_OK;
}

mr_status mr_pickle_read_uint(struct mr_unpickler *u, size_t n_bytes, uint64_t *out) {
    unsigned char bytes[8];
    MR_TRY(mr_stream_read(u->stream, bytes, n_bytes, u->err));
    *out = 0;
    for (size_t i = n_bytes; i-- > 0;) *out = *out << 8 | bytes[i];
    return MR_OK;
}

/* Objects ----------------------------------------------------------------------------------- */

mr_status mr_pickle_new(struct mr_unpickler *u, mr_object_kind kind, const char *builtin,
                        struct mr_object **out) {
    struct mr_object *object = mr_pickle_alloc(u, 1, sizeof(*object));
    if (!object) return mr_pickle_no_memory(u);
    memset(object, 0, sizeof(*object));
    object->kind = kind;
    object->module = mr_str_from("builtins");
    object->name = mr_str_from(builtin);
    *out = object;
    return MR_OK;
}

/* The value of a magnitude of 8 bytes or more, the highest not 0, correctly rounded: of the top 64
 * bits at least 57 count, and the lowest stands for all that were dropped. */
static double big_value(const unsigned char *bytes, size_t n) {
    uint64_t top = 0;
    for (size_t i = n; i-- > n - 8;) top = top << 8 | bytes[i];
    for (size_t i = 0; i < n - 8; i++) top |= bytes[i] != 0;
    return n > 128 ? (double)INFINITY : ldexp((double)top, (int)(n - 8) * 8);
}

/* Two's complement of the bytes, in place; false: they were all 0. */
static bool negate(unsigned char *bytes, size_t n) {
    unsigned carry = 1;
    for (size_t i = 0; i < n; i++) {
        carry += (unsigned char)~bytes[i];
        bytes[i] = (unsigned char)carry;
        carry >>= 8;
    }
    return carry == 0;
}

mr_status mr_pickle_new_int(struct mr_unpickler *u, struct mr_str text, struct mr_object **out) {
    unsigned char *bytes = (unsigned char *)(uintptr_t)text.data;
    size_t n = text.size;
    bool is_negative = n > 0 && bytes[n - 1] >> 7;
    while (n > 0 && bytes[n - 1] == (is_negative ? 0xff : 0)) n--; /* only repeat the sign */
    if (n < 8 || (n == 8 && bytes[7] >> 7 == is_negative)) {
        uint64_t value = is_negative ? UINT64_MAX : 0;
        for (size_t i = n; i-- > 0;) value = value << 8 | bytes[i];
        MR_TRY(mr_pickle_new(u, MR_OBJECT_INT, "int", out));
        (*out)->integer = (int64_t)value;
        return MR_OK;
    }
    MR_TRY(mr_pickle_new(u, MR_OBJECT_FLOAT, "int", out));
    if (!is_negative) {
        (*out)->real = big_value(bytes, n);
    } else if (negate(bytes, n)) {
        (*out)->real = -big_value(bytes, n);
    } else {
        (*out)->real = n > 127 ? (double)-INFINITY : -ldexp(1, (int)n * 8);
    }
    return MR_OK;
}

mr_status mr_pickle_new_text(struct mr_unpickler *u, struct mr_str text, struct mr_object **out) {
    bool has_surrogates;
    if (mr_wtf8_check(text.data, text.size, &has_surrogates) != text.size) {
        return mr_pickle_fail(u, MR_E_FORMAT, "a text is no UTF-8");
    }
    MR_TRY(mr_pickle_new(u, MR_OBJECT_STR, "str", out));
    (*out)->text = text;
    return MR_OK;
}

/* Lines of protocol 0 ----------------------------------------------------------------------- */

mr_status mr_pickle_parse_int(struct mr_unpickler *u, struct mr_str line, struct mr_object **out) {
    int64_t integer = 0;
    bool is_big = false;
    if (!mr_int_parse(line, &integer, &is_big)) {
        return mr_pickle_fail(u, MR_E_FORMAT, "\"%.*s\" is no integer", MR_STR_ARGS(line));
    }
    MR_TRY(mr_pickle_new(u, is_big ? MR_OBJECT_FLOAT : MR_OBJECT_INT, "int", out));
    if (!is_big) {
        (*out)->integer = integer;
    } else if (!mr_float_parse(line, &(*out)->real)) {
        return mr_pickle_fail(u, MR_E_FORMAT, "\"%.*s\" is no integer", MR_STR_ARGS(line));
    }
    return MR_OK;
}

/* Four or eight hexadecimal digits; false when there are fewer. */
static bool read_hex(struct mr_str text, size_t at, size_t n, unsigned *out) {
    *out = 0;
    if (text.size - at < n) return false;
    for (size_t i = at; i < at + n; i++) {
        char c = text.data[i];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_digit && !is_letter) return false;
        *out = *out << 4 | (unsigned)(is_digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
}

/* Python's codec raw-unicode-escape: Latin-1, with \uXXXX and \UXXXXXXXX for other characters. */
mr_status mr_pickle_parse_unicode(struct mr_unpickler *u, struct mr_str line,
                                  struct mr_object **out) {
    char *text = mr_pickle_alloc(u, line.size * 2 + 5, 1);
    if (!text) return mr_pickle_no_memory(u);
    size_t size = 0;
    for (size_t i = 0; i < line.size; i++) {
        unsigned code = (unsigned char)line.data[i];
        char next = i + 1 < line.size ? line.data[i + 1] : '\0';
        size_t n = code != '\\' ? 0 : next == 'u' ? 4 : next == 'U' ? 8 : 0;
        if (n > 0) {
            if (!read_hex(line, i + 2, n, &code) || code > 0x10ffff) {
                return mr_pickle_fail(u, MR_E_FORMAT, "a text has an escape that is none");
            }
            i += 1 + n;
        } else if (code == '\\' && next != '\0') {
            text[size++] = '\\'; /* the next one begins no escape either */
            code = (unsigned char)next;
            i++;
        }
        size += mr_utf8_encode(code, text + size);
    }
    text[size] = '\0';
    return mr_pickle_new_text(u, (struct mr_str){text, size}, out);
}

/* Containers -------------------------------------------------------------------------------- */

/* Items that an array for n of them has room for. */
static size_t room_for(size_t n) {
    size_t room = 4;
    while (room < n) room *= 2;
    return room;
}

/* Makes room in an array of n items for more. */
static mr_status make_room(struct mr_unpickler *u, const struct mr_object *const **items, size_t n,
                           size_t more) {
    size_t old_room = *items ? room_for(n) : 0;
    size_t room = room_for(n + more);
    if (room <= old_room) return MR_OK;
    void *grown = mr_pickle_grow(u, (void *)(uintptr_t)*items, old_room, room, sizeof(**items));
    if (!grown) return mr_pickle_no_memory(u);
    *items = grown;
    return MR_OK;
}

mr_status mr_pickle_append(struct mr_unpickler *u, struct mr_object_list *list,
                           struct mr_object *const *items, size_t n) {
    if (n == 0) return MR_OK;
    MR_TRY(make_room(u, &list->items, list->n, n));
    const struct mr_object **to = (const struct mr_object **)(uintptr_t)list->items + list->n;
    for (size_t i = 0; i < n; i++) to[i] = items[i];
    list->n += n;
    return MR_OK;
}

mr_status mr_pickle_set_items(struct mr_unpickler *u, struct mr_object_dict *dict,
                              struct mr_object *const *items, size_t n_pairs) {
    if (n_pairs == 0) return MR_OK;
    MR_TRY(make_room(u, &dict->keys, dict->n, n_pairs));
    MR_TRY(make_room(u, &dict->values, dict->n, n_pairs));
    const struct mr_object **keys = (const struct mr_object **)(uintptr_t)dict->keys + dict->n;
    const struct mr_object **values = (const struct mr_object **)(uintptr_t)dict->values + dict->n;
    for (size_t i = 0; i < n_pairs; i++) {
        keys[i] = items[2 * i];
        values[i] = items[2 * i + 1];
    }
    dict->n += n_pairs;
    return MR_OK;
}
