#include "api/offload.h"

#include <pthread.h>

#include "api/deadline.h"
#include "api/invocation.h"
#include "api/respond.h"
#include "api/trace.h"
#include "schema/slice.h"

/* Longest work on an I/O thread: others on it wait meanwhile. Handing a request over takes 20 us.
 */
#define MAX_INLINE_BODY_BYTES ((size_t)128 * 1024)
#define MAX_INLINE_NS ((uint64_t)300 * 1000)

/* What a slice should take: long enough to be worth a hand-over, so short that others get their
 * turn soon. */
#define SLICE_NS ((uint64_t)1000 * 1000)

/* Rows that engines evaluate together at best. */
#define BLOCK_ROWS 64

/* Least memory that an engine gets for a slice. */
#define MIN_SLICE_BYTES ((size_t)1 << 20)

/* In the request's arena, from the suspension to the answer. */
struct offload {
    struct mr_compute_job job; /* the first, since the pool knows nothing else */
    const struct mr_endpoints *endpoints;
    struct mr_version *version; /* the request's */
    uint64_t backlog_ns;        /* what it counts for there */
    struct mr_http_request *request;
    struct mr_http_pending *pending;
    mr_format format;
    struct mr_question question;
    mr_status status; /* of decoding */
    struct mr_error err;
    bool is_cancelled;  /* nobody will see the response; the connection's thread's own */
    bool is_for_python; /* the question is to be asked now */

    int64_t n_rows, slice_rows;
    size_t max_slice_bytes;
    atomic_uint_fast64_t ns;
    pthread_mutex_t lock; /* protects what follows while slices are evaluated */
    bool has_begun;       /* a thread works on the first slice */
    bool has_failed;      /* some slice: all rows are evaluated in one call again */
    bool has_output;
    struct mr_output output;
    struct kept_arena *kept; /* texts of the answer lie in them */

    struct mr_http_response response;
};

/* A list within the arenas themselves. */
struct kept_arena {
    struct kept_arena *next;
    struct mr_arena *arena;
};

static struct offload *offload_of(struct mr_compute_job *job) {
    return (struct offload *)job;
}

/* Slices -------------------------------------------------------------------------------------- */

static int64_t choose_slice_rows(const struct mr_cost *cost, int64_t n_rows) {
    double row_ns = (double)mr_cost_estimate(cost, 1 << 20) / (1 << 20);
    double wanted = (double)SLICE_NS / (row_ns + 1e-3);
    if (wanted >= (double)n_rows) return n_rows;
    int64_t unit = wanted < BLOCK_ROWS ? MR_SLICE_ROWS : BLOCK_ROWS;
    return ((int64_t)wanted / unit + 1) * unit;
}

/* An arena for a slice goes, or stays until the answer is encoded when that may point into it. */
static void end_arena(struct offload *offload, const struct mr_output *output,
                      struct mr_arena *arena) {
    mr_dtype dtype = output->tensor.dtype;
    bool has_texts = dtype == MR_STRING || dtype == MR_BINARY || dtype == MR_OBJECT;
    struct kept_arena *kept = has_texts ? mr_arena_alloc(arena, sizeof(*kept)) : NULL;
    if (has_texts && !kept) offload->has_failed = true;
    if (!kept) {
        mr_arena_free(arena);
        return;
    }
    *kept = (struct kept_arena){.next = offload->kept, .arena = arena};
    offload->kept = kept;
}

static void free_kept(struct offload *offload) {
    while (offload->kept) {
        struct mr_arena *arena = offload->kept->arena;
        offload->kept = offload->kept->next;
        mr_arena_free(arena);
    }
}

static mr_status predict_rows(struct offload *offload, int64_t first, int64_t end,
                              struct mr_arena *arena, struct mr_output *out) {
    const struct mr_question *question = &offload->question;
    struct mr_input slice;
    MR_TRY(mr_input_slice(&question->input, first, end, arena, &slice, NULL));
    return mr_engine_predict(question->engine, &slice, arena, out, NULL);
}

/* The first slice ends the waiting. */
static void begin_predict(struct offload *offload) {
    if (!offload->has_begun) mr_trace_lap(offload->request, MR_STAGE_QUEUE);
    offload->has_begun = true;
}

