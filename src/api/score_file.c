#include "api/score_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/score_file_int.h"

/* A copy of a pipe above this size goes to disk. */
#define MAX_MEMORY_COPY ((uint64_t)64 << 20)
#define COPY_BYTES ((size_t)1 << 18)

/* --- reading ---------------------------------------------------------------------------------- */

static mr_status fail_read(struct mr_error *err) {
    return mr_fail(err, MR_E_IO, "cannot read the input: %s", strerror(errno));
}

mr_status mr_file_read(int fd, char *data, size_t size, size_t *n, struct mr_error *err) {
    for (*n = 0; *n < size;) {
        ssize_t got = read(fd, data + *n, size - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_read(err);
        if (got == 0) break;
        *n += (size_t)got;
    }
    return MR_OK;
}

mr_status mr_file_read_at(const struct mr_source *source, uint64_t offset, char *data, size_t size,
                          size_t *n, struct mr_error *err) {
    for (*n = 0; *n < size;) {
        ssize_t got = pread(source->fd, data + *n, size - *n, (off_t)(source->start + offset + *n));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_read(err);
        if (got == 0) break;
        *n += (size_t)got;
    }
    return MR_OK;
}

static mr_status write_all(int fd, const char *data, size_t size, struct mr_error *err) {
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            return mr_fail(err, MR_E_IO, "cannot write a temporary copy of the input: %s",
                           strerror(errno));
        }
        data += n;
        size -= (size_t)n;
    }
    return MR_OK;
}

static int open_unnamed(void) {
    const char *folder = getenv("TMPDIR");
    int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : fd;
}

/* Move a copy that has grown too large for memory to disk; it stays where it is when there is no
 * place on a disk. */
static mr_status move_to_disk(struct mr_source *copy, char *buffer, struct mr_error *err) {
    int fd = open_unnamed();
    if (fd < 0) return MR_OK;
    mr_status status = MR_OK;
    for (uint64_t at = 0; at < copy->size && status == MR_OK;) {
        size_t n;
        status = mr_file_read_at(copy, at, buffer, COPY_BYTES, &n, err);
        if (status == MR_OK) status = write_all(fd, buffer, n, err);
        at += n;
    }
    close(status == MR_OK ? copy->fd : fd);
    if (status == MR_OK) copy->fd = fd;
    return status;
}

static mr_status copy_rest(int fd, struct mr_source *copy, char *buffer, struct mr_error *err) {
    bool is_on_disk = false;
    for (;;) {
        size_t n;
        MR_TRY(mr_file_read(fd, buffer, COPY_BYTES, &n, err));
        if (n == 0) return MR_OK;
        MR_TRY(write_all(copy->fd, buffer, n, err));
        copy->size += n;
        if (copy->size > MAX_MEMORY_COPY && !is_on_disk) {
            MR_TRY(move_to_disk(copy, buffer, err));
            is_on_disk = true;
        }
    }
}

mr_status mr_source_open(int fd, struct mr_str head, struct mr_source *out, struct mr_error *err) {
    struct stat info;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && at >= (off_t)head.size) {
        at -= (off_t)head.size;
        uint64_t size = info.st_size > at ? (uint64_t)(info.st_size - at) : 0;
        *out = (struct mr_source){.fd = fd, .start = (uint64_t)at, .size = size};
        return MR_OK;
    }
    *out = (struct mr_source){.fd = memfd_create("mlrace-input", MFD_CLOEXEC), .is_owned = true};
    if (out->fd < 0) out->fd = open_unnamed();
    char *buffer = malloc(COPY_BYTES);
    mr_status status = MR_OK;
    if (!buffer || out->fd < 0) {
        status = mr_fail(err, MR_E_NO_MEMORY, "no room for a temporary copy of the input");
    }
    if (status == MR_OK) status = write_all(out->fd, head.data, head.size, err);
    out->size = head.size;
    if (status == MR_OK) status = copy_rest(fd, out, buffer, err);
    free(buffer);
    if (status != MR_OK) mr_source_close(out);
    return status;
}

void mr_source_close(struct mr_source *source) {
    if (source->is_owned && source->fd >= 0) close(source->fd);
    source->fd = -1;
}

/* --- running ---------------------------------------------------------------------------------- */

static void draw(void *ctx) {
    struct mr_file_job *job = ctx;
    if (job->options->progress) {
        mr_progress_draw(job->options->progress, atomic_load(&job->n_bytes), job->total_bytes,
                         atomic_load(&job->n_rows));
    }
}

mr_status mr_file_run(struct mr_file_job *job, const struct mr_pipeline *pipeline,
                      struct mr_error *err) {
    struct mr_pipeline with_progress = *pipeline;
    with_progress.tick = draw;
    with_progress.tick_ctx = job;
    unsigned n_threads = job->options->n_threads ? job->options->n_threads : 1;
    return mr_pipeline_run(&with_progress, n_threads, err);
}

/* The rows of a question; -1: unknown. */
static int64_t count_rows(const struct mr_input *input) {
    if (input->kind == MR_INPUT_TABLE) return input->table.n_rows;
    bool is_array = input->kind != MR_INPUT_RAW && input->n_tensors > 0;
    if (!is_array || input->tensors[0].n_dims == 0) return -1;
    return input->tensors[0].shape[0];
}

mr_status mr_file_answer(struct mr_file_job *job, struct mr_block *block,
                         const struct mr_question *question, size_t n_bytes, struct mr_error *err) {
    struct mr_output output = {0};
    int64_t n_rows = count_rows(&question->input);
    MR_TRY(mr_score_answer(question, NULL, block->arena, &output, err));
    MR_TRY(mr_file_encode(job, block, &output, n_rows, err));
    const struct mr_answers *answers = block->result;
    if (n_rows < 0 && answers->is_list) n_rows = answers->n_rows;
    atomic_fetch_add(&job->n_bytes, n_bytes);
    atomic_fetch_add(&job->n_rows, n_rows > 0 ? (uint64_t)n_rows : 0);
    return MR_OK;
}

static mr_status score(struct mr_file_job *job, struct mr_error *err) {
    if (!mr_model_is_rowwise(job->options->model)) return mr_file_score_whole(job, err);
    return job->options->input_format == MR_FORMAT_CSV ? mr_file_score_csv(job, err)
                                                       : mr_file_score_json(job, err);
}

static uint64_t size_of_rest(int fd) {
    struct stat info;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < at) return 0;
    return (uint64_t)(info.st_size - at);
}

mr_status mr_score_file_run(const struct mr_score_file *options, int64_t *n_rows,
                            struct mr_error *err) {
    struct mr_file_job job = {.options = options,
                              .arena = mr_arena_new(0, NULL),
                              .total_bytes = size_of_rest(options->input)};
    if (!job.arena) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    mr_status status = score(&job, err);
    if (status == MR_OK) status = mr_file_write_end(&job, err);
    if (n_rows) *n_rows = (int64_t)atomic_load(&job.n_rows);
    mr_arena_free(job.arena);
    return status;
}
