/* Name servers that never answer: stands between the program and its system, loaded by LD_PRELOAD. */

#include <netdb.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result) {
    (void)node, (void)service, (void)hints, (void)result;
    for (;;)
        pause();
}
