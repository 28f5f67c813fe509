/* What `mlrace serve` is told by its arguments and MLflow's environment variables. */
#ifndef MR_CLI_SERVE_OPTIONS_H
#define MR_CLI_SERVE_OPTIONS_H

#include "api/error_detail.h"
#include "api/split.h"
#include "base/log.h"
#include "cli/activation.h"
#include "cli/engine_options.h"
#include "cli/model_list.h"

struct mr_serve_config {
    struct mr_model_list models;
    const char *models_path; /* --models; NULL: not given */
    const char *host;
    unsigned long port;
    unsigned long timeout_s;
    unsigned long shutdown_timeout_s; /* 0: timeout_s */
    unsigned long shutdown_delay_s;
    unsigned long max_connections;
    bool shares_port;
    struct mr_activation activation; /* read later */
    size_t max_body_bytes;
    mr_log_format log_format;
    bool has_access_log;
    bool has_server_timing;
    mr_error_detail error_detail;
    char *split_text; /* --split; NULL: not given */
    struct mr_split_share *shares;
    size_t n_shares;
    const char *shadow_name; /* --shadow; NULL: none */
    unsigned watch_ms;       /* 0: the models stay as they are */
    bool is_reloadable;      /* there is POST /reload */
    struct mr_engine_args engine;
};

/* Read them.
 * config   to be given to mr_serve_options_deinit, whatever is returned
 * returns  0: go on; MR_CLI_DONE: help was printed; else the exit code, the fault was printed */
int mr_serve_options_read(int argc, char **argv, struct mr_serve_config *config);
void mr_serve_options_deinit(struct mr_serve_config *config);

#endif
