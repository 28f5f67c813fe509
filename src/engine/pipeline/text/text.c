/* Reading the vectorizers of sklearn.feature_extraction.text (versions 1.1.3 to 1.9.1), and the
 * table of its classes. */
#include "engine/pipeline/param.h"
#include "engine/pipeline/text/stop_words.h"
#include "engine/pipeline/text/text_int.h"
#include "engine/pipeline/text/unicode.h"

/* n-grams of more units than that are not evaluated: their number grows with the text's length
 * times this. */
#define MAX_N 64

/* Terms ---------------------------------------------------------------------------------------- */

static mr_status fail_terms(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const char *attribute, const char *what) {
    return mr_fail(b->err, MR_E_FORMAT, "%s: %s %s", estimator->name, attribute, what);
}

static mr_status init_terms(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            const char *attribute, const struct mr_object *const *terms, size_t n,
                            struct mr_text_vocabulary *out) {
    size_t n_bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (terms[i]->kind != MR_OBJECT_STR) {
            return fail_terms(b, estimator, attribute, "has something else than texts");
        }
        n_bytes += terms[i]->text.size;
    }
    return mr_text_vocabulary_init(out, n, n_bytes, b->arena, b->err);
}

/* vocabulary_: the numbers are each of 0 .. n - 1 once. */
static mr_status read_vocabulary(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 struct mr_text_vectorizer *out) {
    static const char attribute[] = "vocabulary_";
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (!object || object->kind != MR_OBJECT_DICT || object->dict.n == 0) {
        return fail_terms(b, estimator, attribute, "is no dict with something in it");
    }
    size_t n = object->dict.n;
    if (n > MR_PIPE_MAX_COLUMNS) {
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %zu terms",
                       estimator->name, n);
    }
    MR_TRY(init_terms(b, estimator, attribute, object->dict.keys, n, &out->vocabulary));
    bool *is_used = mr_arena_zalloc(b->scratch, n);
    if (!is_used) return mr_arena_fail(b->scratch, b->err);
    for (size_t i = 0; i < n; i++) {
        int64_t index;
        bool is_new = false;
        if (!mr_pipe_integer(object->dict.values[i], &index) || index < 0 || index >= (int64_t)n ||
            is_used[index]) {
            return fail_terms(b, estimator, attribute, "does not number its terms from 0");
        }
        is_used[index] = true;
        MR_TRY(mr_text_vocabulary_add(&out->vocabulary, object->dict.keys[i]->text, (uint32_t)index,
                                      &is_new, b->err));
        if (!is_new) return fail_terms(b, estimator, attribute, "has a term twice");
    }
    out->longest_bytes = out->vocabulary.longest_bytes;
    out->base.n_out = n;
    return MR_OK;
}

/* The English ones, whose bytes the static texts are. */
static mr_status add_english(struct mr_pipe_builder *b, struct mr_text_vocabulary *out) {
    size_t n = sizeof(english_stop_words) / sizeof(*english_stop_words), n_bytes = 0;
    for (size_t i = 0; i < n; i++) n_bytes += strlen(english_stop_words[i]);
    MR_TRY(mr_text_vocabulary_init(out, n, n_bytes, b->arena, b->err));
    for (size_t i = 0; i < n; i++) {
        bool is_new;
        MR_TRY(mr_text_vocabulary_add(out, mr_str_from(english_stop_words[i]), 0, &is_new, b->err));
    }
    return MR_OK;
}

static mr_status read_stop_words(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                                 struct mr_text_vectorizer *out) {
    static const char attribute[] = "stop_words";
    const struct mr_object *object = mr_object_attr(estimator->object, attribute);
    if (out->analyzer.unit != MR_TEXT_WORD) return MR_OK; /* not looked at */
    if (object && object->kind == MR_OBJECT_NONE) return MR_OK;
    out->analyzer.stop_words = &out->stop_words;
    if (mr_object_is_str(object, "english")) return add_english(b, &out->stop_words);
    if (!object || (object->kind != MR_OBJECT_LIST && object->kind != MR_OBJECT_TUPLE &&
                    object->kind != MR_OBJECT_SET)) {
        return mr_sk_refuse(estimator, "with such stop_words", b->err);
    }
    const struct mr_object_list *list = &object->list;
    MR_TRY(init_terms(b, estimator, attribute, list->items, list->n, &out->stop_words));
    for (size_t i = 0; i < list->n; i++) {
        bool is_new;
        MR_TRY(mr_text_vocabulary_add(&out->stop_words, list->items[i]->text, 0, &is_new, b->err));
    }
    return MR_OK;
}