/* Evaluates a slice and copies its answers to their place. */
static void run_slice(struct mr_compute_job *job, size_t piece) {
    struct offload *offload = offload_of(job);
    int64_t first = (int64_t)piece * offload->slice_rows;
    int64_t end = offload->n_rows - first < offload->slice_rows ? offload->n_rows
                                                                : first + offload->slice_rows;
    uint64_t start_ns = mr_cost_now_ns();
    pthread_mutex_lock(&offload->lock);
    bool is_wanted = !offload->has_failed;
    begin_predict(offload);
    pthread_mutex_unlock(&offload->lock);
    if (!is_wanted) return;
    struct mr_arena *arena = mr_arena_new(offload->max_slice_bytes, NULL);
    struct mr_output output = {0};
    bool is_ok = arena && predict_rows(offload, first, end, arena, &output) == MR_OK;
    pthread_mutex_lock(&offload->lock);
    if (is_ok && !offload->has_output) {
        offload->has_output = is_ok = mr_output_like(&output, offload->n_rows,
                                                     offload->request->arena, &offload->output,
                                                     NULL) == MR_OK;
    }
    pthread_mutex_unlock(&offload->lock);
    is_ok = is_ok && mr_output_put(&output, first, end - first, &offload->output);
    pthread_mutex_lock(&offload->lock);
    offload->has_failed |= !is_ok;
    if (arena) end_arena(offload, &output, arena);
    pthread_mutex_unlock(&offload->lock);
    atomic_fetch_add(&offload->ns, mr_cost_now_ns() - start_ns);
}

/* Answers ------------------------------------------------------------------------------------- */

/* The response is there, or nobody wants one: the request is its connection's again. Freeing a
 * hundred megabytes takes the kernel milliseconds, in which other connections would wait. */
static bool finish(struct offload *offload) {
    mr_respond_end(offload->endpoints, offload->request, &offload->response);
    free_kept(offload);
    if (!offload->is_for_python) {
        mr_arena_discard_others(offload->request->arena, offload->response.body.data);
    }
    pthread_mutex_destroy(&offload->lock);
    mr_backlog_leave(offload->endpoints->backlog, offload->backlog_ns);
    mr_http_resume(offload->pending);
    return false;
}

/* In one call: all there is of few rows; and what to answer when some slice failed, be it with the
 * error that one call has. */
static mr_status predict_whole(struct offload *offload) {
    struct mr_arena *arena = offload->request->arena;
    return mr_engine_predict(offload->question.engine, &offload->question.input, arena,
                             &offload->output, &offload->err);
}

static bool respond_error(struct offload *offload) {
    mr_respond_error(&offload->err, offload->request->arena, &offload->response);
    return finish(offload);
}

static bool respond_late(struct offload *offload, mr_stage stage) {
    mr_trace_lap(offload->request, stage);
    mr_deadline_miss(offload->request, stage, &offload->err);
    return respond_error(offload);
}

static bool respond(struct offload *offload) {
    const struct mr_endpoints *endpoints = offload->endpoints;
    struct mr_arena *arena = offload->request->arena;
    uint64_t start_ns = mr_cost_now_ns();
    bool is_whole = !offload->has_output || offload->has_failed;
    offload->status = is_whole ? predict_whole(offload) : MR_OK;
    mr_trace_lap(offload->request, MR_STAGE_PREDICT);
    if (offload->status == MR_OK) {
        offload->status = mr_deadline_check(offload->request, MR_STAGE_PREDICT, &offload->err);
    }
    if (offload->status != MR_OK) return respond_error(offload);
    offload->output.is_bare = offload->question.is_bare;
    mr_respond_output(&offload->output, &endpoints->encode, arena, &offload->response);
    uint64_t ns = mr_cost_now_ns() - start_ns + atomic_load(&offload->ns);
    if (!offload->has_failed) mr_cost_learn(&offload->version->cost, offload->n_rows, ns);
    return finish(offload);
}

static bool end_slices(struct mr_compute_job *job, mr_compute_end end) {
    struct offload *offload = offload_of(job);
    if (end == MR_COMPUTE_CANCELLED) return finish(offload);
    if (end == MR_COMPUTE_RAN) return respond(offload);
    return respond_late(offload, offload->has_begun ? MR_STAGE_PREDICT : MR_STAGE_QUEUE);
}

static void run_nothing(struct mr_compute_job *job, size_t piece) {
    (void)piece;
    begin_predict(offload_of(job));
}

/* The next stage: the engine. */
static void prepare_slices(struct offload *offload) {
    offload->job.done = end_slices;
    offload->n_rows = mr_input_n_rows(&offload->question.input);
    offload->slice_rows = choose_slice_rows(&offload->version->cost, offload->n_rows);
    if (offload->slice_rows >= offload->n_rows) { /* few rows, or none */
        offload->job.run = run_nothing;
        offload->job.n_pieces = 1;
        return;
    }
    offload->job.run = run_slice;
    offload->job.n_pieces = (size_t)((offload->n_rows - 1) / offload->slice_rows + 1);
    offload->max_slice_bytes = mr_arena_room(offload->request->arena) / offload->job.n_pieces;
    if (offload->max_slice_bytes < MIN_SLICE_BYTES) offload->max_slice_bytes = MIN_SLICE_BYTES;
}

/* Decoding ------------------------------------------------------------------------------------ */

