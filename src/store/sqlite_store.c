/* MLflow's default store: mlflow.db (mlflow/store/tracking/sqlalchemy_store.py and
 * mlflow/store/model_registry/sqlalchemy_store.py; the tables are those of their dbmodels).
 *
 * Opened to read only, with the locks that SQLite has for it: an MLflow that writes meanwhile is
 * waited for. The file is untrusted: no code that its schema may name is run, and no query goes on
 * for long. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/backend.h"
#include "store/environment_int.h"
#include "store/sqlite_int.h"
#include "store/uri.h"

#define BUSY_MS 5000
#define QUERY_NS ((uint64_t)10 * 1000000000u)
/* How often is looked whether that is over, and how large a value may become on the way, of which
 * MLflow's have 8000 characters: a single step of a hostile view can compare each character of a
 * text with each of another, which takes seconds at this size, and hours at ten times of it. */
#define OVER_STEPS 4
#define MAX_VALUE_BYTES (32 << 10)
#define MAX_ARGUMENTS 3
#define MAX_COLUMNS 4

/* Stages that get_latest_versions looks at: ALL_STAGES in model_version_stages.py. */
#define ANY_STAGE "('None', 'Staging', 'Production', 'Archived')"

struct store {
    const struct mr_sqlite *sqlite;
    sqlite3 *db;
    uint64_t query_end_ns;
    const char *workspace; /* whose registered models are meant; NULL: the tables know none */
};

/* --- queries -----------------------------------------------------------------------------------
 */

/* What is asked, with texts for its ?1, ?2, ... */
struct query {
    const char *sql;
    const char *arguments[MAX_ARGUMENTS];
    bool is_in_workspace; /* of a table with a column "workspace": one more condition */
};

static int is_over(void *ctx) {
    const struct store *store = ctx;
    return mr_clock_ns() > store->query_end_ns;
}

static mr_status fail_query(struct mr_backend *backend, int code, struct mr_error *err) {
    struct store *store = backend->state;
    const char *message = store->db ? store->sqlite->errmsg(store->db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_NOMEM: return mr_fail(err, MR_E_NO_MEMORY, "out of memory");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return mr_fail(err, MR_E_UNAVAILABLE, "%.300s: somebody writes to it for more than %d s",
                       backend->uri, BUSY_MS / 1000);
    case SQLITE_INTERRUPT:
        return mr_fail(err, MR_E_FORMAT,
                       "%.300s: a simple question takes more than 10 s: this is "
                       "no database of MLflow",
                       backend->uri);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG: return mr_fail(err, MR_E_FORMAT, "%.300s: %.200s", backend->uri, message);
    default: return mr_fail(err, MR_E_IO, "%.300s: %.200s", backend->uri, message);
    }
}

/* Copies the columns of a row; NULL stays NULL. */
static mr_status read_row(struct mr_backend *backend, sqlite3_stmt *statement, size_t n_columns,
                          const char **row, struct mr_error *err) {
    const struct store *store = backend->state;
    for (size_t i = 0; i < n_columns; i++) {
        const char *text = (const char *)store->sqlite->column_text(statement, (int)i);
        size_t size = (size_t)store->sqlite->column_bytes(statement, (int)i);
        row[i] = NULL;
        if (!text) continue;
        if (size > MR_BACKEND_MAX_TEXT || memchr(text, '\0', size)) {
            return mr_fail(err, MR_E_FORMAT, "%.300s: a text in it is not one that MLflow writes",
                           backend->uri);
        }
        row[i] = mr_arena_strdup(backend->arena, (struct mr_str){text, size});
        if (!row[i]) return mr_arena_fail(backend->arena, err);
    }
    return MR_OK;
}

static int bind(const struct store *store, const struct query *query, sqlite3_stmt *statement) {
    int code = SQLITE_OK, n = 0;
    while (n < MAX_ARGUMENTS && query->arguments[n] && code == SQLITE_OK) {
        code = store->sqlite->bind_text(statement, n + 1, query->arguments[n], -1, SQLITE_STATIC);
        n++;
    }
    if (code == SQLITE_OK && query->is_in_workspace && store->workspace) {
        code = store->sqlite->bind_text(statement, n + 1, store->workspace, -1, SQLITE_STATIC);
    }
    return code;
}

/* The first row of the answer; *is_found tells whether there is one. SQL is ours, arguments are
 * bound. A query that cannot be prepared is asked of other tables than MLflow's: SQLite's message
 * names what is missing. */
