/* A CSV file: the header first, then blocks of whole records. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/score_file_int.h"
#include "codec/csv.h"

/* A record longer than this is taken for a quote that was never closed. */
#define MAX_RECORD_BYTES ((size_t)1 << 30)

/* Where the reading of blocks is; used by whose turn it is. */
struct csv_input {
    struct mr_file_job *job;
    struct mr_csv_layout *layout;
    struct mr_csv_facts *facts; /* while the columns are learnt */
    struct mr_str header;       /* the lines before the first row, in the job's arena */
    int fd;
    bool is_at_end;        /* of the file */
    bool is_first;         /* no block was read yet */
    struct mr_block carry; /* text that was read and belongs to the next block */
    struct mr_arena *scratch;
    int64_t line; /* of the carry's first byte */
};

static size_t block_bytes(const struct csv_input *input) {
    size_t size = input->job->options->block_bytes;
    return size ? size : MR_FILE_BLOCK_BYTES;
}

/* Read on until the block holds `wanted` bytes, or the file ends. */
static mr_status fill(struct csv_input *input, struct mr_block *block, size_t wanted,
                      struct mr_error *err) {
    if (input->is_at_end || block->size >= wanted) return MR_OK;
    MR_TRY(mr_block_reserve(block, wanted, err));
    size_t n;
    MR_TRY(mr_file_read(input->fd, block->data + block->size, wanted - block->size, &n, err));
    block->size += n;
    input->is_at_end = block->size < wanted;
    return MR_OK;
}

/* Keep what follows the first `size` bytes of a block for the next one. */
static mr_status keep_rest(struct csv_input *input, struct mr_block *block, size_t size,
                           struct mr_error *err) {
    size_t rest = block->size - size;
    MR_TRY(mr_block_reserve(&input->carry, rest, err));
    if (rest) memcpy(input->carry.data, block->data + size, rest);
    input->carry.size = rest;
    block->size = size;
    return MR_OK;
}

static mr_status read_block(void *ctx, struct mr_block *block, bool *is_end, struct mr_error *err) {
    struct csv_input *input = ctx;
    size_t wanted = block_bytes(input), whole = 0;
    int64_t n_lines = 0;
    if (wanted < input->carry.size) wanted = input->carry.size;
    MR_TRY(mr_block_reserve(block, wanted, err));
    if (input->carry.size) memcpy(block->data, input->carry.data, input->carry.size);
    block->size = input->carry.size;
    for (;; wanted *= 2) {
        MR_TRY(fill(input, block, wanted, err));
        whole = block->size;
        if (input->is_at_end) break;
        struct mr_str text = {block->data, block->size};
        mr_arena_reset(input->scratch);
        MR_TRY(mr_csv_whole_size(text, input->scratch, &whole, &n_lines, err));
        if (whole) break;
        if (block->size > MAX_RECORD_BYTES) {
            return mr_fail(err, MR_E_BAD_REQUEST,
                           "the record that starts on line %lld of the CSV is over %zu MB: is a "
                           "quote left open?",
                           (long long)input->line, MAX_RECORD_BYTES >> 20);
        }
    }
    MR_TRY(keep_rest(input, block, whole, err));
    block->first = input->line;
    input->line += n_lines;
    /* A file without rows is one empty block: the model says what it makes of that. */
    *is_end = block->size == 0 && !input->is_first;
    input->is_first = false;
    return MR_OK;
}

/* --- learning the columns' types
 * ------------------------------------------------------------------ */

static mr_status learn_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct csv_input *input = ctx;
    struct mr_str text = {block->data, block->size};
    struct mr_csv_facts *facts = mr_csv_facts_new(input->layout, block->arena);
    if (!facts) return mr_arena_fail(block->arena, err);
    block->result = facts;
    MR_TRY(mr_csv_learn(input->layout, text, block->first, block->arena, facts, err));
    atomic_fetch_add(&input->job->n_bytes, block->size);
    return MR_OK;
}

static mr_status merge_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct csv_input *input = ctx;
    (void)err;
    mr_csv_facts_merge(input->layout, input->facts, block->result);
    return MR_OK;
}

/* --- scoring
 * -------------------------------------------------------------------------------------- */

/* A block that only Python can read is sent with the header before it. */
static mr_status add_header(const struct csv_input *input, struct mr_block *block,
                            struct mr_str *body, struct mr_error *err) {
    size_t size = input->header.size + block->size;
    char *text = mr_arena_alloc(block->arena, size);
    if (!text) return mr_arena_fail(block->arena, err);
    if (input->header.size) memcpy(text, input->header.data, input->header.size);
    if (block->size) memcpy(text + input->header.size, block->data, block->size);
    *body = (struct mr_str){text, size};
    return MR_OK;
}

