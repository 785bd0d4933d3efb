#define _GNU_SOURCE /* struct ucred, MSG_CMSG_CLOEXEC */
#include "formats/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int wire_default(char *buf, size_t room)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	int n = -1;

	if (run && *run)
		n = snprintf(buf, room, "%s/weft/agent.sock", run);
	else if (home && *home)
		n = snprintf(buf, room, "%s/.cache/weft/agent.sock", home);
	if (n < 0 || (size_t)n >= room)
		return err_set(E_UNAVAIL, "neither XDG_RUNTIME_DIR nor HOME "
			       "says where the agent's socket is");
	return 0;
}

static int address(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(a->sun_path))
		return err_set(E_UNAVAIL, "%s: too long for a socket", path);
	strcpy(a->sun_path, path);
	return 0;
}

/* Makes the last folders of dir that are not there. */
static int make_folders(char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!mkdir(dir, 0700) || errno == EEXIST)
		return 0;
	if (errno != ENOENT || !slash || slash == dir)
		return err_errno(E_CREATE, "%s", dir);
	*slash = 0;
	TRY(make_folders(dir));
	*slash = '/';
	return mkdir(dir, 0700) && errno != EEXIST ?
		       err_errno(E_CREATE, "%s", dir) : 0;
}

static int check_folder(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return err_set(E_CREATE, "%s: no folder of its own", path);
	*slash = 0;
	TRY(make_folders(dir));
	if (lstat(dir, &st))
		return err_errno(E_CREATE, "%s", dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 0077)
		return err_set(E_CREATE, "%s: not a folder that is this "
			       "user's alone (mode 0700)", dir);
	return 0;
}

/* What stands at path: a socket that nobody answers at is removed. */
static int make_way(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(E_CREATE, "%s: there is something else", path);
	if (!wire_connect(&fd, path) && fd >= 0) {
		close(fd);
		return err_set(E_UNAVAIL, "%s: an agent is there already",
			       path);
	}
	return unlink(path) ? err_errno(E_CREATE, "%s", path) : 0;
}

int wire_listen(int *fd, const char *path)
{
	struct sockaddr_un a;
	mode_t mask;
	int err;

	TRY(address(&a, path));
	TRY(check_folder(path));
	TRY(make_way(path));
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		     0);
	if (*fd < 0)
		return err_errno(E_UNAVAIL, "%s", path);
	mask = umask(077);
	err = bind(*fd, (struct sockaddr *)&a, sizeof(a)) ||
	      listen(*fd, 16);
	umask(mask);
	if (!err)
		return 0;
	err = err_errno(E_CREATE, "%s", path);
	close(*fd);
	*fd = -1;
	return err;
}

/* A file that is no socket is refused in the same way. */
static int is_left(const char *path)
{
	struct stat st;

	return (errno == ECONNREFUSED || errno == ECONNRESET) &&
	       !stat(path, &st) && S_ISSOCK(st.st_mode);
}

int wire_connect(int *fd, const char *path)
{
	struct sockaddr_un a;
	int err = 0;

	TRY(address(&a, path));
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*fd >= 0 && !connect(*fd, (struct sockaddr *)&a, sizeof(a)))
		return 0;
	if (*fd < 0 || !is_left(path))
		err = err_errno(E_UNAVAIL, "no agent at %s", path);
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return err;
}

int wire_is_ours(int fd)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) &&
	       who.uid == geteuid();
}

int wire_patience(int fd, int seconds)
{
	struct timeval t = { seconds, 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)))
		return err_errno(E_UNAVAIL, "a socket");
	return 0;
}

int wire_send(int fd, struct msg_out *o, int file)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	struct iovec at;
	struct msghdr h = { .msg_iov = &at, .msg_iovlen = 1 };
	ssize_t n;

	TRY(msg_done(o));
	at = (struct iovec){ o->at, o->n };
	if (file >= 0) {
		struct cmsghdr *c;

		memset(room, 0, sizeof(room));
		h.msg_control = room;
		h.msg_controllen = sizeof(room);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &file, sizeof(int));
	}
	do
		n = sendmsg(fd, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)o->n ? 0 : err_errno(E_IO, "agent");
}

/* Files that came along: one is kept, others are closed. */
static int take_files(struct msghdr *h)
{
	int file = -1, one;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&one, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (file < 0)
				file = one;
			else
				close(one);
		}
	}
	return file;
}

int wire_receive(int fd, struct msg **m, int *file, void *to)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(4 * sizeof(int))];
	struct iovec at = { to, WIRE_MESSAGE };
	struct msghdr h = { .msg_iov = &at, .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	ssize_t n;
	int err;

	*m = NULL;
	*file = -1;
	do
		n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n <= 0)
		return err_set(E_UNAVAIL, "the other end is gone");
	*file = take_files(&h);
	err = h.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ?
		      err_set(E_DATA, "a message that is too long") :
		      msg_parse(m, to, (size_t)n);
	if (err && *file >= 0) {
		close(*file);
		*file = -1;
	}
	return err;
}