static mr_status ask(struct mr_backend *backend, const struct query *query, size_t n_columns,
                     const char **row, bool *is_found, struct mr_error *err) {
    struct store *store = backend->state;
    struct mr_buf sql;
    mr_buf_init(&sql, backend->arena);
    mr_buf_text(&sql, query->sql);
    if (query->is_in_workspace && store->workspace) mr_buf_text(&sql, " AND workspace = ?");
    mr_buf_char(&sql, '\0');
    MR_TRY(mr_buf_status(&sql, err));
    store->query_end_ns = mr_clock_ns() + QUERY_NS;
    sqlite3_stmt *statement = NULL;
    int code = store->sqlite->prepare_v2(store->db, sql.data, (int)sql.size, &statement, NULL);
    if (code == SQLITE_ERROR) {
        return mr_fail(err, MR_E_UNSUPPORTED,
                       "%.300s: its tables are not those of MLflow 2.0 to 3.17 (%.200s): "
                       "`mlflow db upgrade` brings old ones up to date",
                       backend->uri, store->sqlite->errmsg(store->db));
    }
    if (code == SQLITE_OK) code = bind(store, query, statement);
    if (code == SQLITE_OK) code = store->sqlite->step(statement);
    *is_found = code == SQLITE_ROW;
    mr_status status = MR_OK;
    if (code == SQLITE_ROW) {
        status = read_row(backend, statement, n_columns, row, err);
    } else if (code != SQLITE_DONE) {
        status = fail_query(backend, code, err);
    }
    store->sqlite->finalize(statement);
    return status;
}

static mr_status has_column(struct mr_backend *backend, const char *table, const char *column,
                            bool *out, struct mr_error *err) {
    const struct query query = {
        "SELECT name FROM pragma_table_info(?1) WHERE name = ?2", {table, column}, false};
    const char *row[1];
    return ask(backend, &query, 1, row, out, err);
}

static mr_status read_version(struct mr_backend *backend, const char *text, int64_t *out,
                              struct mr_error *err) {
    char *end;
    *out = text ? strtoll(text, &end, 10) : 0;
    if (text && *text && !*end && *out > 0) return MR_OK;
    return mr_fail(err, MR_E_FORMAT, "%.300s: \"%.100s\" is no number of a version", backend->uri,
                   text ? text : "");
}

/* --- what MLflow asks --------------------------------------------------------------------------
 */

static mr_status find_run(struct mr_backend *backend, const char *run_id, struct mr_run *out,
                          struct mr_error *err) {
    const struct query query = {
        "SELECT experiment_id, artifact_uri FROM runs WHERE run_uuid = ?1", {run_id}, false};
    const char *row[2];
    bool is_found;
    MR_TRY(ask(backend, &query, 2, row, &is_found, err));
    if (!is_found || !row[0] || !row[1]) {
        return mr_fail(err, MR_E_NOT_FOUND, "there is no run %s in %.300s", run_id, backend->uri);
    }
    *out = (struct mr_run){.experiment_id = row[0], .artifact_uri = row[1]};
    return MR_OK;
}

/* MLflow 2 knew no logged models. */
static mr_status ask_logged_models(struct mr_backend *backend, const struct query *query,
                                   struct mr_logged_model *out, struct mr_error *err) {
    const char *row[3];
    bool is_found;
    *out = (struct mr_logged_model){0};
    MR_TRY(has_column(backend, "logged_models", "model_id", &is_found, err));
    if (is_found) MR_TRY(ask(backend, query, 3, row, &is_found, err));
    if (!is_found || !row[0] || !row[1]) return MR_OK;
    *out = (struct mr_logged_model){.id = row[0], .artifact_uri = row[1], .run_id = row[2]};
    return MR_OK;
}

static mr_status find_model(struct mr_backend *backend, const char *model_id,
                            struct mr_logged_model *out, struct mr_error *err) {
    const struct query query = {"SELECT model_id, artifact_location, source_run_id "
                                "FROM logged_models "
                                "WHERE model_id = ?1 AND lifecycle_stage <> 'deleted'",
                                {model_id},
                                false};
    MR_TRY(ask_logged_models(backend, &query, out, err));
    if (out->id) return MR_OK;
    return mr_fail(err, MR_E_NOT_FOUND, "there is no logged model %.200s in %.300s", model_id,
                   backend->uri);
}

