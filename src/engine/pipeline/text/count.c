/* sklearn.feature_extraction.text.CountVectorizer, TfidfVectorizer, HashingVectorizer: from texts
 * to a sparse matrix (versions 1.1.3 to 1.9.1; text.c reads them). */
#include "engine/pipeline/text/text_int.h"
#include "engine/pipeline/text/unicode.h"

/* Texts ---------------------------------------------------------------------------------------- */

/* One column of texts, or an array of texts of one dimension; of all else scikit-learn would take
 * the wrong things for texts (the names of a DataFrame's columns), or raise. */
static bool has_texts(const struct mr_pipe_x *x) {
    if (x->kind == MR_PIPE_SPARSE || x->kind == MR_PIPE_OBJECTS) return false;
    if (x->input.kind == MR_INPUT_TABLE) {
        return x->kind == MR_PIPE_SERIES && x->input.table.columns[0].dtype == MR_STRING;
    }
    return x->input.tensors[0].n_dims == 1 && x->input.tensors[0].dtype == MR_STRING;
}

/* The text of a row; false: it is missing. */
static bool text_at(const struct mr_pipe_x *x, size_t r, struct mr_str *out) {
    if (x->input.kind == MR_INPUT_TABLE) {
        const struct mr_column *column = &x->input.table.columns[0];
        const int64_t *offsets = column->offsets + r;
        *out = (struct mr_str){column->bytes + offsets[0], (size_t)(offsets[1] - offsets[0])};
        return mr_column_is_valid(column, (int64_t)r);
    }
    *out = ((const struct mr_str *)x->input.tensors[0].values)[r];
    while (out->size && out->data[out->size - 1] == '\0') out->size--; /* as numpy does */
    return true;
}

static bool can_take(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                     struct mr_arena *arena, const char **reason) {
    (void)arena;
    const struct mr_text_vectorizer *vectorizer = (const struct mr_text_vectorizer *)step;
    *reason = "a vectorizer of texts is given something else than one column of texts";
    if (!has_texts(x)) return false;
    size_t n_rows = mr_pipe_n_rows(x);
    for (size_t r = 0; r < n_rows; r++) {
        struct mr_str text;
        if (!text_at(x, r, &text)) continue;
        *reason = "a text is very long";
        if (text.size > vectorizer->max_bytes) return false;
        *reason = "a text has characters that not all versions of Unicode know";
        if (!mr_text_is_sure(text)) return false;
    }
    return true;
}

/* Counting ------------------------------------------------------------------------------------- */

/* What the n-grams of one row are: column << 1, and 1 where -1 is added instead of 1. */
struct counter {
    const struct mr_text_vectorizer *vectorizer;
    struct mr_arena *arena;
    size_t n, capacity;
    uint32_t *keys, *other_keys; /* the second for sorting; as many */
};

static mr_status grow(struct counter *counter, struct mr_error *err) {
    size_t capacity = counter->capacity ? 2 * counter->capacity : 256;
    size_t old_bytes = counter->capacity * sizeof(uint32_t), bytes = capacity * sizeof(uint32_t);
    uint32_t *keys = mr_arena_realloc(counter->arena, counter->keys, old_bytes, bytes);
    if (!keys) return mr_arena_fail(counter->arena, err);
    counter->keys = keys;
    counter->other_keys = mr_arena_array(counter->arena, capacity, sizeof(uint32_t));
    if (!counter->other_keys) return mr_arena_fail(counter->arena, err);
    counter->capacity = capacity;
    return MR_OK;
}

/* murmurhash3_32 of seed 0 (Austin Appleby's MurmurHash3_x86_32, which is in the public domain). */
static int32_t murmur3(struct mr_str term) {
    const uint32_t c1 = 0xcc9e2d51, c2 = 0x1b873593;
    uint32_t hash = 0, block = 0;
    size_t at = 0;
    for (; term.size - at >= 4; at += 4) {
        memcpy(&block, term.data + at, 4);
        block *= c1;
        block = (block << 15 | block >> 17) * c2;
        hash ^= block;
        hash = (hash << 13 | hash >> 19) * 5 + 0xe6546b64;
    }
    block = 0;
    if (term.size > at) memcpy(&block, term.data + at, term.size - at);
    block *= c1;
    hash ^= (block << 15 | block >> 17) * c2;
    hash ^= (uint32_t)term.size;
    hash = (hash ^ hash >> 16) * 0x85ebca6b;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35;
    return (int32_t)(hash ^ hash >> 16);
}

