/* An HTTP server with handlers that need no model: what its tests prove is about src/http alone.
 *
 * Arguments are name=number (see `read_setting`), host=NAME or observe=FILE, to which a line of
 * JSON is written for each exchange. It prints "port N" when it listens, and stops at SIGTERM.
 * Requests that are answered later are jobs of one thread.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "http/http.h"

/* A constant, as small as a prediction: measures the transport. */
static void constant(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    response->content_type = "application/json";
    response->body = mr_str_from("{\"predictions\": [0]}");
}

/* The body, after writing all over the room that was promised. */
static void echo(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    bool is_padded = request->body_capacity >= request->body_size + 8;
    for (size_t i = 0; i < 8 && is_padded; i++)
        is_padded = request->body[request->body_size + i] == 0;
    if (!is_padded) response->status = 500;
    memset(request->body + request->body_size, 'x', request->body_capacity - request->body_size);
    response->content_type = "application/octet-stream";
    response->body = (struct mr_str){request->body, request->body_size};
}

/* What the handler sees: method, path, a header, the size of the body. */
static void inspect(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    struct mr_buf text;
    mr_buf_init(&text, request->arena);
    struct mr_str probe = mr_http_header(request, "x-probe");
    mr_buf_format(&text, "%.*s %.*s %zu [%.*s]", MR_STR_ARGS(request->method),
                  MR_STR_ARGS(request->path), request->body_size, MR_STR_ARGS(probe));
    response->content_type = "text/plain";
    response->body = mr_buf_str(&text);
    request->notes = mr_arena_strdup(request->arena, probe);
}

/* Takes the milliseconds that the body says. */
static void slow(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    long ms = strtol(request->body, NULL, 10);
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    response->content_type = "text/plain";
    response->body = mr_str_from("done");
}

/* As many bytes as the body says. */
static void large(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    size_t size = strtoul(request->body, NULL, 10);
    char *data = mr_arena_alloc(request->arena, size);
    if (!data) {
        response->status = 503;
        return;
    }
    for (size_t i = 0; i < size; i++) data[i] = (char)('a' + i % 23);
    response->content_type = "text/plain";
    response->body = (struct mr_str){data, size};
}

/* Header values that would split the response, and a status without a body. */
static void evil(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    (void)request;
    response->status = 204;
    response->location = mr_str_from("/a\r\nX-Evil: 1");
    response->body = mr_str_from("must not be sent");
}

/* ---- Answers that come later ---- */

