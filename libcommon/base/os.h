/*
 * os - what only the operating system knows; os_linux.c is the one answer
 */
#ifndef BASE_OS_H
#define BASE_OS_H

#include <stddef.h>
#include <stdint.h>

/* Processors that this process may use: the affinity mask, cut to the
 * cgroup's quota. At least 1. */
size_t os_cpus(void);

/* Bytes that can be had without swapping: of MemAvailable, cut to what the
 * cgroup has left, seven eighths; the system needs some for what it does for
 * us. 0 when the system does not say. */
uint64_t os_memory_free(void);

/* This process's anonymous and shared resident memory now, that of files that
 * it has mapped (its own code and libraries among them), and the most it has
 * been (all resident memory, where only that is known). Bytes. */
uint64_t os_memory_used(void);
uint64_t os_memory_mapped(void);
uint64_t os_memory_peak(void);

/* Gives the system back what the program has freed. */
void os_memory_trim(void);

/* Zeroed pages, or NULL. Sizes of 4 MiB and more ask for huge pages. */
void *os_pages(size_t bytes);
void os_pages_free(void *pages, size_t bytes);

/* Asks for huge pages where these bytes, which were just allocated, take up
 * whole ones: touching them then costs a fraction. Changes nothing else. */
void os_pages_huge(void *at, size_t bytes);

/* Seconds on a clock that only goes forward. */
double os_seconds(void);

/* Seconds that processors have spent on this process, all threads added. */
double os_cpu_seconds(void);

/* After a read (or write) that failed with errno: 1 if it is to be tried again,
 * because a signal came, or because somebody made the pipe that we were handed
 * non-blocking; then this waits until it is ready. */
int os_retry(int fd, int writing);

/* Makes a pipe hold 1 MiB where that is allowed. */
void os_pipe_widen(int fd);

#endif
