/*
 * Feeds files to a fuzz target without a fuzzer: a corpus as an ordinary test.
 *
 *	replay_expr FILE-OR-FOLDER ...
 *
 * Fails when there is nothing to feed; a finding ends the process by itself.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t fed;

static int
feed(const char *path)
{
	uint8_t *data = NULL;
	FILE *f = fopen(path, "rb");
	long size;
	int rc = -1;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
	    size > (long)INPUT_MAX || fseek(f, 0, SEEK_SET) != 0)
		goto out;
	/* Exactly as large as the input, so that a byte too far is seen. */
	data = malloc((size_t)size);
	if ((data == NULL && size > 0) || fread(data, 1, (size_t)size, f) != (size_t)size)
		goto out;
	(void)LLVMFuzzerTestOneInput(data, (size_t)size);
	fed++;
	rc = 0;
out:
	if (rc != 0)
		(void)fprintf(stderr, "replay: cannot read %s\n", path);
	free(data);
	if (f != NULL)
		(void)fclose(f);
	return rc;
}

static int
is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int
feed_folder(const char *path)
{
	struct dirent **entry;
	const int n = scandir(path, &entry, is_file, alphasort);
	char name[4096];
	int rc = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
		if (feed(name) != 0)
			rc = -1;
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return rc;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		const int is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

		if ((is_folder ? feed_folder(argv[i]) : feed(argv[i])) != 0)
			failed = 1;
	}
	printf("%zu inputs\n", fed);
	return failed != 0 || fed == 0;
}
