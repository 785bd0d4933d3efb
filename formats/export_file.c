#include "formats/export_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/export_place.h"

static int check_place(const char *target, int force)
{
	struct stat st;

	if (stat(target, &st))
		return errno == ENOENT ? 0 :
		       err_errno(E_CREATE, "%s", target);
	if (!S_ISREG(st.st_mode))
		return err_set(E_CREATE, "%s: is no regular file", target);
	return force ? 0 : err_set(E_CREATE, "%s: is there already; --force "
				   "replaces it", target);
}

int export_file_begin(struct export_file *f, const char *target, int force)
{
	mode_t mask = umask(0);

	umask(mask);
	*f = (struct export_file){ .target = target };
	TRY(check_place(target, force));
	f->temp = export_temp_name(target);
	if (!f->temp)
		return err_set(E_NOMEM, "out of memory");
	f->file.fd = mkstemp(f->temp);
	if (f->file.fd < 0) {
		free(f->temp);
		f->temp = NULL;
		return err_errno(E_CREATE, "%s", target);
	}
	f->file.open = 1;
	f->file.name = strdup(target);
	if (!f->file.name)
		return err_set(E_NOMEM, "out of memory");
	return fchmod(f->file.fd, 0666 & ~mask) ?
	       err_errno(E_CREATE, "%s", target) : 0;
}

int export_file_commit(struct export_file *f)
{
	TRY(file_finish(&f->file));
	if (rename(f->temp, f->target))
		return err_errno(E_CREATE, "%s", f->target);
	free(f->temp);
	f->temp = NULL;
	return export_sync_parent(f->target);
}

void export_file_release(struct export_file *f)
{
	file_close(&f->file);
	if (f->temp)
		unlink(f->temp);
	free(f->temp);
	*f = (struct export_file){ 0 };
}