static struct {
    pthread_mutex_t lock; /* protects all here, and the jobs */
    pthread_cond_t changed;
    struct job *first;
    bool is_ended;
    unsigned n_cancelled, n_answered, n_ended, n_drained;
    size_t max_unsent;
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct job {
    struct job *next;
    struct mr_http_pending *pending;
    struct mr_http_request *request;
    int64_t due_ms;
    bool is_stubborn; /* is worked on to the end, whoever cancels */
    bool is_cancelled;
    long again_ms; /* not 0: suspended again for so long when it is due */

    /* A stream. */
    bool is_stream;
    bool is_resumed;
    bool is_paused; /* until the client has taken some */
    unsigned long status;
    unsigned long n_left; /* pieces, numbered downwards, */
    size_t size;          /* of so many bytes at least, */
    long pause_ms;        /* one in so many milliseconds */
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False: it is not there any more. */
static bool remove_job(const struct job *job) {
    struct job **at = &jobs.first;
    while (*at && *at != job) at = &(*at)->next;
    if (!*at) return false;
    *at = job->next;
    return true;
}

static void start_job(struct mr_http_request *request, struct mr_http_response *response, long ms,
                      long again_ms, bool is_stubborn);

static void answer_job(void *arg, struct mr_http_request *request,
                       struct mr_http_response *response) {
    struct job *job = arg;
    if (job->again_ms && !job->is_cancelled) {
        start_job(request, response, job->again_ms, 0, false);
        return;
    }
    pthread_mutex_lock(&jobs.lock);
    jobs.n_answered++;
    pthread_mutex_unlock(&jobs.lock);
    inspect(NULL, request, response);
    response->is_stream = job->is_stream;
    response->retry_after_s = 7;
    if (job->is_stream) response->status = (int)job->status;
    if (request != job->request) response->status = 500;
}

static bool cancel_job(void *arg) {
    struct job *job = arg;
    pthread_mutex_lock(&jobs.lock);
    jobs.n_cancelled++;
    job->is_cancelled = true;
    bool is_removed = !job->is_stubborn && remove_job(job);
    if (job->is_paused) job->due_ms = now_ms();
    job->is_paused = false;
    pthread_cond_signal(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
    return is_removed;
}

static void go_on(void *arg) {
    struct job *job = arg;
    pthread_mutex_lock(&jobs.lock);
    jobs.n_drained++;
    if (job->is_paused) job->due_ms = now_ms();
    job->is_paused = false;
    pthread_cond_signal(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
}

static const struct mr_http_pending_ops job_ops = {
    .answer = answer_job, .cancel = cancel_job, .drained = go_on};

static struct job *suspend(struct mr_http_request *request) {
    struct job *job = mr_arena_zalloc(request->arena, sizeof(*job));
    if (!job) return NULL;
    job->request = request;
    job->pending = mr_http_suspend(request, &job_ops, job);
    return job->pending ? job : NULL;
}

static void add_job(struct job *job) {
    pthread_mutex_lock(&jobs.lock);
    job->next = jobs.first;
    jobs.first = job;
    pthread_cond_signal(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
}

/* Answered after that time as /inspect is; negative: never. */
static void start_job(struct mr_http_request *request, struct mr_http_response *response, long ms,
                      long again_ms, bool is_stubborn) {
    struct job *job = suspend(request);
    if (!job) {
        response->status = 503;
        return;
    }
    job->due_ms = ms < 0 ? INT64_MAX : now_ms() + ms;
    job->again_ms = again_ms;
    job->is_stubborn = is_stubborn;
    add_job(job);
}

static void later(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    start_job(request, response, strtol(request->body, NULL, 10), 0, false);
}

static void stubborn(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    (void)ctx;
    start_job(request, response, strtol(request->body, NULL, 10), 0, true);
}

/* Answered after two times that the body says, suspended again in between; with a '!' behind them
 * the first of them cannot be cancelled. */
static void twice(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    char *at = request->body;
    long ms = strtol(at, &at, 10);
    long again_ms = strtol(at, &at, 10);
    start_job(request, response, ms, again_ms, *at == '!');
}

/* The body says: number and size of the pieces, milliseconds from one to the next, status. */
static void stream(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    char *at = request->body;
    struct job *job = suspend(request);
    if (!job) {
        response->status = 503;
        return;
    }
    job->is_stream = true;
    job->n_left = strtoul(at, &at, 10);
    job->size = strtoul(at, &at, 10);
    job->pause_ms = strtol(at, &at, 10);
    job->status = strtoul(at, &at, 10);
    job->is_stubborn = *at == '!';
    job->due_ms = now_ms();
    add_job(job);
}

/* Suspended, and resumed before the handler returns. */
static void at_once(void *ctx, struct mr_http_request *request, struct mr_http_response *response) {
    (void)ctx;
    struct job *job = suspend(request);
    if (job) {
        mr_http_resume(job->pending);
    } else {
        response->status = 503;
    }
}

static void counters(void *ctx, struct mr_http_request *request,
                     struct mr_http_response *response) {
    (void)ctx;
    struct mr_buf text;
    mr_buf_init(&text, request->arena);
    pthread_mutex_lock(&jobs.lock);
    mr_buf_format(&text,
                  "{\"cancelled\": %u, \"answered\": %u, \"ended\": %u, \"drained\": %u, "
                  "\"max_unsent\": %zu}",
                  jobs.n_cancelled, jobs.n_answered, jobs.n_ended, jobs.n_drained, jobs.max_unsent);
    pthread_mutex_unlock(&jobs.lock);
    response->content_type = "application/json";
    response->body = mr_buf_str(&text);
}

/* Add a piece, and rest when too many bytes wait to be sent. */
static void add_piece(struct job *job) {
    char *piece = malloc(job->size + 24);
    if (!piece) return;
    memset(piece, '.', job->size + 24);
    int n = snprintf(piece, 24, "%lu", job->n_left--);
    piece[n] = ' ';
    size_t n_unsent = 0;
    if (!mr_http_stream_add(job->pending, (struct mr_str){piece, job->size}, &n_unsent))
        job->n_left = 0;
    free(piece);
    if (n_unsent > jobs.max_unsent) jobs.max_unsent = n_unsent;
    job->is_paused = job->n_left && n_unsent > 3 * MR_HTTP_STREAM_FEW_BYTES;
    if (job->is_paused) job->due_ms = INT64_MAX;
}

/* The next piece, or the end. The first piece comes before the resume, the end behind it. */
static void go_on_with_stream(struct job *job) {
    struct mr_http_pending *pending = job->pending;
    bool is_ended = !job->n_left;
    bool was_resumed = job->is_resumed;
    job->is_resumed = true;
    job->due_ms += job->pause_ms;
    if (!is_ended) {
        add_piece(job);
    } else {
        remove_job(job);
        jobs.n_ended++;
    }
    if (!was_resumed) mr_http_resume(pending);
    if (is_ended) mr_http_stream_end(pending);
}

/* Under the lock: do what is due; the time when there is more to do. */
static int64_t run_due_jobs(void) {
    int64_t now = now_ms(), first = INT64_MAX;
    struct job *next;
    for (struct job *job = jobs.first; job; job = next) {
        next = job->next;
        if (job->due_ms <= now && job->is_stream) {
            go_on_with_stream(job);
            first = now; /* it may be due again */
        } else if (job->due_ms <= now) {
            remove_job(job);
            mr_http_resume(job->pending); /* the job may be gone now */
        } else if (job->due_ms < first) {
            first = job->due_ms;
        }
    }
    return first;
}

static void *work(void *arg) {
    pthread_mutex_lock(&jobs.lock);
    while (!jobs.is_ended) {
        int64_t next_ms = run_due_jobs();
        struct timespec until = {next_ms / 1000, next_ms % 1000 * 1000000};
        if (next_ms == INT64_MAX) {
            pthread_cond_wait(&jobs.changed, &jobs.lock);
        } else {
            pthread_cond_timedwait(&jobs.changed, &jobs.lock, &until);
        }
    }
    pthread_mutex_unlock(&jobs.lock);
    return arg;
}

static pthread_t start_worker(void) {
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs.changed, &clock);
    pthread_condattr_destroy(&clock);
    pthread_t worker;
    pthread_create(&worker, NULL, work, NULL);
    return worker;
}

static void end_worker(pthread_t worker) {
    pthread_mutex_lock(&jobs.lock);
    jobs.is_ended = true;
    pthread_cond_signal(&jobs.changed);
    pthread_mutex_unlock(&jobs.lock);
    pthread_join(worker, NULL);
}

static const struct mr_http_route routes[] = {
    {"POST", "/invocations", constant, NULL},
    {"GET", "/ping", constant, NULL},
    {"POST", "/echo", echo, NULL},
    {"GET", "/inspect", inspect, NULL},
    {"POST", "/inspect", inspect, NULL},
    {"PUT", "/inspect", inspect, NULL},
    {"POST", "/slow", slow, NULL},
    {"POST", "/large", large, NULL},
    {"POST", "/evil", evil, NULL},
    {"POST", "/later", later, NULL},
    {"POST", "/stubborn", stubborn, NULL},
    {"POST", "/twice", twice, NULL},
    {"POST", "/at_once", at_once, NULL},
    {"POST", "/stream", stream, NULL},
    {"GET", "/stream", stream, NULL},
    {"GET", "/counters", counters, NULL},
};

/* One write a line: several threads may observe. */
static void observe(void *ctx, const struct mr_http_exchange *e) {
    char line[1024];
    int size = snprintf(
        line, sizeof line,
        "{\"id\": \"%.*s\", \"method\": \"%.*s\", \"path\": \"%.*s\", \"route\": \"%s\", "
        "\"status\": %d, \"is_cut\": %d, \"received\": %zu, \"sent\": %zu, "
        "\"first\": %llu, \"whole\": %llu, \"answered\": %llu, \"end\": %llu, "
        "\"notes\": \"%s\"}\n",
        MR_STR_ARGS(e->id), MR_STR_ARGS(e->method), MR_STR_ARGS(e->path),
        e->route ? e->route->path : "", e->status, e->is_cut, e->n_received, e->n_sent,
        (unsigned long long)e->first_ns, (unsigned long long)e->whole_ns,
        (unsigned long long)e->answered_ns, (unsigned long long)e->end_ns,
        e->notes ? (const char *)e->notes : "");
    ssize_t n = write(*(const int *)ctx, line, (size_t)size);
    (void)n;
}

struct settings {
    unsigned long port, max_body, max_header, max_request, per_body_byte, read_ms, idle_ms;
    unsigned long drain_ms, drain_idle_ms, announce_ms, connections, threads, shares_port;
    unsigned long listener; /* a socket to listen on; 0: none */
    const char *host, *observe;
};

static bool read_setting(const char *argument, struct settings *settings) {
    const struct {
        const char *name;
        unsigned long *value;
    } numbers[] = {{"port=", &settings->port},
                   {"max_body=", &settings->max_body},
                   {"max_header=", &settings->max_header},
                   {"max_request=", &settings->max_request},
                   {"per_body_byte=", &settings->per_body_byte},
                   {"read_ms=", &settings->read_ms},
                   {"idle_ms=", &settings->idle_ms},
                   {"drain_ms=", &settings->drain_ms},
                   {"drain_idle_ms=", &settings->drain_idle_ms},
                   {"announce_ms=", &settings->announce_ms},
                   {"shares_port=", &settings->shares_port},
                   {"listener=", &settings->listener},
                   {"connections=", &settings->connections},
                   {"threads=", &settings->threads}};
    if (strncmp(argument, "host=", 5) == 0) {
        settings->host = argument + 5;
        return true;
    }
    if (strncmp(argument, "observe=", 8) == 0) {
        settings->observe = argument + 8;
        return true;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        size_t size = strlen(numbers[i].name);
        if (strncmp(argument, numbers[i].name, size) != 0) continue;
        *numbers[i].value = strtoul(argument + size, NULL, 10);
        return true;
    }
    return false;
}

int main(int argc, char **argv) {
    struct settings settings = {.host = "127.0.0.1",
                                .threads = 1,
                                .max_body = 1 << 20,
                                .max_header = 16384,
                                .read_ms = 10000,
                                .idle_ms = 60000,
                                .drain_ms = 2000,
                                .connections = 1000};
    for (int i = 1; i < argc; i++) {
        if (read_setting(argv[i], &settings)) continue;
        fprintf(stderr, "unknown argument %s\n", argv[i]);
        return 2;
    }
    int observed = settings.observe ? open(settings.observe, O_WRONLY | O_APPEND | O_CREAT, 0600)
                                    : -1;
    const int listener = (int)settings.listener;
    const struct mr_http_options options = {.host = settings.host,
                                            .shares_port = settings.shares_port != 0,
                                            .listeners = &listener,
                                            .n_listeners = listener != 0,
                                            .observe = settings.observe ? observe : NULL,
                                            .ctx = &observed,
                                            .port = (uint16_t)settings.port,
                                            .n_threads = (unsigned)settings.threads,
                                            .max_body_bytes = settings.max_body,
                                            .max_header_bytes = settings.max_header,
                                            .max_request_bytes = settings.max_request,
                                            .max_bytes_per_body_byte = settings.per_body_byte,
                                            .read_timeout_ms = (unsigned)settings.read_ms,
                                            .idle_timeout_ms = (unsigned)settings.idle_ms,
                                            .max_connections = (unsigned)settings.connections,
                                            .server_header = "mlrace/" MR_VERSION,
                                            .routes = routes,
                                            .n_routes = sizeof routes / sizeof routes[0]};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct mr_error err = {0};
    struct mr_http_server *server = NULL;
    pthread_t worker = start_worker();
    if (mr_http_start(&options, &server, &err) != MR_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("port %u\n", mr_http_port(server));
    fflush(stdout);
    int received;
    sigwait(&set, &received);
    if (settings.announce_ms) {
        mr_http_announce_stop(server);
        nanosleep(&(struct timespec){.tv_nsec = (long)settings.announce_ms * 1000000}, NULL);
    }
    mr_http_stop(server, (unsigned)settings.drain_ms, (unsigned)settings.drain_idle_ms);
    end_worker(worker);
    return 0;
}