static void run_decode(struct mr_compute_job *job, size_t piece) {
    (void)piece;
    struct offload *offload = offload_of(job);
    struct mr_http_request *request = offload->request;
    mr_trace_lap(request, MR_STAGE_QUEUE);
    mr_trace_copy(request, offload->format);
    uint64_t start_ns = mr_cost_now_ns();
    offload->status = mr_score_decode(offload->version->model, offload->format, request->body,
                                      request->body_size, request->body_capacity, request->arena,
                                      &offload->question, &offload->err);
    mr_trace_lap(request, MR_STAGE_DECODE);
    if (offload->status == MR_OK) {
        mr_cost_learn(&offload->endpoints->backlog->decoding, (int64_t)request->body_size,
                      mr_cost_now_ns() - start_ns);
        offload->status = mr_deadline_check(request, MR_STAGE_DECODE, &offload->err);
    }
    if (offload->status == MR_OK) mr_trace_rows(request, &offload->question.input);
}

static bool end_decode(struct mr_compute_job *job, mr_compute_end end) {
    struct offload *offload = offload_of(job);
    if (end == MR_COMPUTE_CANCELLED) return finish(offload);
    if (end == MR_COMPUTE_LATE) return respond_late(offload, MR_STAGE_QUEUE);
    if (offload->status != MR_OK) return respond_error(offload);
    offload->is_for_python = !mr_engine_is_native(offload->question.engine);
    if (offload->is_for_python) return finish(offload);
    prepare_slices(offload);
    return true;
}

/* The connection's side ----------------------------------------------------------------------- */

static void answer(void *job, struct mr_http_request *request, struct mr_http_response *response) {
    struct offload *offload = job;
    *response = offload->response;
    if (!offload->is_for_python || offload->is_cancelled) return;
    struct mr_error err = {0};
    if (mr_invocation_start(offload->endpoints, request, &offload->question, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
        mr_respond_end(offload->endpoints, request, response);
    }
}

static bool cancel(void *job) {
    struct offload *offload = job;
    offload->is_cancelled = true;
    if (!mr_compute_cancel(offload->endpoints->compute, &offload->job)) return false;
    mr_backlog_leave(offload->endpoints->backlog, offload->backlog_ns);
    free_kept(offload);
    pthread_mutex_destroy(&offload->lock);
    return true;
}

static struct offload *suspend_admitted(const struct mr_endpoints *endpoints,
                                        struct mr_http_request *request) {
    static const struct mr_http_pending_ops ops = {.answer = answer, .cancel = cancel};
    struct offload *offload = mr_arena_zalloc(request->arena, sizeof(*offload));
    if (!offload) return NULL;
    offload->endpoints = endpoints;
    offload->version = mr_trace_of(request)->version;
    offload->job.group = (unsigned)mr_trace_of(request)->served->number;
    offload->request = request;
    offload->job.deadline_ns = mr_deadline_of(request);
    offload->pending = mr_http_suspend(request, &ops, offload);
    if (!offload->pending) return NULL;
    pthread_mutex_init(&offload->lock, NULL);
    return offload;
}

/* expected_ns: what it will take.  returns: MR_OK; MR_E_BUSY, MR_E_NO_MEMORY, MR_E_TOO_LARGE */
static mr_status suspend(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                         uint64_t expected_ns, struct offload **out, struct mr_error *err) {
    MR_TRY(mr_backlog_enter(endpoints->backlog, expected_ns, err));
    *out = suspend_admitted(endpoints, request);
    if (*out) {
        (*out)->backlog_ns = expected_ns;
        return MR_OK;
    }
    mr_backlog_leave(endpoints->backlog, expected_ns);
    return mr_arena_fail(request->arena, err);
}

bool mr_offload_wants_body(const struct mr_version *version, mr_format format, size_t body_size) {
    bool is_decoded = format != MR_FORMAT_PARQUET && !version->model->mlmodel.has_type_hints;
    return is_decoded && body_size > MAX_INLINE_BODY_BYTES;
}

bool mr_offload_wants_question(const struct mr_version *version,
                               const struct mr_question *question) {
    int64_t n_rows = mr_input_n_rows(&question->input);
    return mr_cost_estimate(&version->cost, n_rows) > MAX_INLINE_NS;
}

mr_status mr_offload_body(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                          mr_format format, struct mr_error *err) {
    struct offload *offload;
    const struct mr_cost *decoding = &endpoints->backlog->decoding;
    uint64_t expected_ns = mr_cost_estimate(decoding, (int64_t)request->body_size);
    MR_TRY(suspend(endpoints, request, expected_ns, &offload, err));
    offload->format = format;
    offload->job.run = run_decode;
    offload->job.done = end_decode;
    offload->job.n_pieces = 1;
    offload->job.is_large = true;
    mr_compute_submit(endpoints->compute, &offload->job);
    return MR_OK;
}

mr_status mr_offload_question(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                              const struct mr_question *question, struct mr_error *err) {
    struct offload *offload;
    const struct mr_cost *cost = &mr_trace_of(request)->version->cost;
    uint64_t expected_ns = mr_cost_estimate(cost, mr_input_n_rows(&question->input));
    MR_TRY(suspend(endpoints, request, expected_ns, &offload, err));
    offload->question = *question;
    prepare_slices(offload);
    mr_compute_submit(endpoints->compute, &offload->job);
    return MR_OK;
}