/* Parameters ----------------------------------------------------------------------------------- */

/* r"(?u)\b\w\w+\b" and what finds the same words, or those of one character too. */
static mr_status read_token_pattern(struct mr_pipe_builder *b,
                                    const struct mr_sk_estimator *estimator, size_t *min_word) {
    static const struct {
        const char *pattern;
        size_t min_word;
    } known[] = {
        {"\\b\\w\\w+\\b", 2},
        {"\\w\\w+", 2},
        {"\\b\\w+\\b", 1},
        {"\\w+", 1},
    };
    const struct mr_object *object = mr_object_attr(estimator->object, "token_pattern");
    struct mr_str pattern = object && object->kind == MR_OBJECT_STR ? object->text
                                                                    : (struct mr_str){0};
    if (pattern.size > 4 && memcmp(pattern.data, "(?u)", 4) == 0) {
        pattern.data += 4;
        pattern.size -= 4;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!mr_str_is(pattern, known[i].pattern)) continue;
        *min_word = known[i].min_word;
        return MR_OK;
    }
    return mr_sk_refuse(estimator, "with that token_pattern", b->err);
}

static mr_status read_ngram_range(struct mr_pipe_builder *b,
                                  const struct mr_sk_estimator *estimator,
                                  struct mr_text_analyzer *out) {
    struct mr_object_list list;
    MR_TRY(mr_sk_list(estimator, "ngram_range", &list, b->err));
    int64_t min_n = 0, max_n = 0;
    if (list.n != 2 || !mr_pipe_integer(list.items[0], &min_n) ||
        !mr_pipe_integer(list.items[1], &max_n) || min_n < 1 || min_n > MAX_N || max_n < min_n) {
        return mr_sk_refuse(estimator, "with that ngram_range", b->err);
    }
    out->min_n = (size_t)min_n;
    out->max_n = (size_t)max_n;
    return MR_OK;
}

/* Longer n-grams than the vocabulary's are not there. */
static void limit_ngrams(struct mr_text_vectorizer *vectorizer) {
    struct mr_text_analyzer *analyzer = &vectorizer->analyzer;
    const struct mr_text_vocabulary *vocabulary = &vectorizer->vocabulary;
    size_t longest = 0;
    for (size_t i = 0; i <= vocabulary->slot_mask; i++) {
        const struct mr_text_slot *slot = &vocabulary->slots[i];
        size_t n = analyzer->unit == MR_TEXT_WORD;
        if (slot->number == MR_TEXT_NONE) continue;
        for (const char *at = vocabulary->bytes + slot->start;
             at < vocabulary->bytes + slot->start + slot->size; at++) {
            n += analyzer->unit == MR_TEXT_WORD ? *at == ' ' : ((unsigned char)*at & 0xC0) != 0x80;
        }
        if (n > longest) longest = n;
    }
    if (longest < analyzer->max_n) analyzer->max_n = longest;
}

static mr_status read_unit(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                           struct mr_text_analyzer *out) {
    const struct mr_object *unit = mr_object_attr(estimator->object, "analyzer");
    if (mr_object_is_str(unit, "word")) {
        out->unit = MR_TEXT_WORD;
        return read_token_pattern(b, estimator, &out->min_word);
    }
    out->unit = mr_object_is_str(unit, "char") ? MR_TEXT_CHAR : MR_TEXT_CHAR_WB;
    if (out->unit == MR_TEXT_CHAR || mr_object_is_str(unit, "char_wb")) return MR_OK;
    return mr_sk_refuse(estimator, "with that analyzer", b->err);
}

