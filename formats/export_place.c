#include "formats/export_place.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *export_temp_name(const char *target)
{
	const char *slash = strrchr(target, '/');
	size_t before = slash ? (size_t)(slash + 1 - target) : 0;
	char *temp = malloc(strlen(target) + 9);

	if (temp)
		sprintf(temp, "%.*s.%s.XXXXXX", (int)before, target,
			target + before);
	return temp;
}

int export_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0 || fsync(fd))
		err = err_errno(E_IO, "%s", dir);
	if (fd >= 0)
		close(fd);
	return err;
}

int export_sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? strndup(path, slash == path ? 1 :
				       (size_t)(slash - path)) : strdup(".");
	int err = parent ? export_sync(parent) :
			   err_set(E_NOMEM, "out of memory");

	free(parent);
	return err;
}
