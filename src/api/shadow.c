#include "api/shadow.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/score.h"
#include "base/clock.h"
#include "base/log.h"

/* Copies that are kept at a time. */
#define MAX_COPIES 1000
#define MAX_COPY_BYTES ((size_t)16 << 20)

/* Of a body, and of an answer. Up to here memory is found where others were before, and a copy
 * takes some microseconds; beyond it pages are new, and a megabyte takes a millisecond, which is
 * the client's. Nor is anything larger worked on for long by a thread of low priority when the
 * server ends. */
#define MAX_BODY_BYTES ((size_t)512 << 10)

#define IDLE_S 1 /* so long without news: nobody is held up by memory being freed */

#define MAX_ANSWER_BYTES ((size_t)512 << 20)
#define LOG_PAUSE_NS ((uint64_t)1000000000)
#define SHADOW_NICE 10 /* a tenth of a processor that others want, too (sched(7)) */
#define PADDING ((size_t)16)
#define MAX_ID_BYTES 64

const char *const mr_shadow_result_names[MR_N_SHADOW_RESULTS] = {"same", "different", "error",
                                                                 "dropped"};

struct mr_shadow_copy {
    struct mr_shadow *shadow;
    struct mr_shadow_copy *next; /* in the inbox, or among those to be freed */
    mr_format format;
    char id[MAX_ID_BYTES]; /* of the request, maybe cut */
    size_t n_bytes;        /* counted for it */
    int status;            /* of the answer; 0: there is none to compare with */
    char *answer;          /* on the heap */
    size_t answer_size;

    /* The shadow thread's, from here to `done`. */
    struct mr_arena *arena;
    struct mr_version *version;
    struct mr_question question;
    struct mr_call call;
    bool is_asked; /* somebody else works on it: among the shadow's `asked` */
    struct mr_shadow_copy *previous_asked, *next_asked;

    size_t body_size;
    char body[]; /* with PADDING behind it */
};

struct mr_shadow {
    const struct mr_served *served;
    const struct mr_encode_options *encode;
    pthread_t thread;
    sem_t has_news; /* posting never waits */
    atomic_bool is_stopping;
    _Atomic(struct mr_shadow_copy *) inbox; /* the last one first: to be asked, or answered */
    _Atomic(struct mr_shadow_copy *) used;  /* to be freed by those who make new ones: the shadow's
                                               thread would hold the lock of their memory for long */
    atomic_flag is_freeing;                 /* somebody takes from it; no two do at a time */
    atomic_ulong n_copies;
    atomic_size_t n_bytes;
    atomic_ulong counts[MR_N_SHADOW_RESULTS];

    /* The thread's own. */
    struct mr_shadow_copy *asked;
    uint64_t next_log_ns;
    unsigned long n_unlogged;
};

/* Lists that many threads push to, without waiting, and one takes as a whole. */

static void push(_Atomic(struct mr_shadow_copy *) *list, struct mr_shadow_copy *copy) {
    copy->next = atomic_load(list);
    while (!atomic_compare_exchange_weak(list, &copy->next, copy)) continue;
}

static struct mr_shadow_copy *take_all(_Atomic(struct mr_shadow_copy *) *list) {
    return atomic_load(list) ? atomic_exchange(list, NULL) : NULL;
}

static void count(struct mr_shadow *shadow, mr_shadow_result result) {
    atomic_fetch_add(&shadow->counts[result], 1);
}

/* Copies -------------------------------------------------------------------------------------- */

static bool reserve(struct mr_shadow *shadow, size_t n_bytes) {
    if (atomic_fetch_add(&shadow->n_bytes, n_bytes) + n_bytes <= MAX_COPY_BYTES) return true;
    atomic_fetch_sub(&shadow->n_bytes, n_bytes);
    return false;
}

static void free_copy(struct mr_shadow_copy *copy) {
    atomic_fetch_sub(&copy->shadow->n_bytes, copy->n_bytes);
    atomic_fetch_sub(&copy->shadow->n_copies, 1);
    free(copy->answer);
    free(copy);
}

