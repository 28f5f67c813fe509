/* JSON cut into blocks of rows: the first byte picks a block size, the rest is the document.
 *
 * How the bytes arrive must not matter, blocks must lie in order inside the document, and where the
 * document is well-formed, each block with what stands around it is too. */
#include <stdint.h>
#include <stdlib.h>
#include <yyjson.h>

#include "codec/json_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mr_status scan_in_pieces(struct mr_str text, size_t piece, size_t block_size,
                                struct mr_arena *arena, struct mr_json_rows *out) {
    struct mr_json_scan *scan = mr_json_scan_new(block_size, arena);
    if (!scan) abort();
    for (size_t at = 0; at < text.size; at += piece) {
        size_t n = text.size - at < piece ? text.size - at : piece;
        MR_TRY(mr_json_scan_feed(scan, (struct mr_str){text.data + at, n}, NULL));
    }
    return mr_json_scan_end(scan, out, NULL);
}

static bool is_json(const char *data, size_t size) {
    char *copy = malloc(size + 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    yyjson_doc *doc = yyjson_read(copy, size, 0);
    bool result = doc != NULL;
    yyjson_doc_free(doc);
    free(copy);
    return result;
}

static void check_block(struct mr_str text, const struct mr_json_rows *rows, size_t i,
                        struct mr_arena *arena) {
    const struct mr_json_block *block = &rows->blocks[i];
    struct mr_buf body;
    mr_buf_init(&body, arena);
    mr_buf_append(&body, rows->before.data, rows->before.size);
    mr_buf_append(&body, text.data + block->offset, block->size);
    mr_buf_append(&body, rows->after.data, rows->after.size);
    if (!is_json(body.data, body.size)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) return 0;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (!arena) abort();
    struct mr_str text = {(const char *)data + 1, size - 1};
    struct mr_json_rows whole = {0}, pieces = {0};
    mr_status status = scan_in_pieces(text, text.size, data[0], arena, &whole);
    /* The first two bytes tell UTF-16: they come together. */
    if (scan_in_pieces(text, 2, data[0], arena, &pieces) != status) abort();
    if (status == MR_OK) {
        if (whole.n_blocks != pieces.n_blocks) abort();
        bool is_document = whole.n_blocks && is_json(text.data, text.size);
        uint64_t next = 0;
        for (size_t i = 0; i < whole.n_blocks; i++) {
            const struct mr_json_block *block = &whole.blocks[i];
            if (block->offset < next || block->offset + block->size > text.size) abort();
            if (block->offset != pieces.blocks[i].offset || block->size != pieces.blocks[i].size) {
                abort();
            }
            next = block->offset + block->size;
            if (is_document) check_block(text, &whole, i, arena);
        }
    }
    mr_arena_free(arena);
    return 0;
}
