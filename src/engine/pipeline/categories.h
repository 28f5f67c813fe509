/* One of categories_: which category a value is (sklearn/utils/_encode.py, version 1.9.1:
 * _check_unknown, _encode).
 *
 * numpy compares a column of numbers with the categories, Python a column of texts, and since 1.6
 * of booleans: by their hashes, so that True is 1. Numbers among objects are only compared to
 * booleans, since numpy asks such categories whether they are NaN and raises. A number that is no
 * category is what it is in a request of one row: in larger ones numpy takes -0.0 beside 0.0 for a
 * category, and integers beyond 2**53 that are one to doubles. */
#ifndef MR_ENGINE_PIPELINE_CATEGORIES_H
#define MR_ENGINE_PIPELINE_CATEGORIES_H

#include "base/name_map.h"
#include "engine/pipeline/pipeline_int.h"

#define MR_CATEGORY_NONE UINT32_MAX

/* Lives in the model's arena. */
struct mr_categories {
    uint32_t n;
    struct mr_name_map texts;
    const uint32_t *text_index; /* the index of a category, by its place in `texts` */
    uint32_t nan, none;         /* the indices of NaN and None; MR_CATEGORY_NONE */
    bool is_missing_text_nan;   /* false at first: see mr_pipe_builder */
    uint32_t of_bool[2];        /* the indices of what equals False and True, likewise */
    bool takes_bool;
    /* An array of numbers, without NaN at its end, ascending. */
    size_t n_numbers;
    const double *reals;     /* NULL: an array of texts or objects */
    const int64_t *integers; /* NULL: floating-point numbers */
    bool are_float32;        /* each of them fits one */
};

/* A column of X. */
struct mr_cells {
    mr_dtype dtype;
    const struct mr_column *column; /* of a table; NULL: of a tensor */
    const char *values;
    size_t stride; /* bytes from row to row; not of MR_STRING */
    size_t n_rows;
};

/* Column c of a FRAME or OBJECTS. */
struct mr_cells mr_cells_of(const struct mr_pipe_x *x, size_t c);

/* Copy and check the categories of one column.
 * arena    the model's
 * returns  MR_OK; MR_E_UNSUPPORTED: numbers that do not ascend, objects other than texts, numbers,
 *          None and NaN at the end; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_categories_read(const struct mr_sk_estimator *estimator,
                                           const struct mr_object *object, struct mr_arena *arena,
                                           struct mr_categories *out, struct mr_error *err);

/* Whether a column can be looked up, by its dtype. false: *reason is a phrase.
 * uses_unknown  the index that numpy has for an unknown value is used, if only to be replaced: it
 *               must not be beyond the categories */
bool mr_categories_can_take(const struct mr_categories *categories, const struct mr_cells *cells,
                            bool uses_unknown, const char **reason);

/* The index of each row's category; categories->n: it is none of them.
 * returns  n_rows, or the first row that is infinite: scikit-learn raises */
size_t mr_categories_find(const struct mr_categories *categories, const struct mr_cells *cells,
                          uint32_t *out);

#endif
