/* The Python engine without a server: what the tests ask of it line by line.
 *
 *     tool_pool INTERPRETER PACKAGE_PATH MODEL WORKERS TIMEOUT_MS
 *
 * Lines on standard input:
 *
 *     ask NAME BODY          a raw JSON body; NAME is any word
 *     stream NAME BODY       the same, wanting chunks
 *     cancel NAME | pause NAME | resume NAME
 *     state                  loading, ready or failed
 *     open MODEL             start another pool; the first is 0, the next 1 ...
 *     use NUMBER             what follows is for that pool
 *     close NUMBER           end it
 *
 * Each event is a JSON object in a line of standard output: {"event": "loaded" | "chunk" | "done" |
 * "cancelled" | "state" | "closed", "name": ..., "status": ..., "http": ..., "text": ...}. At the
 * end of the input all is unloaded; then {"event": "end", "text": open descriptors before and
 * after}. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/encode.h"
#include "engine/pyproc/pyproc.h"

struct question {
    struct question *next;
    struct mr_arena *arena;
    struct mr_input input;
    struct mr_call call;
    char name[64];
};

#define MAX_POOLS 32

static struct mr_engine_options options;
static struct mr_engine pools[MAX_POOLS]; /* ops: NULL, it was closed */
static unsigned n_pools, used;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct question *questions; /* under the lock: those that have not ended */

static void tell(const char *event, const char *name, int status, int http, struct mr_str text) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_format(&buf, "{\"event\": \"%s\", \"name\": \"%s\", \"status\": %d, \"http\": %d, ",
                  event, name, status, http);
    mr_buf_text(&buf, "\"text\": ");
    mr_json_encode_string(text, &buf);
    mr_buf_text(&buf, "}\n");
    fwrite(buf.data, 1, buf.size, stdout);
    fflush(stdout);
    mr_arena_free(arena);
}

static struct question *find(const char *name) {
    struct question *question = questions;
    while (question && strcmp(question->name, name) != 0) question = question->next;
    return question;
}

static void forget(struct question *question) {
    struct question **at = &questions;
    while (*at != question) at = &(*at)->next;
    *at = question->next;
    mr_arena_free(question->arena); /* with the question in it */
}

static void loaded(void *ctx, const struct mr_error *err) {
    pthread_mutex_lock(&lock);
    tell("loaded", ctx ? ctx : "", err ? (int)err->status : 0, 0,
         mr_str_from(err ? err->message : ""));
    pthread_mutex_unlock(&lock);
}

static bool chunk(struct mr_call *call, struct mr_str json) {
    struct question *question = call->ctx;
    bool is_taken = !mr_str_is(json, "\"refuse\"");
    pthread_mutex_lock(&lock);
    tell("chunk", question->name, 0, 0, json);
    pthread_mutex_unlock(&lock);
    return is_taken;
}

static void done(struct mr_call *call) {
    struct question *question = call->ctx;
    pthread_mutex_lock(&lock);
    struct mr_str text = mr_str_from(call->err.message);
    if (call->status == MR_OK) text = call->output.json;
    if (call->status == MR_OK && call->is_streamed) text = mr_str_from("(streamed)");
    tell("done", question->name, mr_status_http(call->status), call->output.http_status, text);
    forget(question);
    pthread_mutex_unlock(&lock);
}

static void ask(const struct mr_engine *engine, const char *name, const char *body,
                bool wants_stream) {
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct question *question = mr_arena_zalloc(arena, sizeof(*question));
    snprintf(question->name, sizeof(question->name), "%s", name);
    question->arena = arena;
    question->input.kind = MR_INPUT_RAW;
    question->input.raw_body = mr_str_from(mr_arena_strdup(arena, mr_str_from(body)));
    question->call = (struct mr_call){.input = &question->input,
                                      .arena = arena,
                                      .wants_stream = wants_stream,
                                      .chunk = chunk,
                                      .done = done,
                                      .ctx = question};
    pthread_mutex_lock(&lock);
    question->next = questions;
    questions = question;
    pthread_mutex_unlock(&lock);
    mr_engine_ask(engine, &question->call);
}

