/* Lets posix_spawn say that a program is missing, under qemu's emulation of Linux.
 *
 * glibc's child shares the memory of its parent until it has started the program, and leaves there why it could not
 * (sysdeps/unix/sysv/linux/spawni.c). qemu gives it a copy of the memory instead (linux-user/syscall.c, do_fork), so posix_spawn
 * succeeds whatever happens, and the child exits with 127. So the program is looked up before, as execve and execvp would.
 *
 * The runner preloads this library into programs of the target (QEMU_SET_ENV), and the library takes itself out of LD_PRELOAD
 * again: no program sees it there, and what a program starts is given it anew if, and only if, it is emulated. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((constructor)) static void leave_the_environment(void) {
    Dl_info own;
    const char *list = getenv("LD_PRELOAD");
    if (!list || !dladdr((void *)leave_the_environment, &own)) return;
    size_t length = strlen(own.dli_fname);
    /* The runner puts it first. */
    if (strncmp(list, own.dli_fname, length) != 0) return;
    if (list[length] == 0) unsetenv("LD_PRELOAD");
    if (list[length] == ':') setenv("LD_PRELOAD", list + length + 1, 1);
}

/* The folder that the child's relative paths begin with: "" for this one, NULL where that is not known. This is glibc's own form of
 * an action (posix/spawn_int.h), the same since it got the last two in 2.29. */
static const char *folder_of(const posix_spawn_file_actions_t *actions) {
    struct action {
        enum { CLOSE, DUP2, OPEN, CHDIR, FCHDIR } tag;
        union {
            struct { char *path; } chdir;
            struct { int fd; char *path; int flags; mode_t mode; } open;
        } of;
    };
    const struct action *all = actions ? (const void *)actions->__actions : NULL;
    const char *folder = "";
    for (int index = 0; all && index < actions->__used; index++) {
        if (all[index].tag == CHDIR) folder = *all[index].of.chdir.path == '/' ? all[index].of.chdir.path : NULL;
        if (all[index].tag == FCHDIR) folder = NULL;
    }
    return folder;
}

/* Why a file cannot be executed in this folder, or 0. */
static int refusal(const char *folder, const char *name) {
    char path[2 * PATH_MAX];
    struct stat file;
    if (*name == '/') folder = "";
    if (!folder || (size_t)snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name) >= sizeof path) return 0;
    if (access(path, X_OK) != 0) return errno;
    return stat(path, &file) == 0 && !S_ISREG(file.st_mode) ? EACCES : 0;
}

/* As __execvpex in glibc's posix/execvpe.c goes through PATH. */
static int refusal_in_path(const char *folder, const char *name) {
    const char *next = getenv("PATH");
    int denied = 0;
    if (strchr(name, '/')) return refusal(folder, name);
    if (*name == 0) return ENOENT;
    if (strlen(name) > NAME_MAX) return ENAMETOOLONG;
    if (!next) next = "/bin:/usr/bin";
    while (next) {
        char file[PATH_MAX + NAME_MAX + 2];
        const char *end = strchrnul(next, ':');
        int length = end - next;
        if (length < PATH_MAX) {
            snprintf(file, sizeof file, "%.*s%s%s", length, next, length ? "/" : "", name);
            int why = refusal(folder, file);
            if (why == 0) return 0;
            if (why == EACCES) denied = 1;
        }
        next = *end ? end + 1 : NULL;
    }
    return denied ? EACCES : ENOENT;
}

#define SPAWN(name, refusal)                                                                                               \
    int name(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes, \
             char *const argv[], char *const env[]) {                                                                      \
        static int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,           \
                           char *const[], char *const[]);                                                                  \
        int saved = errno, error = refusal(folder_of(actions), file);                                                      \
        errno = saved;                                                                                                     \
        if (error) return error;                                                                                           \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #name);                                                              \
        return next(pid, file, actions, attributes, argv, env);                                                            \
    }

SPAWN(posix_spawn, refusal)
SPAWN(posix_spawnp, refusal_in_path)
