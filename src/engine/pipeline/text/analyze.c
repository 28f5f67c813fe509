#include "engine/pipeline/text/analyze.h"

#include "base/utf8.h"
#include "engine/pipeline/text/unicode.h"

mr_status mr_text_room_init(struct mr_text_room *room, size_t max_bytes, struct mr_arena *arena,
                            struct mr_error *err) {
    /* Spaces are written between words, and around them; there is one of those at a time. */
    size_t n = mr_text_lower_room(max_bytes) + 2;
    room->lower = mr_arena_alloc(arena, n);
    room->bytes = mr_arena_zalloc(arena, n + MR_TEXT_SLACK);
    room->starts = mr_arena_array(arena, n + 1, sizeof(*room->starts));
    return room->lower && room->bytes && room->starts ? MR_OK : mr_arena_fail(arena, err);
}

/* A set of code points: bits for those of ASCII, and a function for the others. */
struct class {
    uint64_t ascii[2];
    bool (*has)(unsigned code_point);
};

static const struct class word_class = {
    {UINT64_C(0x03FF000000000000), UINT64_C(0x07FFFFFE87FFFFFE)}, /* 0-9, A-Z, _, a-z */
    mr_text_is_word,
};

static const struct class space_class = {
    {UINT64_C(0x00000001F0003E00), 0}, /* \t to \r, U+001C to space */
    mr_text_is_space,
};

/* The end of the run of code points from `at` on that are all in a class, or all not; how many. */
static inline size_t skip_run(struct mr_str text, size_t at, const struct class *class, bool is_in,
                              size_t *n_code_points) {
    size_t n = 0;
    while (at < text.size) {
        unsigned char byte = (unsigned char)text.data[at];
        size_t next = at;
        bool has;
        if (byte < 0x80) {
            has = class->ascii[byte >> 6] >> (byte & 63) & 1;
            next++;
        } else {
            has = class->has(mr_utf8_next(text.data, text.size, &next));
        }
        if (has != is_in) break;
        at = next;
        n++;
    }
    *n_code_points = n;
    return at;
}

/* re.findall of r"\b\w\w+\b": the longest runs of \w, but for those of fewer code points than two;
 * without stop words. */
static mr_status take_words(const struct mr_text_analyzer *analyzer, struct mr_str text,
                            struct mr_text_room *room, mr_text_take_units *take, void *ctx,
                            struct mr_error *err) {
    size_t at = 0, n = 0, end = 0, length;
    while (at < text.size) {
        size_t start = skip_run(text, at, &word_class, false, &length);
        at = skip_run(text, start, &word_class, true, &length);
        if (length < analyzer->min_word) continue;
        struct mr_str word = {room->bytes + end, at - start};
        memcpy(room->bytes + end, text.data + start, at - start);
        if (analyzer->stop_words &&
            mr_text_vocabulary_find(analyzer->stop_words, word) != MR_TEXT_NONE) {
            continue;
        }
        room->starts[n++] = (uint32_t)end;
        end += word.size;
        room->bytes[end++] = ' ';
    }
    room->starts[n] = (uint32_t)end;
    const struct mr_text_units units = {room->bytes, n, room->starts, 1, false};
    return take(ctx, &units, err);
}

/* Appends the starts of the characters that room->bytes[start .. end] has; how many. */
static size_t find_characters(struct mr_text_room *room, size_t start, size_t end) {
    size_t n = 0;
    for (size_t i = start; i < end; i++) {
        room->starts[n] = (uint32_t)i;
        n += ((unsigned char)room->bytes[i] & 0xC0) != 0x80;
    }
    room->starts[n] = (uint32_t)end;
    return n;
}

/* re.sub(r"\s\s+", " ", text): a white space alone stays what it is. */
static mr_status take_characters(struct mr_str text, struct mr_text_room *room,
                                 mr_text_take_units *take, void *ctx, struct mr_error *err) {
    size_t at = 0, end = 0, length;
    while (at < text.size) {
        size_t start = at;
        at = skip_run(text, at, &space_class, false, &length);
        size_t space = at;
        at = skip_run(text, at, &space_class, true, &length);
        size_t n_kept = (length == 1 ? at : space) - start;
        memcpy(room->bytes + end, text.data + start, n_kept);
        end += n_kept;
        if (length > 1) room->bytes[end++] = ' ';
    }
    size_t n = find_characters(room, 0, end);
    const struct mr_text_units units = {room->bytes, n, room->starts, 0, false};
    return take(ctx, &units, err);
}

/* text.split(), each word between two spaces. */
static mr_status take_characters_of_words(struct mr_str text, struct mr_text_room *room,
                                          mr_text_take_units *take, void *ctx,
                                          struct mr_error *err) {
    size_t at = 0, length;
    while (at < text.size) {
        size_t start = skip_run(text, at, &space_class, true, &length);
        at = skip_run(text, start, &space_class, false, &length);
        if (length == 0) break;
        size_t size = at - start;
        room->bytes[0] = ' ';
        memcpy(room->bytes + 1, text.data + start, size);
        room->bytes[size + 1] = ' ';
        size_t n = find_characters(room, 0, size + 2);
        const struct mr_text_units units = {room->bytes, n, room->starts, 0, true};
        MR_TRY(take(ctx, &units, err));
    }
    return MR_OK;
}

mr_status mr_text_analyze(const struct mr_text_analyzer *analyzer, struct mr_str text,
                          struct mr_text_room *room, mr_text_take_units *take, void *ctx,
                          struct mr_error *err) {
    if (analyzer->is_lowercase) {
        text = (struct mr_str){room->lower, mr_text_lower(text, room->lower)};
    }
    switch (analyzer->unit) {
    case MR_TEXT_CHAR: return take_characters(text, room, take, ctx, err);
    case MR_TEXT_CHAR_WB: return take_characters_of_words(text, room, take, ctx, err);
    default: return take_words(analyzer, text, room, take, ctx, err);
    }
}
