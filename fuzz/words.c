/* Texts as a vectorizer of words or characters takes them apart: the first byte picks the analyzer,
 * the rest is a text. Its units must lie one after the other in the room that was asked for. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "engine/pipeline/text/analyze.h"
#include "engine/pipeline/text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static mr_status take(void *ctx, const struct mr_text_units *units, struct mr_error *err) {
    const struct mr_text_room *room = ctx;
    (void)err;
    if (units->bytes != room->bytes) abort();
    for (size_t i = 0; i < units->n; i++) {
        uint32_t start = units->starts[i], end = units->starts[i + 1];
        if (end < start || end - start <= units->n_between) abort(); /* none is empty */
        for (uint32_t k = start; k < end; k++) sink += (uint8_t)units->bytes[k];
    }
    for (size_t k = 0; units->n && k < MR_TEXT_SLACK; k++) {
        sink += (uint8_t)units->bytes[units->starts[units->n] + k];
    }
    return MR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct mr_str text = {(const char *)data + 1, size - 1};
    mr_text_unicode_prepare();
    if (mr_utf8_check(text.data, text.size) != text.size || !mr_text_is_sure(text)) return 0;
    static const mr_text_unit units[] = {MR_TEXT_WORD, MR_TEXT_CHAR, MR_TEXT_CHAR_WB};
    const struct mr_text_analyzer analyzer = {
        .unit = units[data[0] % 3],
        .is_lowercase = data[0] & 4,
        .min_word = data[0] & 8 ? 1 : 2,
        .min_n = 1,
        .max_n = 2,
    };
    struct mr_arena *arena = mr_arena_new((size_t)64 << 20, NULL);
    struct mr_text_room room;
    struct mr_error err;
    if (arena && mr_text_room_init(&room, text.size, arena, &err) == MR_OK &&
        mr_text_analyze(&analyzer, text, &room, take, &room, &err) != MR_OK) {
        abort();
    }
    mr_arena_free(arena);
    return 0;
}