/* sklearn/feature_extraction/_hashing_fast.pyx: |hash| modulo the number of features. */
static uint32_t key_of_hash(const struct mr_text_vectorizer *vectorizer, struct mr_str term) {
    int32_t hash = murmur3(term);
    uint32_t magnitude = hash < 0 ? 0u - (uint32_t)hash : (uint32_t)hash;
    bool is_subtracted = vectorizer->is_sign_alternated && hash < 0;
    return magnitude % (uint32_t)vectorizer->base.n_out << 1 | is_subtracted;
}

/* Adds the n-gram; unknown ones are nothing. */
static mr_status add(struct counter *counter, struct mr_str term, struct mr_error *err) {
    const struct mr_text_vectorizer *vectorizer = counter->vectorizer;
    uint32_t key;
    if (vectorizer->is_hashing) {
        key = key_of_hash(vectorizer, term);
    } else {
        uint32_t column = mr_text_vocabulary_find(&vectorizer->vocabulary, term);
        if (column == MR_TEXT_NONE) return MR_OK;
        key = column << 1;
    }
    if (counter->n == counter->capacity) MR_TRY(grow(counter, err));
    counter->keys[counter->n++] = key;
    return MR_OK;
}

static mr_status take_units(void *ctx, const struct mr_text_units *units, struct mr_error *err) {
    struct counter *counter = ctx;
    const struct mr_text_analyzer *analyzer = &counter->vectorizer->analyzer;
    const uint32_t *starts = units->starts;
    size_t longest = counter->vectorizer->longest_bytes;
    if (units->is_word && units->n < analyzer->min_n) { /* a short word counts once */
        return add(counter, (struct mr_str){units->bytes, starts[units->n]}, err);
    }
    for (size_t i = 0; i < units->n; i++) {
        size_t left = units->n - i;
        size_t max_n = analyzer->max_n < left ? analyzer->max_n : left;
        for (size_t n = analyzer->min_n; n <= max_n; n++) {
            size_t size = starts[i + n] - starts[i] - units->n_between;
            if (size > longest) break;
            MR_TRY(add(counter, (struct mr_str){units->bytes + starts[i], size}, err));
        }
    }
    return MR_OK;
}

/* Sorting -------------------------------------------------------------------------------------- */

#define MAX_INSERTIONS 32 /* keys up to which sorting by insertion is the fastest */

