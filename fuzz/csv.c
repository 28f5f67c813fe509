/* CSV: the first byte picks a signature, the rest is a body.
 *
 * Read twice, whole and in blocks whose size the input picks too. Where the columns' dtypes are
 * known beforehand both must agree on whether it can be read, and on the number of rows. */
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "codec/csv.h"
#include "codec/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const signatures[] = {
    "",
    "[{\"type\": \"double\", \"name\": \"a\"}, {\"type\": \"long\", \"name\": \"b\"}]",
    "[{\"type\": \"string\", \"name\": \"a\"}, {\"type\": \"boolean\", \"name\": \"b\"}]",
    "[{\"type\": \"float\"}, {\"type\": \"integer\"}, {\"type\": \"binary\"}]",
    "[{\"type\": \"string\", \"name\": \"a\"}, {\"type\": \"string\", \"name\": \"b\"}]",
    "[{\"type\": \"datetime\", \"name\": \"a\"}]",
};

struct blocks {
    struct mr_str rest;
    int64_t line;
    size_t size;
};

/* The next block of whole records; false at the end. */
static bool next_block(struct blocks *blocks, struct mr_arena *arena, struct mr_str *block) {
    int64_t n_lines = 0;
    *block = blocks->rest;
    for (size_t size = blocks->size; size < blocks->rest.size; size *= 2) {
        struct mr_str start = {blocks->rest.data, size};
        if (mr_csv_whole_size(start, arena, &block->size, &n_lines, NULL) != MR_OK) abort();
        if (block->size > size) abort();
        if (block->size) break;
        block->size = blocks->rest.size;
    }
    blocks->rest.data += block->size;
    blocks->rest.size -= block->size;
    blocks->line += n_lines;
    return block->size > 0;
}

static mr_status learn(struct blocks blocks, struct mr_csv_layout *layout, struct mr_arena *arena) {
    struct mr_csv_facts *facts = mr_csv_facts_new(layout, arena);
    if (!facts) abort();
    for (struct mr_str block; next_block(&blocks, arena, &block);) {
        struct mr_csv_facts *next = mr_csv_facts_new(layout, arena);
        mr_status status = mr_csv_learn(layout, block, blocks.line, arena, next, NULL);
        if (status != MR_OK) return status;
        mr_csv_facts_merge(layout, facts, next);
    }
    mr_csv_settle(layout, facts);
    return MR_OK;
}

static mr_status read_blocks(struct mr_str text, size_t block_size,
                             const struct mr_signature *signature, struct mr_arena *arena,
                             int64_t *n_rows) {
    struct mr_csv_layout *layout = NULL;
    size_t n_used = 0;
    struct blocks blocks = {.size = block_size};
    MR_TRY(mr_csv_open(text, true, signature, arena, &layout, &n_used, &blocks.line, NULL));
    blocks.rest = (struct mr_str){text.data + n_used, text.size - n_used};
    if (mr_csv_n_unknown(layout)) MR_TRY(learn(blocks, layout, arena));
    *n_rows = 0;
    for (struct mr_str block; next_block(&blocks, arena, &block);) {
        struct mr_table table;
        MR_TRY(mr_csv_read(layout, block, blocks.line, arena, &table, NULL));
        *n_rows += table.n_rows;
    }
    return MR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t which = data[0] % (sizeof(signatures) / sizeof(signatures[0]));
    struct mr_str text = {(const char *)data + 2, size - 2};
    struct mr_arena *arena = mr_arena_new((size_t)256 << 20, NULL);
    struct mr_signature signature;
    if (!arena || mr_signature_read(mr_str_from(signatures[which]), (struct mr_str){0},
                                    (struct mr_str){0}, arena, &signature, NULL) != MR_OK) {
        abort();
    }
    struct mr_decoded decoded = {0};
    struct mr_error err = {0};
    mr_status whole = mr_csv_decode(text, &signature, arena, &decoded, &err);
    if (whole != MR_OK && mr_utf8_check(err.message, strlen(err.message)) != strlen(err.message)) {
        abort();
    }
    int64_t n_rows = 0;
    mr_status blocks = read_blocks(text, (size_t)data[1] + 1, &signature, arena, &n_rows);
    /* A block alone may be cast to its dtype where the whole is not; for integers beyond int64
     * among numbers with a point also the other way round. */
    bool has_integers = which == 1 || which == 3;
    if (whole == MR_OK && blocks != MR_OK && !has_integers) abort();
    if (whole == MR_OK && blocks == MR_OK && n_rows != decoded.input.table.n_rows) abort();
    mr_arena_free(arena);
    return 0;
}
