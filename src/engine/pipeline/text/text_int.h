/* A vectorizer of texts, as text.c reads it and count.c evaluates it. */
#ifndef MR_ENGINE_PIPELINE_TEXT_TEXT_INT_H
#define MR_ENGINE_PIPELINE_TEXT_TEXT_INT_H

#include "engine/pipeline/pipeline_int.h"
#include "engine/pipeline/text/analyze.h"
#include "engine/pipeline/text/weights.h"

struct mr_text_vectorizer {
    struct mr_pipe_step base;
    struct mr_text_analyzer analyzer;
    struct mr_text_vocabulary stop_words, vocabulary;
    size_t max_bytes;     /* of a text; Python is given longer ones */
    size_t longest_bytes; /* n-grams that are longer are not there */
    bool is_hashing;      /* HashingVectorizer: without a vocabulary */
    bool is_sign_alternated;
    bool is_binary;
    mr_dtype dtype; /* of the matrix, before weights */
    bool has_weights;
    struct mr_text_weights weights;
};

extern const struct mr_pipe_step_ops mr_text_vectorizer_ops;

#endif