static void sort_by_insertion(uint32_t *keys, size_t n) {
    for (size_t i = 1; i < n; i++) {
        uint32_t key = keys[i];
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* By one byte of the keys after the other. */
static void sort_keys(struct counter *counter) {
    if (counter->n <= MAX_INSERTIONS) {
        sort_by_insertion(counter->keys, counter->n);
        return;
    }
    uint64_t end = 2 * (uint64_t)counter->vectorizer->base.n_out; /* of keys */
    for (unsigned shift = 0; shift == 0 || (end - 1) >> shift; shift += 8) {
        size_t places[257] = {0};
        for (size_t i = 0; i < counter->n; i++) places[(counter->keys[i] >> shift & 0xFF) + 1]++;
        for (size_t i = 1; i < 257; i++) places[i] += places[i - 1];
        for (size_t i = 0; i < counter->n; i++) {
            uint32_t key = counter->keys[i];
            counter->other_keys[places[key >> shift & 0xFF]++] = key;
        }
        uint32_t *sorted = counter->other_keys;
        counter->other_keys = counter->keys;
        counter->keys = sorted;
    }
}

/* The matrix ----------------------------------------------------------------------------------- */

struct items {
    size_t n, capacity;
    uint32_t *columns;
    double *values;
};

static mr_status reserve(struct items *items, size_t n_more, struct mr_arena *arena,
                         struct mr_error *err) {
    if (items->capacity - items->n >= n_more) return MR_OK;
    size_t n = items->n + n_more, old = items->capacity;
    size_t capacity = n < 2 * old ? 2 * old : n;
    uint32_t *columns = mr_arena_realloc(arena, items->columns, old * sizeof(*columns),
                                         capacity * sizeof(*columns));
    if (!columns) return mr_arena_fail(arena, err);
    items->columns = columns;
    double *values = mr_arena_realloc(arena, items->values, old * sizeof(*values),
                                      capacity * sizeof(*values));
    if (!values) return mr_arena_fail(arena, err);
    items->values = values;
    items->capacity = capacity;
    return MR_OK;
}

/* Appends a row of sorted keys: an item for each column, even when its sum is 0. */
static mr_status add_row(const struct counter *counter, struct items *items, struct mr_arena *arena,
                         struct mr_error *err) {
    MR_TRY(reserve(items, counter->n, arena, err));
    for (size_t i = 0; i < counter->n;) {
        uint32_t column = counter->keys[i] >> 1;
        int64_t sum = 0;
        for (; i < counter->n && counter->keys[i] >> 1 == column; i++) {
            sum += counter->keys[i] & 1 ? -1 : 1;
        }
        items->columns[items->n] = column;
        items->values[items->n++] = counter->vectorizer->is_binary ? 1 : (double)sum;
    }
    return MR_OK;
}

static mr_status count(const struct mr_text_vectorizer *vectorizer, const struct mr_pipe_x *x,
                       struct mr_text_room *room, struct mr_arena *arena, struct items *items,
                       size_t *starts, struct mr_error *err) {
    struct counter counter = {.vectorizer = vectorizer, .arena = arena};
    size_t n_rows = mr_pipe_n_rows(x);
    starts[0] = 0;
    for (size_t r = 0; r < n_rows; r++) {
        struct mr_str text;
        if (!text_at(x, r, &text)) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "%s: row %zu should be a text, but its value is missing",
                           vectorizer->base.name, r);
        }
        counter.n = 0;
        MR_TRY(mr_text_analyze(&vectorizer->analyzer, text, room, take_units, &counter, err));
        sort_keys(&counter);
        MR_TRY(add_row(&counter, items, arena, err));
        starts[r + 1] = items->n;
    }
    return MR_OK;
}

static size_t longest_text(const struct mr_pipe_x *x) {
    size_t n_rows = mr_pipe_n_rows(x), longest = 0;
    for (size_t r = 0; r < n_rows; r++) {
        struct mr_str text;
        if (text_at(x, r, &text) && text.size > longest) longest = text.size;
    }
    return longest;
}

static mr_status transform(const struct mr_pipe_step *step, const struct mr_pipe_x *x,
                           struct mr_arena *arena, struct mr_pipe_x *out, struct mr_error *err) {
    const struct mr_text_vectorizer *vectorizer = (const struct mr_text_vectorizer *)step;
    if (!has_texts(x)) {
        return mr_fail(err, MR_E_BAD_REQUEST, "%s is given something else than texts", step->name);
    }
    size_t n_rows = mr_pipe_n_rows(x);
    struct mr_text_room room;
    struct items items = {0};
    MR_TRY(mr_text_room_init(&room, longest_text(x), arena, err));
    MR_TRY(reserve(&items, 8 * n_rows, arena, err));
    struct mr_csr *csr = mr_arena_alloc(arena, sizeof(*csr));
    size_t *starts = mr_arena_array(arena, n_rows + 1, sizeof(*starts));
    if (!csr || !starts) return mr_arena_fail(arena, err);
    MR_TRY(count(vectorizer, x, &room, arena, &items, starts, err));
    *csr = (struct mr_csr){n_rows, step->n_out,   vectorizer->dtype,
                           starts, items.columns, items.values};
    *out = (struct mr_pipe_x){.kind = MR_PIPE_SPARSE, .csr = csr};
    if (!vectorizer->has_weights) return MR_OK;
    return mr_text_weigh(&vectorizer->weights, csr, items.values, err);
}

const struct mr_pipe_step_ops mr_text_vectorizer_ops = {
    .can_take = can_take,
    .transform = transform,
};