static mr_status read_analyzer(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               struct mr_text_vectorizer *out) {
    static const char *const functions[] = {"preprocessor", "strip_accents", "tokenizer"};
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        const struct mr_object *function = mr_object_attr(estimator->object, functions[i]);
        if (function && function->kind == MR_OBJECT_NONE) continue;
        return mr_fail(b->err, MR_E_UNSUPPORTED, "no native engine for %s with %s yet",
                       estimator->name, functions[i]);
    }
    if (!mr_object_is_str(mr_object_attr(estimator->object, "input"), "content")) {
        return mr_sk_refuse(estimator, "of files", b->err);
    }
    MR_TRY(mr_pipe_flag(b, estimator, "lowercase", &out->analyzer.is_lowercase));
    MR_TRY(read_ngram_range(b, estimator, &out->analyzer));
    MR_TRY(read_unit(b, estimator, &out->analyzer));
    return read_stop_words(b, estimator, out);
}

static mr_status read_dtype(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                            mr_dtype *out) {
    static const struct {
        const char *module, *name;
        mr_dtype dtype;
    } known[] = {
        {"numpy", "int64", MR_INT64},     {"numpy", "int32", MR_INT32},
        {"numpy", "float64", MR_FLOAT64}, {"numpy", "float32", MR_FLOAT32},
        {"builtins", "int", MR_INT64},    {"builtins", "float", MR_FLOAT64},
    };
    const struct mr_object *type = mr_object_attr(estimator->object, "dtype");
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        bool is_global = type && type->kind == MR_OBJECT_GLOBAL;
        if (!is_global || !mr_object_is(type, known[i].module, known[i].name)) continue;
        *out = known[i].dtype;
        return MR_OK;
    }
    return mr_sk_refuse(estimator, "with that dtype", b->err);
}

/* Building ------------------------------------------------------------------------------------- */

static const char *const attributes[] = {
    "_sklearn_version",
    "_stop_words_id",
    "_tfidf",
    "alternate_sign",
    "analyzer",
    "binary",
    "decode_error",
    "dtype",
    "encoding",
    "fixed_vocabulary_",
    "input",
    "lowercase",
    "max_df",
    "max_features",
    "min_df",
    "n_features",
    "ngram_range",
    "norm",
    "preprocessor",
    "smooth_idf",
    "stop_words",
    "stop_words_",
    "strip_accents",
    "sublinear_tf",
    "token_pattern",
    "tokenizer",
    "use_idf",
    "vocabulary",
    "vocabulary_",
};

/* All that the three have in common. */
static mr_status build_vectorizer(struct mr_pipe_builder *b,
                                  const struct mr_sk_estimator *estimator, mr_pipe_kind takes,
                                  size_t n_in, struct mr_text_vectorizer **out) {
    MR_TRY(mr_pipe_check_attributes(b, estimator, attributes,
                                    sizeof(attributes) / sizeof(*attributes)));
    if (takes != MR_PIPE_SERIES && (takes != MR_PIPE_FRAME || n_in != 0)) {
        return mr_sk_refuse(estimator, "of something else than one column of texts", b->err);
    }
    struct mr_text_vectorizer *vectorizer = mr_pipe_new_step(b, estimator, &mr_text_vectorizer_ops,
                                                             sizeof(*vectorizer), takes, 0);
    if (!vectorizer) return mr_arena_fail(b->arena, b->err);
    mr_text_unicode_prepare();
    vectorizer->base.gives = MR_PIPE_SPARSE;
    vectorizer->max_bytes = MR_TEXT_MAX_BYTES;
    vectorizer->longest_bytes = SIZE_MAX;
    MR_TRY(mr_pipe_flag(b, estimator, "binary", &vectorizer->is_binary));
    MR_TRY(read_dtype(b, estimator, &vectorizer->dtype));
    MR_TRY(read_analyzer(b, estimator, vectorizer));
    *out = vectorizer;
    return MR_OK;
}

