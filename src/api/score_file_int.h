/* Inside mr_score_file_run: what reading CSV (score_file_csv.c), reading JSON (score_file_json.c),
 * making text of answers (score_file_encode.c) and writing it (score_file_write.c) share. */
#ifndef MR_API_SCORE_FILE_INT_H
#define MR_API_SCORE_FILE_INT_H

#include <stdatomic.h>

#include "api/pipeline.h"
#include "api/score.h"
#include "api/score_file.h"

/* A file that can be read again: its bytes from `start` on. */
struct mr_source {
    int fd;
    uint64_t start;
    uint64_t size;
    bool is_owned; /* a copy: to be closed */
};

/* State of one run. */
struct mr_file_job {
    const struct mr_score_file *options;
    struct mr_arena *arena; /* of the run; the calling thread's, or of whose turn it is */
    atomic_uint_fast64_t n_bytes;
    uint64_t total_bytes; /* 0: unknown */
    atomic_uint_fast64_t n_rows;
    /* What was written so far. */
    bool has_output;
    bool has_entries;     /* JSON: of the list */
    bool is_unlisted;     /* JSON: the only block's answer is no list with an entry for each row */
    bool is_bare;         /* JSON: that answer is not wrapped in {"predictions": ...} */
    struct mr_str header; /* CSV */
};

/* A block's answers as text. */
struct mr_answers {
    struct mr_buf text;
    struct mr_buf header; /* CSV: the line before the first row */
    int64_t n_rows;       /* entries of the list */
    bool is_list;         /* one entry for each row of the input */
    bool is_bare;         /* of mr_output */
};

/* Read exactly up to size bytes; *n less only at the end of the file. MR_E_IO */
MR_MUST_CHECK mr_status mr_file_read(int fd, char *data, size_t size, size_t *n,
                                     struct mr_error *err);
MR_MUST_CHECK mr_status mr_file_read_at(const struct mr_source *source, uint64_t offset, char *data,
                                        size_t size, size_t *n, struct mr_error *err);

/* Make what is left of fd a file that can be read again, with `head` before it: itself when it can
 * be and head is empty, else a copy, in memory while it is small. MR_E_IO, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_source_open(int fd, struct mr_str head, struct mr_source *out,
                                       struct mr_error *err);
void mr_source_close(struct mr_source *source);

/* Read everything and score it. */
MR_MUST_CHECK mr_status mr_file_score_csv(struct mr_file_job *job, struct mr_error *err);
MR_MUST_CHECK mr_status mr_file_score_json(struct mr_file_job *job, struct mr_error *err);

/* The same as one request: for a model that may look at all rows together. */
MR_MUST_CHECK mr_status mr_file_score_whole(struct mr_file_job *job, struct mr_error *err);

/* Ask for the rows of a block and encode what comes, into block->result; counts the rows.
 * question  made of the block
 * n_bytes   of input that are done with */
MR_MUST_CHECK mr_status mr_file_answer(struct mr_file_job *job, struct mr_block *block,
                                       const struct mr_question *question, size_t n_bytes,
                                       struct mr_error *err);

/* Run with the job's threads and progress bar. */
MR_MUST_CHECK mr_status mr_file_run(struct mr_file_job *job, const struct mr_pipeline *pipeline,
                                    struct mr_error *err);

/* The answers to a block as text, into block->result. On any thread.
 * n_rows   of the block; -1: unknown
 * returns  MR_OK; MR_E_BAD_REQUEST with the model's message when the output is an error;
 *          MR_E_UNSUPPORTED: no table, which CSV needs; MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_file_encode(const struct mr_file_job *job, struct mr_block *block,
                                       const struct mr_output *output, int64_t n_rows,
                                       struct mr_error *err);

/* Write a block's answers; in the order of the blocks. */
MR_MUST_CHECK mr_status mr_file_write(struct mr_file_job *job, struct mr_block *block,
                                      struct mr_error *err);

/* Write what comes after the last block. */
MR_MUST_CHECK mr_status mr_file_write_end(struct mr_file_job *job, struct mr_error *err);

#endif