/* Free some that have been used; none while another thread does. As the only one that takes from
 * the list this thread sees no head of it come back. */
static void free_used(struct mr_shadow *shadow, size_t max_copies) {
    if (atomic_flag_test_and_set(&shadow->is_freeing)) return;
    for (; max_copies > 0; max_copies--) {
        struct mr_shadow_copy *copy = atomic_load(&shadow->used);
        while (copy && !atomic_compare_exchange_weak(&shadow->used, &copy, copy->next)) continue;
        if (!copy) break;
        free_copy(copy);
    }
    atomic_flag_clear(&shadow->is_freeing);
}

/* A copy has its result. On the shadow's thread. */
static void retire(struct mr_shadow_copy *copy, mr_shadow_result result) {
    count(copy->shadow, result);
    push(&copy->shadow->used, copy);
}

static struct mr_shadow_copy *make(struct mr_shadow *shadow, size_t body_size) {
    size_t n_bytes = sizeof(struct mr_shadow_copy) + body_size + PADDING;
    if (!reserve(shadow, n_bytes)) return NULL;
    struct mr_shadow_copy *copy = malloc(n_bytes);
    if (!copy) {
        atomic_fetch_sub(&shadow->n_bytes, n_bytes);
        return NULL;
    }
    *copy = (struct mr_shadow_copy){.shadow = shadow, .n_bytes = n_bytes, .body_size = body_size};
    return copy;
}

struct mr_shadow_copy *mr_shadow_copy(struct mr_shadow *shadow, mr_format format,
                                      const struct mr_http_request *request) {
    free_used(shadow, 2); /* which gets to the end of them, and is nothing to wait for */
    struct mr_shadow_copy *copy = NULL;
    bool has_room = atomic_fetch_add(&shadow->n_copies, 1) < MAX_COPIES;
    if (has_room && request->body_size <= MAX_BODY_BYTES) copy = make(shadow, request->body_size);
    if (!copy) {
        atomic_fetch_sub(&shadow->n_copies, 1);
        count(shadow, MR_SHADOW_DROPPED);
        return NULL;
    }
    copy->format = format;
    size_t id_size = request->id.size < MAX_ID_BYTES ? request->id.size : MAX_ID_BYTES - 1;
    memcpy(copy->id, request->id.data, id_size);
    memcpy(copy->body, request->body, request->body_size);
    memset(copy->body + request->body_size, 0, PADDING);
    return copy;
}

void mr_shadow_answered(struct mr_shadow *shadow, struct mr_shadow_copy *copy,
                        const struct mr_http_response *response) {
    if (response->is_stream || response->status >= 500) return;
    if (response->status == 200) {
        if (response->body.size > MAX_BODY_BYTES) return;
        if (!reserve(shadow, response->body.size)) return;
        copy->n_bytes += response->body.size;
        copy->answer = malloc(response->body.size + 1);
        if (!copy->answer) return;
        memcpy(copy->answer, response->body.data, response->body.size);
        copy->answer_size = response->body.size;
    }
    copy->status = response->status;
}

void mr_shadow_send(struct mr_shadow *shadow, struct mr_shadow_copy *copy) {
    if (copy->status == 0) {
        count(shadow, MR_SHADOW_DROPPED);
        free_copy(copy);
        return;
    }
    push(&shadow->inbox, copy);
    sem_post(&shadow->has_news);
}

/* The model ----------------------------------------------------------------------------------- */

/* No more than a line a second: a model that differs may differ always. */
static void log_difference(struct mr_shadow_copy *copy, mr_shadow_result result, const char *what) {
    struct mr_shadow *shadow = copy->shadow;
    uint64_t now_ns = mr_clock_ns();
    if (now_ns < shadow->next_log_ns) {
        shadow->n_unlogged++;
        return;
    }
    mr_log_info("shadow %s, request %s: %s: %s; %lu more since the last such line",
                shadow->served->name, copy->id, mr_shadow_result_names[result], what,
                shadow->n_unlogged);
    shadow->next_log_ns = now_ns + LOG_PAUSE_NS;
    shadow->n_unlogged = 0;
}