static mr_status check_ngrams(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              const struct mr_text_vectorizer *vectorizer) {
    if (vectorizer->analyzer.max_n <= MAX_N) return MR_OK;
    return mr_sk_refuse(estimator, "with such long n-grams", b->err);
}

static mr_status build_counts(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                              mr_pipe_kind takes, size_t n_in, struct mr_text_vectorizer **out) {
    MR_TRY(build_vectorizer(b, estimator, takes, n_in, out));
    MR_TRY(read_vocabulary(b, estimator, *out));
    limit_ngrams(*out);
    return check_ngrams(b, estimator, *out);
}

static mr_status build_count(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    struct mr_text_vectorizer *vectorizer;
    MR_TRY(build_counts(b, estimator, takes, n_in, &vectorizer));
    *out = &vectorizer->base;
    return MR_OK;
}

/* CountVectorizer, and the TfidfTransformer that it holds. */
static mr_status build_tfidf(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                             mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    struct mr_text_vectorizer *vectorizer;
    MR_TRY(build_counts(b, estimator, takes, n_in, &vectorizer));
    struct mr_sk_estimator inside;
    MR_TRY(mr_sk_inside(estimator, mr_object_attr(estimator->object, "_tfidf"), b->arena, &inside,
                        b->err));
    if (!mr_object_is(inside.object, "sklearn.feature_extraction.text", "TfidfTransformer")) {
        return mr_sk_refuse(estimator, "without a TfidfTransformer", b->err);
    }
    size_t n;
    MR_TRY(mr_text_read_weights(b, &inside, vectorizer->base.n_out, &vectorizer->weights, &n));
    vectorizer->has_weights = true;
    if (vectorizer->dtype != MR_FLOAT32) vectorizer->dtype = MR_FLOAT64;
    if (vectorizer->weights.is_sublinear) {
        /* numpy's logarithm of float32 is its own. */
        if (vectorizer->dtype == MR_FLOAT32 || !b->is_numpy_2) {
            return mr_sk_refuse(estimator, "with sublinear_tf but for float64 of numpy 2", b->err);
        }
        vectorizer->max_bytes = MR_TEXT_MAX_COUNT_OF_LOG;
    }
    *out = &vectorizer->base;
    return MR_OK;
}

static mr_status build_hashing(struct mr_pipe_builder *b, const struct mr_sk_estimator *estimator,
                               mr_pipe_kind takes, size_t n_in, struct mr_pipe_step **out) {
    struct mr_text_vectorizer *vectorizer;
    MR_TRY(build_vectorizer(b, estimator, takes, n_in, &vectorizer));
    MR_TRY(check_ngrams(b, estimator, vectorizer));
    const struct mr_object *object = mr_object_attr(estimator->object, "n_features");
    int64_t n = 0;
    if (!object || !mr_pipe_integer(object, &n) || n < 1 || n > (int64_t)MR_PIPE_MAX_COLUMNS) {
        return mr_sk_refuse(estimator, "with that n_features", b->err);
    }
    MR_TRY(mr_pipe_flag(b, estimator, "alternate_sign", &vectorizer->is_sign_alternated));
    MR_TRY(mr_text_read_norm(b, estimator, &vectorizer->weights.norm));
    vectorizer->has_weights = vectorizer->weights.norm != MR_TEXT_NO_NORM;
    if (vectorizer->has_weights && vectorizer->dtype != MR_FLOAT32) {
        vectorizer->dtype = MR_FLOAT64;
    }
    vectorizer->is_hashing = true;
    vectorizer->base.n_out = (size_t)n;
    *out = &vectorizer->base;
    return MR_OK;
}

const struct mr_pipe_class mr_pipe_text_classes[] = {
    {"sklearn.feature_extraction.text", "CountVectorizer", build_count},
    {"sklearn.feature_extraction.text", "HashingVectorizer", build_hashing},
    {"sklearn.feature_extraction.text", "TfidfTransformer", mr_text_build_transformer},
    {"sklearn.feature_extraction.text", "TfidfVectorizer", build_tfidf},
    {0},
};
