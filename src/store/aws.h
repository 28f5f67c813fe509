/* Credentials and settings of AWS, found where its own libraries look for them. */
#ifndef MR_STORE_AWS_H
#define MR_STORE_AWS_H

#include "store/client.h"

/* Variables and files: AWS_PROFILE's part of ~/.aws/config and ~/.aws/credentials, or of what
 * AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name. */
struct mr_aws {
    struct mr_arena *arena;
    const char *profile; /* "default" */
    bool is_profile_chosen;
    struct mr_str config, credentials; /* the files' texts */
};

/* Read them.
 * returns  MR_OK; MR_E_NOT_FOUND: AWS_PROFILE names a profile that neither file has; MR_E_IO,
 *          MR_E_TOO_LARGE, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_aws_init(struct mr_aws *aws, struct mr_arena *arena,
                                    struct mr_error *err);

/* A key of the profile in ~/.aws/config, in the arena; NULL: it has none. Out of memory is NULL,
 * too. */
const char *mr_aws_config(const struct mr_aws *aws, const char *key);

/* The credential that botocore would find (botocore/credentials.py, create_credential_resolver):
 * AWS_ACCESS_KEY_ID and its like, a web identity (AWS_WEB_IDENTITY_TOKEN_FILE), the profile, the
 * container (AWS_CONTAINER_CREDENTIALS_*), the instance (IMDSv2). Region and service of *out are
 * left alone.
 *
 * options  for requests to where credentials are handed out: TLS and is_cancelled
 * region   of the security token service
 * returns  MR_OK; MR_E_NOT_FOUND: there is none, with where it was looked for; MR_E_UNSUPPORTED:
 *          the profile gets them in a way that is not known here; MR_E_UNAVAILABLE, MR_E_IO,
 *          MR_E_FORMAT, MR_E_NO_MEMORY */
MR_MUST_CHECK mr_status mr_aws_login(const struct mr_aws *aws,
                                     const struct mr_client_options *options, const char *region,
                                     struct mr_login *out, struct mr_error *err);

#endif