static mr_shadow_result compare_bodies(struct mr_shadow_copy *copy, struct mr_str body) {
    size_t at = 0;
    while (at < body.size && at < copy->answer_size && body.data[at] == copy->answer[at]) at++;
    if (at == body.size && at == copy->answer_size) return MR_SHADOW_SAME;
    char what[160];
    snprintf(what, sizeof(what), "%zu bytes, its own %zu, the first that differs is at %zu",
             copy->answer_size, body.size, at);
    log_difference(copy, MR_SHADOW_DIFFERENT, what);
    return MR_SHADOW_DIFFERENT;
}

static mr_shadow_result compare(struct mr_shadow_copy *copy, mr_status status,
                                struct mr_output *output) {
    if (status == MR_E_BUSY) return MR_SHADOW_DROPPED;
    int http_status = status == MR_OK ? 200 : mr_status_http(status);
    struct mr_buf body;
    mr_buf_init(&body, copy->arena);
    if (status == MR_OK && output->http_status) http_status = output->http_status;
    if (http_status == 200) mr_json_encode(output, copy->shadow->encode, &body);
    if (mr_buf_status(&body, NULL) != MR_OK) return MR_SHADOW_DROPPED;
    if (http_status == 200 && copy->status == 200) return compare_bodies(copy, mr_buf_str(&body));
    if (http_status == copy->status) return MR_SHADOW_SAME;
    mr_shadow_result result = http_status >= 400 && copy->status == 200 ? MR_SHADOW_ERROR
                                                                        : MR_SHADOW_DIFFERENT;
    char what[80];
    snprintf(what, sizeof(what), "status %d, its own %d", copy->status, http_status);
    log_difference(copy, result, what);
    return result;
}

static void end(struct mr_shadow_copy *copy, mr_shadow_result result) {
    if (copy->version) mr_live_give(copy->version);
    mr_arena_free(copy->arena);
    retire(copy, result);
}

/* On a thread of the engine. */
static void call_done(struct mr_call *call) {
    struct mr_shadow_copy *copy = call->ctx;
    struct mr_shadow *shadow = copy->shadow;
    push(&shadow->inbox, copy);
    sem_post(&shadow->has_news);
}

static void ask_engine(struct mr_shadow_copy *copy) {
    struct mr_shadow *shadow = copy->shadow;
    copy->call = (struct mr_call){
        .input = &copy->question.input, .arena = copy->arena, .done = call_done, .ctx = copy};
    copy->is_asked = true;
    copy->previous_asked = NULL;
    copy->next_asked = shadow->asked;
    if (shadow->asked) shadow->asked->previous_asked = copy;
    shadow->asked = copy;
    mr_engine_ask(copy->question.engine, &copy->call);
}

static void forget_asked(struct mr_shadow_copy *copy) {
    if (copy->next_asked) copy->next_asked->previous_asked = copy->previous_asked;
    if (copy->previous_asked) {
        copy->previous_asked->next_asked = copy->next_asked;
    } else {
        copy->shadow->asked = copy->next_asked;
    }
}

static void begin(struct mr_shadow_copy *copy) {
    struct mr_output output = {0};
    copy->arena = mr_arena_new(MAX_ANSWER_BYTES, NULL);
    copy->version = mr_live_take(copy->shadow->served->live);
    const struct mr_model *model = copy->version->model;
    /* Those who ask a model that is not there would wait for it. */
    bool is_there = mr_engine_state_of(&model->engine) == MR_ENGINE_READY;
    if (!copy->arena || !is_there || atomic_load(&copy->shadow->is_stopping)) {
        end(copy, MR_SHADOW_DROPPED);
        return;
    }
    mr_status status = mr_score_decode(model, copy->format, copy->body, copy->body_size,
                                       copy->body_size + PADDING, copy->arena, &copy->question,
                                       NULL);
    if (atomic_load(&copy->shadow->is_stopping)) {
        end(copy, MR_SHADOW_DROPPED);
        return;
    }
    if (status == MR_OK && !mr_engine_is_native(copy->question.engine)) {
        ask_engine(copy);
        return;
    }
    if (status == MR_OK)
        status = mr_score_answer(&copy->question, NULL, copy->arena, &output, NULL);
    end(copy, compare(copy, status, &output));
}