static mr_status score_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    const struct csv_input *input = ctx;
    struct mr_file_job *job = input->job;
    struct mr_decoded decoded = {.input = {.kind = MR_INPUT_TABLE}};
    struct mr_question question;
    struct mr_str text = {block->data, block->size};
    MR_TRY(mr_csv_read(input->layout, text, block->first, block->arena, &decoded.input.table, err));
    MR_TRY(mr_score_enforce(job->options->model, &decoded, MR_FORMAT_CSV, text, block->arena,
                            &question, err));
    if (question.input.kind == MR_INPUT_RAW) {
        MR_TRY(add_header(input, block, &question.input.raw_body, err));
    }
    return mr_file_answer(job, block, &question, block->size, err);
}

static mr_status write_block(void *ctx, struct mr_block *block, struct mr_error *err) {
    return mr_file_write(((struct csv_input *)ctx)->job, block, err);
}

/* Back to the first line behind the header. */
static mr_status restart(struct csv_input *input, const struct mr_source *source,
                         int64_t first_line, struct mr_error *err) {
    if (lseek(source->fd, (off_t)source->start, SEEK_SET) < 0) {
        return mr_fail(err, MR_E_IO, "cannot read the input twice");
    }
    input->fd = source->fd;
    input->is_at_end = false;
    input->is_first = true;
    input->carry.size = 0;
    input->line = first_line;
    return MR_OK;
}

static mr_status learn_and_score(struct csv_input *input, struct mr_error *err) {
    struct mr_file_job *job = input->job;
    const struct mr_pipeline learn = {
        .read = read_block, .work = learn_block, .finish = merge_block, .ctx = input};
    const struct mr_pipeline score = {
        .read = read_block, .work = score_block, .finish = write_block, .ctx = input};
    if (mr_csv_n_unknown(input->layout) == 0) return mr_file_run(job, &score, err);

    struct mr_source source;
    struct mr_str head = {input->carry.data, input->carry.size};
    int64_t first_line = input->line;
    MR_TRY(mr_source_open(input->fd, head, &source, err));
    job->total_bytes = source.size * 2;
    input->facts = mr_csv_facts_new(input->layout, job->arena);
    mr_status status = input->facts ? MR_OK : mr_arena_fail(job->arena, err);
    if (status == MR_OK) status = restart(input, &source, first_line, err);
    if (status == MR_OK) status = mr_file_run(job, &learn, err);
    if (status == MR_OK) mr_csv_settle(input->layout, input->facts);
    if (status == MR_OK) status = restart(input, &source, first_line, err);
    if (status == MR_OK) status = mr_file_run(job, &score, err);
    mr_source_close(&source);
    return status;
}

/* Reads the header. MLflow reads a request's CSV with the signature's dtypes, and a file's with
 * those that pandas infers, which fails for most signatures (mlflow/pyfunc/scoring_server,
 * _predict); here both are read the same way. A signature that gives no dtypes leaves them to
 * inference. */
static mr_status open_csv(struct csv_input *input, struct mr_error *err) {
    struct mr_file_job *job = input->job;
    const struct mr_signature *signature = &job->options->model->signature;
    static const struct mr_signature none = {.kind = MR_SCHEMA_NONE};
    if (signature->kind != MR_SCHEMA_COLUMNS || signature->is_nested) signature = &none;
    size_t n_used = 0;
    for (size_t wanted = block_bytes(input);; wanted *= 2) {
        MR_TRY(fill(input, &input->carry, wanted, err));
        struct mr_str text = {input->carry.data, input->carry.size};
        MR_TRY(mr_csv_open(text, input->is_at_end, signature, job->arena, &input->layout, &n_used,
                           &input->line, err));
        if (input->layout) break;
        if (wanted > MAX_RECORD_BYTES) {
            return mr_fail(err, MR_E_BAD_REQUEST, "the first lines of the CSV are over %zu MB",
                           MAX_RECORD_BYTES >> 20);
        }
    }
    input->header = (struct mr_str){input->carry.data, n_used};
    input->header.data = mr_arena_strdup(job->arena, input->header);
    if (!input->header.data) return mr_arena_fail(job->arena, err);
    atomic_fetch_add(&job->n_bytes, n_used);
    input->carry.size -= n_used;
    memmove(input->carry.data, input->carry.data + n_used, input->carry.size);
    return MR_OK;
}

mr_status mr_file_score_csv(struct mr_file_job *job, struct mr_error *err) {
    struct csv_input input = {.job = job, .fd = job->options->input, .is_first = true};
    input.scratch = mr_arena_new(0, NULL);
    mr_status status = input.scratch ? open_csv(&input, err)
                                     : mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    if (status == MR_OK) status = learn_and_score(&input, err);
    mr_arena_free(input.scratch);
    free(input.carry.data);
    return status;
}
