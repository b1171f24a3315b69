// Preloaded into a process: records, in order, the files that it writes, syncs and renames, the directories that it
// creates, and its output to stdout and its HTTP responses (see tracing.py).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int trace_fd = -1;
static ssize_t (*real_write)(int, const void *, size_t);

static void line(const char *what, const char *a, const char *b, long size, long time) {
    char text[9000];
    int n = snprintf(text, sizeof text, "%s\t%s\t%s\t%ld\t%ld\n", what, a, b, size, time);
    real_write(trace_fd, text, n);
}

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    const char *path = getenv("COPYSIGHT_TEST_TRACE");
    if (path) trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const char *what, int fd) {
    char link[64], path[4096];
    struct stat s;
    if (trace_fd < 0 || fd == trace_fd) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/' || fstat(fd, &s)) return;
    path[n] = 0;
    line(what, path, "", s.st_size, s.st_mtim.tv_sec * 1000000000L + s.st_mtim.tv_nsec);
}

static void said(const void *data, size_t size) {
    char text[200];
    size_t n = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, n);
    text[n] = 0;
    text[strcspn(text, "\r\n\t")] = 0;
    if (trace_fd >= 0) line("said", text, "", 0, 0);
}

static int answers(const void *data, size_t size) { return size > 9 && !memcmp(data, "HTTP/1.1 ", 9); }

ssize_t write(int fd, const void *data, size_t size) {
    if ((fd == 1 && size) || answers(data, size)) said(data, size);
    ssize_t done = real_write(fd, data, size);
    if (fd > 2) note("write", fd);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t (*real)(int, const struct iovec *, int) = dlsym(RTLD_NEXT, "writev");
    if (count && answers(parts[0].iov_base, parts[0].iov_len)) said(parts[0].iov_base, parts[0].iov_len);
    ssize_t done = real(fd, parts, count);
    if (fd > 2) note("write", fd);
    return done;
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    ssize_t (*real)(int, const void *, size_t, int) = dlsym(RTLD_NEXT, "send");
    if (answers(data, size)) said(data, size);
    return real(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    if (message->msg_iovlen && answers(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len))
        said(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
    return real(fd, message, flags);
}

#define PASS(name, arguments, values)                                 \
    ssize_t name arguments {                                          \
        ssize_t (*real) arguments = dlsym(RTLD_NEXT, #name);          \
        ssize_t done = real values;                                   \
        note("write", fd);                                            \
        return done;                                                  \
    }
PASS(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
PASS(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))

#define SYNC(name)                                                    \
    int name(int fd) {                                                \
        int (*real)(int) = dlsym(RTLD_NEXT, #name);                   \
        int done = real(fd);                                          \
        note(strcmp(#name, "syncfs") ? "sync" : "syncfs", fd);        \
        return done;                                                  \
    }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    if (trace_fd >= 0) line("rename", from, to, 0, 0);
    return real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");
    int done = real(path, mode);
    if (trace_fd >= 0 && !done) line("mkdir", path, "", 0, 0);
    return done;
}
