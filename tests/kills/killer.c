/* Kills its process at the N-th change to what lies below one folder.
 *
 * Loaded through LD_PRELOAD it stands before the C library's calls that change files. Unarmed it
 * only passes them on. Once killer_arm was called it writes each change below the folder into a
 * trace, one line "kind bytes path" each, and dies by SIGKILL just before the N-th: what follows
 * is what any process that is killed there leaves behind. If the N-th is a write, it can also die
 * once half of the bytes are written, or all of them. Calls that pass the C library by (Rust's
 * tempfile renames with a system call of its own) are not seen: the state that they find is the one
 * after the write before them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static long deadline, seen;
static int halves_to_write, trace = -1;

#define REAL(name) ((__typeof__(&name))next(#name))

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

/* Count from here; die at the n-th change, once it has written so many halves; never for n = 0. */
void killer_arm(const char *folder, long n, int halves, const char *trace_file) {
    seen = 0;
    deadline = n;
    halves_to_write = halves;
    trace = REAL(open)(trace_file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    snprintf(root, sizeof root, "%s", folder);
}

static void resolve(char *out, size_t size, int dir, const char *path) {
    char link[64], base[PATH_MAX];
    ssize_t length = 0;
    if (path && path[0] == '/') {
        snprintf(out, size, "%s", path);
        return;
    }
    if (dir == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    length = readlink(link, base, sizeof base - 1);
    base[length < 0 ? 0 : length] = 0;
    snprintf(out, size, path ? "%s/%s" : "%s", base, path);
}

static int below(const char *path) {
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Note a change; true where it is the one to die in after a part of it was done. */
static int change(const char *kind, int dir, const char *path, size_t bytes) {
    char full[PATH_MAX], line[PATH_MAX + 64];
    int partly = 0;
    if (!root[0]) return 0;
    resolve(full, sizeof full, dir, path);
    if (!below(full)) return 0;
    pthread_mutex_lock(&mutex);
    int length = snprintf(line, sizeof line, "%s %zu %s\n", kind, bytes, full);
    if (REAL(write)(trace, line, length) != length) die();
    if (++seen == deadline) {
        partly = halves_to_write && bytes > 1;
        if (!partly) die();
    }
    /* Where it dies half-way the lock is kept: no other thread changes anything meanwhile. */
    if (!partly) pthread_mutex_unlock(&mutex);
    return partly;
}

static size_t part_of(size_t size) { return size * halves_to_write / 2; }

ssize_t write(int fd, const void *data, size_t size) {
    if (change("write", fd, NULL, size)) {
        REAL(write)(fd, data, part_of(size));
        die();
    }
    return REAL(write)(fd, data, size);
}

#define PWRITE(name, offset_type)                                                \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) {    \
        if (change(#name, fd, NULL, size)) {                                     \
            REAL(name)(fd, data, part_of(size), offset);                              \
            die();                                                               \
        }                                                                        \
        return REAL(name)(fd, data, size, offset);                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

/* The first of the parts' bytes; for a call with an offset, from there. */
static void write_part(int fd, const struct iovec *parts, int count, off64_t offset, int at) {
    size_t left = part_of(total(parts, count));
    for (int i = 0; i < count && left > 0; i++) {
        size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
        if (at)
            REAL(pwrite64)(fd, parts[i].iov_base, size, offset);
        else
            REAL(write)(fd, parts[i].iov_base, size);
        offset += size;
        left -= size;
    }
    die();
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (change("writev", fd, NULL, total(parts, count))) write_part(fd, parts, count, 0, 0);
    return REAL(writev)(fd, parts, count);
}

#define PWRITEV(name, offset_type)                                                        \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type offset) {      \
        if (change(#name, fd, NULL, total(parts, count)))                                 \
            write_part(fd, parts, count, offset, 1);                                      \
        return REAL(name)(fd, parts, count, offset);                                      \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

/* Opening changes something where it may create or empty the file. */
#define MODE(flags)                                          \
    mode_t mode = 0;                                         \
    if (flags & (O_CREAT | O_TMPFILE)) {                     \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        mode = va_arg(rest, mode_t);                         \
        va_end(rest);                                        \
    }
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        MODE(flags)                                                         \
        if (CHANGES(flags)) change("open", AT_FDCWD, path, 0);              \
        return REAL(name)(path, flags, mode);                               \
    }
#define OPENAT(name)                                                        \
    int name(int dir, const char *path, int flags, ...) {                   \
        MODE(flags)                                                         \
        if (CHANGES(flags)) change("open", dir, path, 0);                   \
        return REAL(name)(dir, path, flags, mode);                          \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name)                                     \
    int name(const char *path, mode_t mode) {           \
        change("open", AT_FDCWD, path, 0);              \
        return REAL(name)(path, mode);                  \
    }
CREAT(creat)
CREAT(creat64)

/* stdio opens and writes inside the C library, out of sight: it shall not go unnoticed. */
#define FOPEN(name)                                                                      \
    FILE *name(const char *path, const char *mode) {                                     \
        if (strpbrk(mode, "wa+")) change("fopen", AT_FDCWD, path, 0);                    \
        return REAL(name)(path, mode);                                                   \
    }
FOPEN(fopen)
FOPEN(fopen64)

int rename(const char *from, const char *to) {
    change("rename", AT_FDCWD, to, 0);
    return REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    change("rename", to_dir, to, 0);
    return REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    change("rename", to_dir, to, 0);
    return REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to) {
    change("link", AT_FDCWD, to, 0);
    return REAL(link)(from, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    change("link", to_dir, to, 0);
    return REAL(linkat)(from_dir, from, to_dir, to, flags);
}

int symlink(const char *target, const char *path) {
    change("symlink", AT_FDCWD, path, 0);
    return REAL(symlink)(target, path);
}

int symlinkat(const char *target, int dir, const char *path) {
    change("symlink", dir, path, 0);
    return REAL(symlinkat)(target, dir, path);
}

#define ON_PATH(name, kind)                     \
    int name(const char *path) {                \
        change(kind, AT_FDCWD, path, 0);        \
        return REAL(name)(path);                \
    }
ON_PATH(unlink, "unlink")
ON_PATH(remove, "unlink")
ON_PATH(rmdir, "rmdir")

int unlinkat(int dir, const char *path, int flags) {
    change(flags & AT_REMOVEDIR ? "rmdir" : "unlink", dir, path, 0);
    return REAL(unlinkat)(dir, path, flags);
}

int mkdir(const char *path, mode_t mode) {
    change("mkdir", AT_FDCWD, path, 0);
    return REAL(mkdir)(path, mode);
}

int mkdirat(int dir, const char *path, mode_t mode) {
    change("mkdir", dir, path, 0);
    return REAL(mkdirat)(dir, path, mode);
}

int chmod(const char *path, mode_t mode) {
    change("chmod", AT_FDCWD, path, 0);
    return REAL(chmod)(path, mode);
}

int fchmod(int fd, mode_t mode) {
    change("chmod", fd, NULL, 0);
    return REAL(fchmod)(fd, mode);
}

int fchmodat(int dir, const char *path, mode_t mode, int flags) {
    change("chmod", dir, path, 0);
    return REAL(fchmodat)(dir, path, mode, flags);
}

#define ON_FILE(name, kind)                     \
    int name(int fd) {                          \
        change(kind, fd, NULL, 0);              \
        return REAL(name)(fd);                  \
    }
ON_FILE(fsync, "fsync")
ON_FILE(fdatasync, "fsync")

#define TRUNCATE(name, kind, what, dir, path, size_type)        \
    int name(what, size_type size) {                            \
        change(kind, dir, path, 0);                             \
        return REAL(name)(file, size);                          \
    }
TRUNCATE(ftruncate, "truncate", int file, file, NULL, off_t)
TRUNCATE(ftruncate64, "truncate", int file, file, NULL, off64_t)
TRUNCATE(truncate, "truncate", const char *file, AT_FDCWD, file, off_t)
TRUNCATE(truncate64, "truncate", const char *file, AT_FDCWD, file, off64_t)

#define COPY(name, parameters, arguments)               \
    ssize_t name parameters {                           \
        change("copy", out, NULL, 0);                   \
        return REAL(name) arguments;                    \
    }
COPY(copy_file_range, (int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags),
     (in, from, out, to, size, flags))
ssize_t sendfile(int out, int in, off_t *from, size_t size);
ssize_t sendfile64(int out, int in, off64_t *from, size_t size);
COPY(sendfile, (int out, int in, off_t *from, size_t size), (out, in, from, size))
COPY(sendfile64, (int out, int in, off64_t *from, size_t size), (out, in, from, size))
