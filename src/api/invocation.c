#include "api/invocation.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <yyjson.h>

#include "api/deadline.h"
#include "api/error_detail.h"
#include "api/respond.h"
#include "api/trace.h"

/* A client that reads slower than the model writes may be this far behind. */
#define MAX_UNSENT_BYTES ((size_t)256 * 1024)

static const char stream_type[] = "text/event-stream";

/* In the request's arena, from the suspension to the last byte. */
struct invocation {
    const struct mr_endpoints *endpoints;
    struct mr_question question;
    struct mr_call call;
    struct mr_http_pending *pending;
    struct mr_str id; /* the request's */
    bool is_stream;   /* the response is one: set before `answer` runs, which the engine causes */
    pthread_mutex_t lock; /* the order of adding, pausing and going on; protects the next two */
    bool is_paused;
    bool is_done; /* the engine does not know the call any more */
};

/* --- the engine's side -------------------------------------------------------------------------
 */

/* Adds an event; false: no memory. n_unsent: see mr_http_stream_add. */
static bool add_event(struct invocation *invocation, struct mr_str data, size_t *n_unsent) {
    static const char head[] = "data: ", tail[] = "\n\n";
    size_t size = data.size + sizeof(head) - 1 + sizeof(tail) - 1;
    char *event = malloc(size);
    if (!event) return false;
    memcpy(event, head, sizeof(head) - 1);
    memcpy(event + sizeof(head) - 1, data.data, data.size);
    memcpy(event + size - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
    bool is_added = mr_http_stream_add(invocation->pending, (struct mr_str){event, size}, n_unsent);
    free(event);
    return is_added;
}

static void become_stream(struct invocation *invocation) {
    if (invocation->is_stream) return;
    invocation->is_stream = true;
    mr_http_resume(invocation->pending);
}

static bool take_chunk(struct mr_call *call, struct mr_str json) {
    struct invocation *invocation = call->ctx;
    size_t n_unsent = 0;
    pthread_mutex_lock(&invocation->lock);
    bool is_added = add_event(invocation, json, &n_unsent);
    if (is_added) become_stream(invocation);
    if (n_unsent > MAX_UNSENT_BYTES && !invocation->is_paused) {
        invocation->is_paused = true;
        mr_engine_pause(invocation->question.engine, call, true);
    }
    pthread_mutex_unlock(&invocation->lock);
    return is_added;
}

/* The message of an error, be it the engine's or one that the model raised; *doc may hold it. */
static struct mr_str error_text(const struct mr_call *call, yyjson_doc **doc) {
    if (call->status != MR_OK) return mr_str_from(call->err.message);
    *doc = yyjson_read(call->output.json.data, call->output.json.size, 0);
    yyjson_val *message = yyjson_obj_get(yyjson_doc_get_root(*doc), "message");
    if (!yyjson_is_str(message)) return mr_str_from("the model failed");
    return (struct mr_str){yyjson_get_str(message), yyjson_get_len(message)};
}

static void add_error(struct invocation *invocation) {
    yyjson_doc *doc = NULL;
    struct mr_str text = error_text(&invocation->call, &doc);
    struct mr_arena *arena = mr_arena_new(0, NULL);
    if (arena) {
        struct mr_buf event, json;
        mr_buf_init(&event, arena);
        mr_buf_init(&json, arena);
        mr_json_encode_string(text, &json);
        if (invocation->endpoints->error_detail == MR_ERROR_NONE)
            text = mr_error_hidden(invocation->id, mr_buf_str(&json), arena);
        mr_buf_text(&event, "{\"error\": ");
        mr_json_encode_string(text, &event);
        mr_buf_char(&event, '}');
        /* Without memory for it, that no [DONE] follows tells the same. */
        if (mr_buf_status(&event, NULL) == MR_OK) {
            add_event(invocation, mr_buf_str(&event), NULL);
        }
    }
    mr_arena_free(arena);
    yyjson_doc_free(doc);
}

static void take_answer(struct mr_call *call) {
    struct invocation *invocation = call->ctx;
    bool is_ok = call->status == MR_OK && call->output.http_status == 0;
    if (!invocation->is_stream && !(is_ok && call->is_streamed)) {
        mr_http_resume(invocation->pending);
        return;
    }
    pthread_mutex_lock(&invocation->lock);
    invocation->is_done = true;
    become_stream(invocation);
    pthread_mutex_unlock(&invocation->lock);
    if (!is_ok) add_error(invocation);
    add_event(invocation, mr_str_from("[DONE]"), NULL);
    mr_http_stream_end(invocation->pending);
}

/* --- the connection's side ---------------------------------------------------------------------
 */

static void answer(void *job, struct mr_http_request *request, struct mr_http_response *response) {
    struct invocation *invocation = job;
    struct mr_call *call = &invocation->call;
    mr_trace_lap_at(request, MR_STAGE_QUEUE, call->started_ns);
    mr_trace_lap(request, MR_STAGE_PREDICT);
    /* Of a stream the call is not over, and its status the engine's. */
    if (!invocation->is_stream && call->status == MR_E_DEADLINE) {
        mr_trace_of(request)->late_stage = call->started_ns ? MR_STAGE_PREDICT : MR_STAGE_QUEUE;
    }
    if (invocation->is_stream) {
        *response = (struct mr_http_response){
            .status = 200, .content_type = "text/event-stream; charset=utf-8", .is_stream = true};
    } else if (call->status == MR_OK) {
        call->output.is_bare |= invocation->question.is_bare;
        mr_respond_output(&call->output, &invocation->endpoints->encode, request->arena, response);
    } else {
        mr_respond_error(&call->err, request->arena, response);
    }
    mr_respond_end(invocation->endpoints, request, response);
}

static bool cancel(void *job) {
    struct invocation *invocation = job;
    return mr_engine_cancel(invocation->question.engine, &invocation->call);
}

static void go_on(void *job) {
    struct invocation *invocation = job;
    pthread_mutex_lock(&invocation->lock);
    if (invocation->is_paused && !invocation->is_done) {
        invocation->is_paused = false;
        mr_engine_pause(invocation->question.engine, &invocation->call, false);
    }
    pthread_mutex_unlock(&invocation->lock);
}

/* Whether server-sent events are among the media types of an Accept header. */
static bool accepts_stream(struct mr_str accept) {
    const size_t n = sizeof(stream_type) - 1;
    for (size_t at = 0; at < accept.size; at++) {
        const char *comma = memchr(accept.data + at, ',', accept.size - at);
        size_t end = comma ? (size_t)(comma - accept.data) : accept.size;
        while (at < end && (accept.data[at] == ' ' || accept.data[at] == '\t')) at++;
        const char *type = accept.data + at;
        bool is_named = end - at >= n && strncasecmp(type, stream_type, n) == 0;
        if (is_named && (end - at == n || strchr(" \t;", type[n]))) return true;
        at = end;
    }
    return false;
}

mr_status mr_invocation_start(const struct mr_endpoints *endpoints, struct mr_http_request *request,
                              const struct mr_question *question, struct mr_error *err) {
    static const struct mr_http_pending_ops ops = {
        .answer = answer, .cancel = cancel, .drained = go_on};
    struct invocation *invocation = mr_arena_zalloc(request->arena, sizeof(*invocation));
    if (!invocation) return mr_arena_fail(request->arena, err);
    invocation->endpoints = endpoints;
    invocation->question = *question;
    invocation->id = request->id;
    pthread_mutex_init(&invocation->lock, NULL);
    invocation->call = (struct mr_call){
        .input = &invocation->question.input,
        .arena = request->arena,
        .deadline_ns = mr_deadline_of_client(request),
        .trace = mr_trace_of(request)->context,
        .wants_stream = question->wants_stream || accepts_stream(mr_http_header(request, "Accept")),
        .chunk = take_chunk,
        .done = take_answer,
        .ctx = invocation,
    };
    invocation->pending = mr_http_suspend(request, &ops, invocation);
    if (!invocation->pending) return mr_arena_fail(request->arena, err);
    mr_engine_ask(question->engine, &invocation->call);
    return MR_OK;
}