static void finish(struct mr_shadow_copy *copy) {
    struct mr_call *call = &copy->call;
    forget_asked(copy);
    call->output.is_bare |= copy->question.is_bare;
    end(copy, call->is_streamed ? MR_SHADOW_DROPPED : compare(copy, call->status, &call->output));
}

static void empty_inbox(struct mr_shadow *shadow) {
    struct mr_shadow_copy *copy = take_all(&shadow->inbox), *in_order = NULL, *next;
    for (; copy; copy = next) {
        next = copy->next;
        copy->next = in_order;
        in_order = copy;
    }
    for (; in_order; in_order = next) {
        next = in_order->next;
        if (in_order->is_asked) {
            finish(in_order);
        } else {
            begin(in_order);
        }
    }
}

/* What others work on is withdrawn, or waited for. */
static void withdraw(struct mr_shadow *shadow) {
    for (struct mr_shadow_copy *copy = shadow->asked, *next; copy; copy = next) {
        next = copy->next_asked;
        if (!mr_engine_cancel(copy->question.engine, &copy->call)) continue;
        forget_asked(copy);
        end(copy, MR_SHADOW_DROPPED);
    }
}

/* Nobody makes copies when nothing has come for a while: then all that was used is freed here. */
static void wait_for_news(struct mr_shadow *shadow) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    bool has_used = atomic_load(&shadow->used) != NULL;
    int code = has_used ? sem_clockwait(&shadow->has_news, CLOCK_MONOTONIC, &until)
                        : sem_wait(&shadow->has_news);
    if (code != 0 && errno == ETIMEDOUT) free_used(shadow, SIZE_MAX);
}

static void *run(void *arg) {
    struct mr_shadow *shadow = arg;
    setpriority(PRIO_PROCESS, (id_t)gettid(), SHADOW_NICE);
    while (!atomic_load(&shadow->is_stopping)) {
        wait_for_news(shadow);
        empty_inbox(shadow);
    }
    withdraw(shadow);
    while (shadow->asked) {
        wait_for_news(shadow);
        empty_inbox(shadow);
    }
    empty_inbox(shadow);
    return NULL;
}

/* Its life ------------------------------------------------------------------------------------ */

static int start_thread(struct mr_shadow *shadow) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&shadow->thread, NULL, run, shadow);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == 0) pthread_setname_np(shadow->thread, "shadow");
    return code;
}

mr_status mr_shadow_start(const struct mr_served *served, const struct mr_encode_options *encode,
                          struct mr_shadow **out, struct mr_error *err) {
    struct mr_shadow *shadow = calloc(1, sizeof(*shadow));
    if (!shadow) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    shadow->served = served;
    shadow->encode = encode;
    atomic_flag_clear(&shadow->is_freeing);
    sem_init(&shadow->has_news, 0, 0);
    int code = start_thread(shadow);
    if (code) {
        sem_destroy(&shadow->has_news);
        free(shadow);
        return mr_fail(err, MR_E_IO, "a thread for the shadow: %s", strerror(code));
    }
    *out = shadow;
    return MR_OK;
}

void mr_shadow_stop(struct mr_shadow *shadow) {
    if (!shadow) return;
    atomic_store(&shadow->is_stopping, true);
    sem_post(&shadow->has_news);
    pthread_join(shadow->thread, NULL);
    free_used(shadow, SIZE_MAX);
    sem_destroy(&shadow->has_news);
    free(shadow);
}

const struct mr_served *mr_shadow_served(const struct mr_shadow *shadow) {
    return shadow->served;
}

unsigned long mr_shadow_count(const struct mr_shadow *shadow, mr_shadow_result result) {
    return atomic_load(&shadow->counts[result]);
}
