/* A disk that loses power: keeps a copy of each file of runs as it was when it was last synced.
 *
 * Loaded before libc. Names are synced with their directory, as on a real disk: a rename reaches
 * the copies when the directory is synced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_RENAMES = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char renamed[MOST_RENAMES][2][PATH_MAX];
static int renames;

/* Returns where the copy of a file is, or 0 if it has none. */
static int place(const char *path, char *copy, const char *ending) {
  const char *folder = getenv("BATCHCTL_TEST_SYNCED");
  const char *name = strrchr(path, '/');
  if (!folder || !name || !strstr(path, "/runs/")) return 0;
  return snprintf(copy, PATH_MAX, "%s%s%s", folder, name, ending) < PATH_MAX;
}

static void keep(const char *path) {
  char copy[PATH_MAX], half[PATH_MAX], buffer[1 << 16];
  if (!place(path, copy, "") || !place(path, half, ".half")) return;
  int from = open(path, O_RDONLY | O_CLOEXEC);
  int to = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t read_bytes = 0;
  while (from >= 0 && to >= 0 && (read_bytes = read(from, buffer, sizeof buffer)) > 0)
    if (write(to, buffer, read_bytes) != read_bytes) abort();
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  int (*move)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  if (from >= 0 && to >= 0) move(half, copy);
}

static void synced(int file) {
  char link[64], path[PATH_MAX];
  struct stat found;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0 || fstat(file, &found) != 0) return;
  path[length] = 0;
  pthread_mutex_lock(&lock);
  if (S_ISREG(found.st_mode)) keep(path);
  if (S_ISDIR(found.st_mode)) {
    int (*move)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    for (int number = 0; number < renames; number++)
      move(renamed[number][0], renamed[number][1]);
    renames = 0;
  }
  pthread_mutex_unlock(&lock);
}

int fsync(int file) {
  int (*sync)(int) = dlsym(RTLD_NEXT, "fsync");
  int result = sync(file);
  if (result == 0) synced(file);
  return result;
}

int fdatasync(int file) {
  int (*sync)(int) = dlsym(RTLD_NEXT, "fdatasync");
  int result = sync(file);
  if (result == 0) synced(file);
  return result;
}

int rename(const char *from, const char *to) {
  int (*move)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
  int result = move(from, to);
  pthread_mutex_lock(&lock);
  if (result == 0 && renames < MOST_RENAMES && place(from, renamed[renames][0], "") &&
      place(to, renamed[renames][1], ""))
    renames++;
  pthread_mutex_unlock(&lock);
  return result;
}
