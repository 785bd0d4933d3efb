/*
 * wire - messages between page-agent and its clients
 *
 * A message is one packet of a Unix socket (SOCK_SEQPACKET) with a msgpack map
 * in it (formats/msg.h) and at most one file descriptor beside it. It has at
 * most WIRE_MESSAGE bytes.
 */
#ifndef FORMATS_WIRE_H
#define FORMATS_WIRE_H

#include "formats/msg.h"

enum { WIRE_MESSAGE = 64 << 10, WIRE_VERSION = 3 };

/* $XDG_RUNTIME_DIR/weft/agent.sock, or one under ~/.cache; into buf. E_UNAVAIL:
 * neither is known, or too long. */
int wire_default(char *buf, size_t room) MUST_CHECK;

/* A listening socket at path; its folder is made (0700), or must be a folder of
 * our own that nobody else may write to; a socket that nobody listens at is
 * replaced. Not blocking. E_CREATE, E_UNAVAIL. */
int wire_listen(int *fd, const char *path) MUST_CHECK;

/* *fd -1: nobody listens any more at the socket that is there. E_UNAVAIL. */
int wire_connect(int *fd, const char *path) MUST_CHECK;

/* Is the peer this user? */
int wire_is_ours(int fd);

/* From now on a message that does not come or go within so many seconds is
 * none. E_UNAVAIL. */
int wire_patience(int fd, int seconds) MUST_CHECK;

/* file: -1 for none. E_IO: it cannot be sent, or not at once where the socket
 * does not block. */
int wire_send(int fd, struct msg_out *o, int file) MUST_CHECK;

/* The next message, and the file beside it or -1, the caller's. *m NULL: none
 * now (on a socket that does not block). E_UNAVAIL: the other end is gone;
 * E_DATA: no message of ours. at: WIRE_MESSAGE bytes, in use as long as m. */
int wire_receive(int fd, struct msg **m, int *file, void *at) MUST_CHECK;

#endif
