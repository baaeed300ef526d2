/* Readers of the telemetry store: made when needed, lent to one request at a time, kept. */
#include "api_internal.h"

int
api_reader_take(struct api *api, struct store_read **out, struct bl_err *err)
{
	int rc;

	*out = NULL;
	pthread_mutex_lock(&api->readers_lock);
	if (api->n_readers > 0)
		*out = api->readers[--api->n_readers];
	pthread_mutex_unlock(&api->readers_lock);
	if (*out != NULL && store_read_refresh(*out, err) == BL_OK)
		return BL_OK;
	if (*out != NULL) /* what it read was set aside, and there is nothing in its place yet */
		api->opts.hooks.store_close(api->opts.hooks.ctx, *out);
	rc = api->opts.hooks.store_open(api->opts.hooks.ctx, out, err);
	/* There is always one, but for the moment in which a damaged one is replaced. */
	return rc == BL_ENOTFOUND ? BL_EBUSY : rc;
}

void
api_reader_give(struct api *api, struct store_read *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&api->readers_lock);
	if (api->n_readers < API_READERS_MAX) {
		api->readers[api->n_readers++] = r;
		r = NULL;
	}
	pthread_mutex_unlock(&api->readers_lock);
	if (r != NULL)
		api->opts.hooks.store_close(api->opts.hooks.ctx, r);
}

void
api_readers_close(struct api *api)
{
	while (api->n_readers > 0)
		api->opts.hooks.store_close(api->opts.hooks.ctx, api->readers[--api->n_readers]);
}
