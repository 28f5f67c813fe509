/* From a text to its n-grams: what scikit-learn's build_analyzer() gives (_VectorizerMixin of
 * sklearn/feature_extraction/text.py, version 1.9.1; the same since 1.1). */
#ifndef MR_ENGINE_PIPELINE_TEXT_ANALYZE_H
#define MR_ENGINE_PIPELINE_TEXT_ANALYZE_H

#include "engine/pipeline/text/vocabulary.h"

/* Longer texts are not analyzed: their n-grams can be counted, in float32 too. */
#define MR_TEXT_MAX_BYTES ((size_t)1 << 23)

typedef enum mr_text_unit {
    MR_TEXT_WORD,    /* analyzer="word" */
    MR_TEXT_CHAR,    /* "char" */
    MR_TEXT_CHAR_WB, /* "char_wb": those of each word with a space on both sides */
} mr_text_unit;

struct mr_text_analyzer {
    mr_text_unit unit;
    bool is_lowercase;
    size_t min_word;                             /* WORD: code points of the shortest word */
    size_t min_n, max_n;                         /* n-grams: 1 <= min_n */
    const struct mr_text_vocabulary *stop_words; /* WORD; NULL: none */
};

/* Words joined by a space each, or characters. */
struct mr_text_units {
    const char *bytes; /* MR_TEXT_SLACK bytes may be read behind them */
    size_t n;
    const uint32_t *starts; /* n + 1: unit i is bytes[starts[i] .. starts[i + 1] - n_between] */
    uint32_t n_between;     /* bytes between two units */
    bool is_word;           /* CHAR_WB: all of one word; the first n-gram that is all of it is the
                               last */
};

/* Takes some of a text's units; n-grams do not reach from one call's units to another's. */
typedef mr_status mr_text_take_units(void *ctx, const struct mr_text_units *units,
                                     struct mr_error *err);

/* Room to analyze one text after the other. */
struct mr_text_room {
    char *lower;
    char *bytes;
    uint32_t *starts;
};

/* Room for texts of at most max_bytes, which is at most MR_TEXT_MAX_BYTES.
 * returns  MR_OK, MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_text_room_init(struct mr_text_room *room, size_t max_bytes,
                                          struct mr_arena *arena, struct mr_error *err);

/* Give the units of a sure text (unicode.h) to `take`.  returns  MR_OK, or what `take` does */
MR_MUST_CHECK mr_status mr_text_analyze(const struct mr_text_analyzer *analyzer, struct mr_str text,
                                        struct mr_text_room *room, mr_text_take_units *take,
                                        void *ctx, struct mr_error *err);

#endif