/* Calls that the engine may be telling stay alive, since `done` takes the lock: so it must not be
 * held while the engine is asked to cancel. The tests do not cancel what is about to end. */
static void cancel(const struct mr_engine *engine, const char *name) {
    pthread_mutex_lock(&lock);
    struct question *question = find(name);
    pthread_mutex_unlock(&lock);
    bool is_cancelled = question && mr_engine_cancel(engine, &question->call);
    pthread_mutex_lock(&lock);
    tell("cancelled", name, is_cancelled, 0, (struct mr_str){0});
    if (is_cancelled) forget(question);
    pthread_mutex_unlock(&lock);
}

static void pause_call(const struct mr_engine *engine, const char *name, bool is_paused) {
    pthread_mutex_lock(&lock);
    struct question *question = find(name);
    pthread_mutex_unlock(&lock);
    if (question) mr_engine_pause(engine, &question->call, is_paused);
}

static bool open_pool(const char *model) {
    static char names[MAX_POOLS][12];
    if (n_pools == MAX_POOLS) return false;
    if (n_pools > 0) {
        snprintf(names[n_pools], sizeof(names[0]), "%u", n_pools);
        options.python.ctx = names[n_pools];
    }
    const struct mr_model_source source = {.path = model, .options = &options};
    struct mr_engine *engine = &pools[n_pools++];
    struct mr_error err = {0};
    engine->ops = &mr_python_engine;
    if (mr_engine_load(&source, engine, &err) == MR_OK) return true;
    fprintf(stderr, "%s\n", err.message);
    return false;
}

static void close_pool(unsigned number) {
    if (number >= n_pools || !pools[number].ops) return;
    mr_engine_unload(&pools[number]);
    pools[number].ops = NULL;
}

/* Lines about pools; false: it is one for the pool in use. */
static bool obey_about_pools(const char *verb, const char *argument) {
    if (strcmp(verb, "open") == 0) {
        if (!open_pool(argument)) exit(1);
    } else if (strcmp(verb, "use") == 0) {
        used = (unsigned)strtoul(argument, NULL, 10);
    } else if (strcmp(verb, "close") == 0) {
        close_pool((unsigned)strtoul(argument, NULL, 10));
        pthread_mutex_lock(&lock);
        tell("closed", argument, 0, 0, (struct mr_str){0});
        pthread_mutex_unlock(&lock);
    } else {
        return false;
    }
    return true;
}

static void obey(char *line) {
    static const char *const states[] = {"loading", "ready", "down", "failed"};
    line[strcspn(line, "\n")] = '\0';
    char *save, *verb = strtok_r(line, " ", &save), *name = strtok_r(NULL, " ", &save);
    if (!verb || (name && obey_about_pools(verb, name))) return;
    const struct mr_engine *engine = &pools[used];
    if (!engine->ops) return;
    if (strcmp(verb, "state") == 0) {
        pthread_mutex_lock(&lock);
        tell("state", "", 0, 0, mr_str_from(states[mr_engine_state_of(engine)]));
        pthread_mutex_unlock(&lock);
    } else if (strcmp(verb, "ask") == 0 || strcmp(verb, "stream") == 0) {
        ask(engine, name, save, verb[0] == 's');
    } else if (strcmp(verb, "cancel") == 0) {
        cancel(engine, name);
    } else {
        pause_call(engine, name, verb[0] == 'p');
    }
}

static int count_fds(void) {
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int n_fds = count_fds();
    options.python = (struct mr_python_options){.interpreter = argv[1],
                                                .package_path = argv[2],
                                                .n_workers = (unsigned)strtoul(argv[4], NULL, 10),
                                                .timeout_ms = (unsigned)strtoul(argv[5], NULL, 10),
                                                .loaded = loaded};
    if (!open_pool(argv[3])) return 1;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) obey(line);
    free(line);
    for (unsigned i = 0; i < n_pools; i++) close_pool(i);
    while (questions) forget(questions); /* refused by a pool that was stopped */
    char text[64];
    snprintf(text, sizeof(text), "%d %d", n_fds, count_fds());
    tell("end", "", 0, 0, mr_str_from(text));
    return 0;
}