/* In the order of _apply_order_by_search_logged_models. */
static mr_status find_run_model(struct mr_backend *backend, const char *run_id,
                                const struct mr_run *run, const char *name,
                                struct mr_logged_model *out, struct mr_error *err) {
    const struct query query = {"SELECT model_id, artifact_location, source_run_id "
                                "FROM logged_models "
                                "WHERE experiment_id = ?1 AND source_run_id = ?2 AND name = ?3 "
                                "AND lifecycle_stage <> 'deleted' "
                                "ORDER BY creation_timestamp_ms DESC, model_id LIMIT 1",
                                {run->experiment_id, run_id, name},
                                false};
    return ask_logged_models(backend, &query, out, err);
}

/* Whether a registered model is there at all makes another message. */
static mr_status fail_version(struct mr_backend *backend, const char *name, const char *what,
                              struct mr_error *err) {
    const struct query query = {"SELECT name FROM registered_models WHERE name = ?1", {name}, true};
    const char *row[1];
    bool is_found;
    MR_TRY(ask(backend, &query, 1, row, &is_found, err));
    if (!is_found) what = "";
    return mr_fail(err, MR_E_NOT_FOUND, "there is no registered model %.200s%s%s in %.300s", name,
                   *what ? " with " : "", what, backend->uri);
}

static mr_status find_version(struct mr_backend *backend, const char *name, int64_t version,
                              struct mr_version *out, struct mr_error *err) {
    char number[32], what[48];
    snprintf(number, sizeof(number), "%lld", (long long)version);
    const struct query query = {"SELECT source, storage_location, run_id, creation_time "
                                "FROM model_versions "
                                "WHERE name = ?1 AND version = ?2 "
                                "AND current_stage <> 'Deleted_Internal'",
                                {name, number},
                                true};
    const char *row[4];
    bool is_found;
    MR_TRY(ask(backend, &query, 4, row, &is_found, err));
    if (!is_found) {
        snprintf(what, sizeof(what), "version %s", number);
        return fail_version(backend, name, what, err);
    }
    bool has_location = row[1] && row[1][0];
    *out = (struct mr_version){.version = version,
                               .source = row[0],
                               .artifact_uri = has_location ? row[1] : row[0],
                               .run_id = row[2],
                               .created_ms = row[3] ? strtoll(row[3], NULL, 10) : 0};
    return MR_OK;
}

static mr_status find_latest(struct mr_backend *backend, const char *name, const char *stage,
                             int64_t *out, struct mr_error *err) {
    struct query query = {"SELECT max(version) FROM model_versions "
                          "WHERE name = ?1 AND current_stage IN " ANY_STAGE,
                          {name},
                          true};
    if (stage) {
        query
            .sql = "SELECT max(version) FROM model_versions WHERE name = ?1 AND current_stage = ?2";
        query.arguments[1] = stage;
    }
    const char *row[1];
    bool is_found;
    MR_TRY(ask(backend, &query, 1, row, &is_found, err));
    if (is_found && row[0]) return read_version(backend, row[0], out, err);
    char what[64];
    snprintf(what, sizeof(what), "a version%s%.20s", stage ? " in the stage " : "",
             stage ? stage : "");
    return fail_version(backend, name, what, err);
}

/* MLflow before 2.3 knew no aliases. */
static mr_status find_alias(struct mr_backend *backend, const char *name, const char *alias,
                            int64_t *out, struct mr_error *err) {
    const struct query query = {
        "SELECT version FROM registered_model_aliases WHERE name = ?1 AND alias = ?2",
        {name, alias},
        true};
    const char *row[1] = {NULL};
    bool is_found;
    MR_TRY(has_column(backend, "registered_model_aliases", "alias", &is_found, err));
    if (is_found) MR_TRY(ask(backend, &query, 1, row, &is_found, err));
    if (is_found) return read_version(backend, row[0], out, err);
    char what[320];
    snprintf(what, sizeof(what), "the alias %s", alias);
    return fail_version(backend, name, what, err);
}

static void close_store(struct mr_backend *backend) {
    struct store *store = backend->state;
    if (store->db) store->sqlite->close(store->db);
}

static const struct mr_backend_ops ops = {
    .find_run = find_run,
    .find_model = find_model,
    .find_run_model = find_run_model,
    .find_version = find_version,
    .find_latest = find_latest,
    .find_alias = find_alias,
    .close = close_store,
};

/* --- opening -----------------------------------------------------------------------------------
 */

/* sqlite:///PATH?options: the path is percent-decoded, as SQLAlchemy 2.1 does. One that only the
 * undecoded name finds was made by an earlier one. */
