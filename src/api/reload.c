#include "api/reload.h"

#include "api/endpoints.h"
#include "api/respond.h"

/* In the request's arena, from the suspension to the answer. */
struct job {
    struct mr_reload reload; /* the first, since the keeper knows nothing else */
    const struct mr_served *served;
    struct mr_http_pending *pending;
    struct mr_error refusal; /* status is not MR_OK: the keeper was not told to look */
};

static void done(struct mr_reload *reload) {
    mr_http_resume(((struct job *)reload)->pending);
}

static void put_version(struct mr_buf *out, const char *key, const char *label) {
    mr_buf_format(out, ", \"%s\": {\"version\": ", key);
    if (*label) {
        mr_json_encode_string(mr_str_from(label), out);
    } else {
        mr_buf_text(out, "null");
    }
    mr_buf_char(out, '}');
}

static mr_status put_outcome(const struct job *job, struct mr_buf *out, struct mr_error *err) {
    const struct mr_reload *reload = &job->reload;
    mr_buf_text(out, "{\"model\": ");
    mr_json_encode_string(mr_str_from(job->served->name), out);
    mr_buf_format(out, ", \"changed\": %s", reload->is_swapped ? "true" : "false");
    put_version(out, "old", reload->old_label);
    put_version(out, "new", reload->new_label);
    mr_buf_char(out, '}');
    return mr_buf_status(out, err);
}

static void answer(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    const struct job *job = ctx;
    const struct mr_error *failure = &job->reload.err;
    struct mr_error err = {0};
    struct mr_buf body;
    mr_buf_init(&body, request->arena);
    if (job->refusal.status != MR_OK) {
        mr_respond_error(&job->refusal, request->arena, response);
    } else if (failure->status == MR_E_UNAVAILABLE || failure->status == MR_E_NO_MEMORY) {
        mr_respond_error(failure, request->arena, response);
    } else if (failure->status != MR_OK) {
        mr_fail(&err, MR_E_CONFLICT, "no new version, the one before stays: %s", failure->message);
        mr_respond_error(&err, request->arena, response);
    } else if (put_outcome(job, &body, &err) != MR_OK) {
        mr_respond_error(&err, request->arena, response);
    } else {
        response->content_type = "application/json";
        response->body = mr_buf_str(&body);
    }
}

static bool cancel(void *ctx) {
    struct job *job = ctx;
    return mr_keeper_forget(job->served->keeper, &job->reload);
}

void mr_reload_handle(void *ctx, struct mr_http_request *request,
                      struct mr_http_response *response) {
    static const struct mr_http_pending_ops ops = {.answer = answer, .cancel = cancel};
    const struct mr_served *served = ctx;
    struct mr_error err = {0};
    struct job *job = mr_arena_zalloc(request->arena, sizeof(*job));
    if (job) {
        job->reload.done = done;
        job->served = served;
        job->pending = mr_http_suspend(request, &ops, job);
    }
    if (!job || !job->pending) {
        (void)mr_arena_fail(request->arena, &err);
        mr_respond_error(&err, request->arena, response);
        return;
    }
    mr_status status = mr_keeper_reload(served->keeper, &job->reload, &job->refusal);
    if (status != MR_OK) mr_http_resume(job->pending);
}
