/* A JSON file: blocks of its rows where it has any, or the whole document. */
#include <stdlib.h>
#include <string.h>

#include "api/score_file_int.h"
#include "codec/json_rows.h"

#define SCAN_BYTES ((size_t)1 << 18)
#define PADDING 64 /* which the parser may write to */

struct json_input {
    struct mr_file_job *job;
    struct mr_source source;
    struct mr_json_rows rows;
    struct mr_json_block whole; /* stands for the document when it has no rows */
    size_t next;
};

static mr_status read_block(void *ctx, struct mr_block *block, bool *is_end, struct mr_error *err) {
    struct json_input *input = ctx;
    *is_end = input->next == input->rows.n_blocks;
    if (*is_end) return MR_OK;
    const struct mr_json_block *rows = &input->rows.blocks[input->next++];
    struct mr_str before = input->rows.before, after = input->rows.after;
    size_t size = (size_t)rows->size, n;
    MR_TRY(mr_block_reserve(block, before.size + size + after.size + PADDING, err));
    if (before.size) memcpy(block->data, before.data, before.size);
    MR_TRY(mr_file_read_at(&input->source, rows->offset, block->data + before.size, size, &n, err));
    if (n < size) return mr_fail(err, MR_E_IO, "the input was cut off while it was read");
    if (after.size) memcpy(block->data + before.size + n, after.data, after.size);
    block->size = before.size + n + after.size;
    memset(block->data + block->size, 0, PADDING);
    block->first = rows->first_row;
    return MR_OK;
}

/* Rows in messages count from the start of the block. */
static mr_status with_place(const struct mr_block *block, mr_status status, struct mr_error *err) {
    if (status == MR_OK || !err || block->first == 0) return status;
    struct mr_error detail = *err;
    return mr_fail(err, status, "in the rows from row %lld on, which counts as row 0: %s",
                   (long long)block->first, detail.message);
}

static mr_status score_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct mr_file_job *job = ((struct json_input *)ctx)->job;
    struct mr_question question;
    size_t n_bytes = block->size;
    mr_status status = mr_score_decode(job->options->model, MR_FORMAT_JSON, block->data, n_bytes,
                                       n_bytes + PADDING, block->arena, &question, err);
    if (status == MR_OK) status = mr_file_answer(job, block, &question, n_bytes, err);
    return with_place(block, status, err);
}

static mr_status write_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    return mr_file_write(((struct json_input *)ctx)->job, block, err);
}

/* --- finding the rows
 * ------------------------------------------------------------------------------ */

static mr_status scan(struct json_input *input, struct mr_error *err) {
    struct mr_file_job *job = input->job;
    size_t block_bytes = job->options->block_bytes;
    struct mr_json_scan *rows = mr_json_scan_new(block_bytes ? block_bytes : MR_FILE_BLOCK_BYTES,
                                                 job->arena);
    char *buffer = mr_arena_alloc(job->arena, SCAN_BYTES);
    if (!rows || !buffer) return mr_arena_fail(job->arena, err);
    for (uint64_t at = 0;;) {
        size_t n;
        MR_TRY(mr_file_read_at(&input->source, at, buffer, SCAN_BYTES, &n, err));
        if (n == 0) break;
        MR_TRY(mr_json_scan_feed(rows, (struct mr_str){buffer, n}, err));
        at += n;
    }
    return mr_json_scan_end(rows, &input->rows, err);
}

/* Whether all rows must be seen together: a tensor whose first dimension is given, or labels that a
 * tensor's rows are found by. */
static bool needs_all_rows(const struct mr_signature *signature, const struct mr_json_rows *rows) {
    if (signature->kind != MR_SCHEMA_TENSORS) return false;
    for (size_t i = 0; i < signature->n_inputs; i++) {
        const struct mr_tensor_spec *spec = &signature->tensors[i];
        if (spec->n_dims == 0 || spec->shape[0] >= 0) return true;
    }
    return rows->has_index;
}

static mr_status score(struct json_input *input, struct mr_error *err) {
    struct mr_file_job *job = input->job;
    job->total_bytes = input->source.size;
    MR_TRY(scan(input, err));
    if (input->rows.n_blocks == 0 ||
        needs_all_rows(&job->options->model->signature, &input->rows)) {
        input->whole = (struct mr_json_block){.size = input->source.size};
        input->rows = (struct mr_json_rows){.blocks = &input->whole, .n_blocks = 1};
    }
    const struct mr_pipeline pipeline = {
        .read = read_block, .work = score_block, .finish = write_block, .ctx = input};
    return mr_file_run(job, &pipeline, err);
}

mr_status mr_file_score_json(struct mr_file_job *job, struct mr_error *err) {
    struct json_input input = {.job = job};
    MR_TRY(mr_source_open(job->options->input, (struct mr_str){0}, &input.source, err));
    mr_status status = score(&input, err);
    mr_source_close(&input.source);
    return status;
}