static mr_status find_path(const char *uri, struct mr_backend *backend, const char **out,
                           struct mr_error *err) {
    const char *from = strchr(uri, ':') + 1;
    size_t size = strcspn(from, "?");
    bool has_path = strncmp(from, "///", 3) == 0 && size > 3;
    if (!has_path || strncmp(from + 3, ":memory:", 8) == 0 || strncmp(from + 3, "file:", 5) == 0) {
        return mr_fail(err, MR_E_INVALID_PARAMETER,
                       "%.300s: expected sqlite:///PATH of a file, such as sqlite:///mlflow.db",
                       backend->uri);
    }
    char *path = mr_arena_strdup(backend->arena, (struct mr_str){from + 3, size - 3});
    char *decoded = mr_arena_alloc(backend->arena, size);
    if (!path || !decoded) return mr_arena_fail(backend->arena, err);
    mr_uri_unescape(path, decoded);
    *out = access(decoded, F_OK) == 0 || access(path, F_OK) != 0 ? decoded : path;
    return MR_OK;
}

/* A file: URI for SQLite. */
static mr_status immutable_uri(const char *path, struct mr_arena *arena, const char **out,
                               struct mr_error *err) {
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_text(&buf, path[0] == '/' ? "file://" : "file:");
    for (const char *at = path; *at; at++) {
        if (strchr("%?#", *at)) {
            mr_buf_format(&buf, "%%%02X", (unsigned)(unsigned char)*at);
        } else {
            mr_buf_char(&buf, *at);
        }
    }
    mr_buf_append(&buf, "?immutable=1", sizeof("?immutable=1"));
    *out = buf.data;
    return mr_buf_status(&buf, err);
}

static mr_status open_database(struct mr_backend *backend, const char *name, int flags,
                               struct mr_error *err) {
    struct store *store = backend->state;
    const struct mr_sqlite *sqlite = store->sqlite;
    int code = sqlite->open_v2(name, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags,
                               NULL);
    if (code != SQLITE_OK) return fail_query(backend, code, err);
    sqlite->busy_timeout(store->db, BUSY_MS);
    sqlite->db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite->db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite->limit(store->db, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
    sqlite->progress_handler(store->db, OVER_STEPS, is_over, store);
    return MR_OK;
}

/* A database in WAL mode wants a file beside it that can be written. Where that may not be, such as
 * on a read-only mount, and nobody has it open, it is read as it is. */
static mr_status open_and_try(struct mr_backend *backend, const char *path, struct mr_error *err) {
    struct store *store = backend->state;
    MR_TRY(open_database(backend, path, 0, err));
    bool has_workspaces;
    mr_status status = has_column(backend, "model_versions", "workspace", &has_workspaces, err);
    struct mr_buf wal;
    mr_buf_init(&wal, backend->arena);
    mr_buf_text(&wal, path);
    mr_buf_append(&wal, "-wal", sizeof("-wal"));
    MR_TRY(mr_buf_status(&wal, err));
    if (status == MR_E_IO && access(wal.data, F_OK) != 0) {
        const char *name;
        store->sqlite->close(store->db);
        store->db = NULL;
        MR_TRY(immutable_uri(path, backend->arena, &name, err));
        MR_TRY(open_database(backend, name, SQLITE_OPEN_URI, err));
        status = has_column(backend, "model_versions", "workspace", &has_workspaces, err);
    }
    if (status == MR_OK && !has_workspaces) store->workspace = NULL;
    return status;
}

mr_status mr_sqlite_store_open(const char *uri, struct mr_backend *backend, struct mr_error *err) {
    const char *path = NULL;
    MR_TRY(find_path(uri, backend, &path, err));
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return mr_backend_fail_absent(backend, err);
    }
    struct store *store = mr_arena_zalloc(backend->arena, sizeof(*store));
    if (!store) return mr_arena_fail(backend->arena, err);
    backend->state = store;
    backend->ops = &ops;
    store->workspace = "default"; /* DEFAULT_WORKSPACE_NAME */
    bool has_workspaces = false;
    MR_TRY(mr_environment_flag("MLFLOW_ENABLE_WORKSPACES", &has_workspaces, err));
    const char *workspace = mr_environment_get("MLFLOW_WORKSPACE");
    if (has_workspaces && workspace) store->workspace = workspace;
    MR_TRY(mr_sqlite_load(&store->sqlite, err));
    mr_status status = open_and_try(backend, path, err);
    if (status != MR_OK) close_store(backend);
    return status;
}
