#include "store/download.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress.h"
#include "store/download_int.h"

#define MAX_CONNECTIONS 8
#define MAX_ARENA_BYTES ((size_t)16 << 20) /* for the heads of a thread's requests */
#define DRAW_NS 100000000

static bool is_over(void *ctx) {
    const struct mr_download *download = ctx;
    const struct mr_download_options *options = download->options;
    return atomic_load(&download->is_stopped) ||
           (options->is_cancelled && options->is_cancelled(options->ctx));
}

/* --- threads ---------------------------------------------------------------------------------- */

/* The next part to fetch; NULL: there is none, or it ended with an error. Under the lock. */
static struct mr_download_file *next_part(struct mr_download *download, size_t *part,
                                          mr_status *status, struct mr_error *err) {
    while (download->next_file < download->list->n) {
        struct mr_download_file *file = &download->files[download->next_file];
        if (file->next_part == 0 && file->fd < 0) {
            *status = mr_download_open_file(download, file, err);
            if (*status != MR_OK) return NULL;
            /* All parts were here, but a kill came before the whole was moved: once more the last.
             */
            if (!file->is_done && file->n_left == 0) {
                file->is_here[file->n_parts - 1] = 0;
                file->n_left = 1;
            }
        }
        while (!file->is_done && file->next_part < file->n_parts) {
            *part = file->next_part++;
            if (file->is_here[*part] != 'x') return file;
        }
        download->next_file++;
    }
    return NULL;
}

static mr_status fetch_part(struct mr_download *download, struct mr_download_file *file,
                            size_t part, struct mr_client *client, struct mr_arena *arena,
                            struct mr_error *err) {
    MR_TRY(mr_download_fetch(download, file, part, client, arena, err));
    pthread_mutex_lock(&download->lock);
    bool is_last = file->n_left == 0;
    pthread_mutex_unlock(&download->lock);
    if (!is_last) return MR_OK;
    mr_status status = mr_download_finish_file(download, file, err);
    pthread_mutex_lock(&download->lock);
    mr_download_close_file(file);
    pthread_mutex_unlock(&download->lock);
    return status;
}

static mr_status work(struct mr_download *download, struct mr_client *client,
                      struct mr_arena *arena, struct mr_error *err) {
    mr_status status = MR_OK;
    while (status == MR_OK) {
        if (is_over(download)) return mr_fail(err, MR_E_UNAVAILABLE, "interrupted");
        size_t part;
        pthread_mutex_lock(&download->lock);
        struct mr_download_file *file = next_part(download, &part, &status, err);
        pthread_mutex_unlock(&download->lock);
        if (!file) return status;
        status = fetch_part(download, file, part, client, arena, err);
        mr_arena_reset(arena);
    }
    return status;
}

static void *run(void *ctx) {
    struct mr_download *download = ctx;
    struct mr_error err = {0};
    struct mr_client *client = NULL;
    struct mr_client_options options = download->store->client;
    options.is_cancelled = is_over;
    options.ctx = download;
    struct mr_arena *arena = mr_arena_new(MAX_ARENA_BYTES, NULL);
    mr_status status = arena ? mr_client_new(&options, &client, &err)
                             : mr_fail(&err, MR_E_NO_MEMORY, "out of memory");
    if (status == MR_OK) status = work(download, client, arena, &err);
    mr_client_free(client);
    mr_arena_free(arena);
    pthread_mutex_lock(&download->lock);
    /* The first error is the reason; that others were interrupted by it is not. */
    if (status != MR_OK && download->status == MR_OK) {
        download->status = status;
        download->err = err;
        atomic_store(&download->is_stopped, true);
    }
    download->n_running--;
    pthread_cond_signal(&download->ended);
    pthread_mutex_unlock(&download->lock);
    return NULL;
}

/* Wait for all threads, and draw. */
static void wait_for(struct mr_download *download) {
    struct mr_progress progress = {0};
    if (download->options->has_progress) mr_progress_init(&progress, STDERR_FILENO);
    pthread_mutex_lock(&download->lock);
    while (download->n_running) {
        uint64_t until = mr_clock_ns() + DRAW_NS;
        struct timespec time = {.tv_sec = (time_t)(until / 1000000000),
                                .tv_nsec = (long)(until % 1000000000)};
        if (progress.is_on) {
            mr_progress_draw(&progress, atomic_load(&download->done_bytes),
                             download->list->total_bytes, MR_PROGRESS_NO_ROWS);
        }
        pthread_cond_timedwait(&download->ended, &download->lock, &time);
    }
    pthread_mutex_unlock(&download->lock);
    mr_progress_clear(&progress);
}

static mr_status run_threads(struct mr_download *download, size_t n_parts, struct mr_error *err) {
    pthread_t threads[MAX_CONNECTIONS];
    sigset_t all, before;
    unsigned n_wanted = n_parts < MAX_CONNECTIONS ? (unsigned)n_parts : MAX_CONNECTIONS, n = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&download->lock);
    while (n < n_wanted && pthread_create(&threads[n], NULL, run, download) == 0) n++;
    download->n_running = n;
    pthread_mutex_unlock(&download->lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    wait_for(download);
    for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
    if (n == 0 && n_wanted) return mr_fail(err, MR_E_IO, "cannot start a thread to download with");
    if (download->status == MR_OK) return MR_OK;
    return mr_fail(err, download->status, "%s", download->err.message);
}

/* --- all of it -------------------------------------------------------------------------------- */

static size_t init_files(struct mr_download *download) {
    const struct mr_artifact_list *list = download->list;
    size_t n_parts = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct mr_download_file *file = &download->files[i];
        uint64_t size = list->items[i].size_bytes;
        *file = (struct mr_download_file){
            .artifact = &list->items[i], .number = i, .n_parts = 1, .fd = -1};
        bool is_large = size != MR_ARTIFACT_SIZE_UNKNOWN && size > 2 * MR_DOWNLOAD_PART_BYTES;
        if (download->store->has_ranges && is_large) {
            file->n_parts = (size_t)((size - 1) / MR_DOWNLOAD_PART_BYTES + 1);
        }
        file->n_left = file->n_parts;
        n_parts += file->n_parts;
    }
    return n_parts;
}

static mr_status init(struct mr_download *download, struct mr_error *err) {
    pthread_condattr_t clock;
    download->files = calloc(download->list->n + 1, sizeof(*download->files));
    if (!download->files) return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    pthread_mutex_init(&download->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&download->ended, &clock);
    pthread_condattr_destroy(&clock);
    return MR_OK;
}

static void deinit(struct mr_download *download) {
    for (size_t i = 0; i < download->list->n; i++) {
        mr_download_close_file(&download->files[i]);
        free(download->files[i].is_here);
    }
    pthread_cond_destroy(&download->ended);
    pthread_mutex_destroy(&download->lock);
    free(download->files);
}

mr_status mr_download(const struct mr_artifact_store *store, const struct mr_artifact_list *list,
                      const char *folder, const struct mr_download_options *options,
                      struct mr_error *err) {
    struct mr_download download = {
        .store = store, .list = list, .options = options, .folder = folder};
    MR_TRY(mr_download_prepare(folder, err));
    MR_TRY(init(&download, err));
    size_t n_parts = init_files(&download);
    mr_status status = run_threads(&download, n_parts, err);
    deinit(&download);
    return status;
}
