/*
 * libFuzzer target: what answers on the agent's control socket, as `status`
 * reads it.  Another program may sit there; whatever it says is told in words.
 */
#include "fuzz.h"
#include "status.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	json_error_t why;
	json_t *status;

	if (nowhere == NULL)
		CHECK((nowhere = fopen("/dev/null", "w")) != NULL);
	if ((status = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &why)) == NULL)
		return 0;
	status_print(status, nowhere);
	CHECK(status_health(status) >= STATUS_HEALTHY && status_health(status) <= STATUS_DEAD);
	json_decref(status);
	return 0;
}
