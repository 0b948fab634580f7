/* lwIP, as Debian builds it (liblwip-dev), as a stack to be measured: `lwip TAP ADDRESS` serves
 * echo at TCP and UDP port 7, discard at TCP port 9 and chargen at TCP port 19 until it is ended.
 *
 * One thread does everything by the callbacks of the raw API, which is how lwIP is fastest: so
 * tcpip_init is not called, and no thread of lwIP's own exists. */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>
#include <lwip/etharp.h>

enum { ECHO = 7, DISCARD = 9, CHARGEN = 19 };

/* The largest frame of a link with an MTU of 1500. */
enum { MTU = 1500, FRAME = MTU + 14 };

static int tap;
static char pattern[16 * 1024];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int open_tap(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (fd < 0) fail("/dev/net/tun");
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, TUNSETIFF, &request) < 0) fail(name);
    return fd;
}

/* ---- the link ---------------------------------------------------------------------------- */

/* Debian's lwIP makes one buffer of every packet that it sends (LWIP_NETIF_TX_SINGLE_PBUF). */
static err_t transmit(struct netif *netif, struct pbuf *packet) {
    (void)netif;
    char whole[FRAME];
    const void *frame = packet->payload;
    if (packet->next) {
        pbuf_copy_partial(packet, whole, sizeof whole, 0);
        frame = whole;
    }
    return write(tap, frame, packet->tot_len) == packet->tot_len ? ERR_OK : ERR_BUF;
}

static err_t begin(struct netif *netif) {
    netif->name[0] = 't';
    netif->name[1] = 'p';
    netif->mtu = MTU;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, "\x02\0\0\0\0\x01", 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    return ERR_OK;
}

/* Takes all frames that wait. */
static void receive(struct netif *netif) {
    for (;;) {
        struct pbuf *packet = pbuf_alloc(PBUF_RAW, FRAME, PBUF_RAM);
        if (!packet) return;
        ssize_t len = read(tap, packet->payload, FRAME);
        if (len <= 0) {
            pbuf_free(packet);
            if (len < 0 && errno != EAGAIN) fail("read");
            return;
        }
        pbuf_realloc(packet, (u16_t)len);
        if (netif->input(packet, netif) != ERR_OK) pbuf_free(packet);
    }
}

/* ---- the services ------------------------------------------------------------------------ */

/* Sends what an echo could not send yet: the argument of a connection is the queue of it. */
struct echo {
    struct pbuf *owed;
    int over;
};

static err_t hang_up(struct tcp_pcb *pcb) {
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    return tcp_close(pcb);
}

static err_t echo_more(struct echo *echo, struct tcp_pcb *pcb) {
    while (echo->owed) {
        struct pbuf *first = echo->owed;
        if (tcp_write(pcb, first->payload, first->len, TCP_WRITE_FLAG_COPY) != ERR_OK) break;
        tcp_recved(pcb, first->len);
        echo->owed = pbuf_dechain(first);
        pbuf_free(first);
    }
    tcp_output(pcb);
    if (echo->over && !echo->owed) {
        free(echo);
        return hang_up(pcb);
    }
    return ERR_OK;
}

static err_t echo_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    (void)len;
    return echo_more(arg, pcb);
}

static err_t echo_received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
    struct echo *echo = arg;
    (void)error;
    if (!data) echo->over = 1;
    else if (echo->owed) pbuf_cat(echo->owed, data);
    else echo->owed = data;
    return echo_more(echo, pcb);
}

static void echo_lost(void *arg, err_t error) {
    struct echo *echo = arg;
    (void)error;
    if (echo->owed) pbuf_free(echo->owed);
    free(echo);
}

static err_t echo_accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    (void)arg, (void)error;
    struct echo *echo = calloc(1, sizeof *echo);
    if (!pcb || !echo) return ERR_MEM;
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, echo);
    tcp_recv(pcb, echo_received);
    tcp_sent(pcb, echo_sent);
    tcp_err(pcb, echo_lost);
    return ERR_OK;
}

static err_t thrown_away(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t error) {
    (void)arg, (void)error;
    if (!data) return hang_up(pcb);
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    return ERR_OK;
}

static err_t discard_accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    (void)arg, (void)error;
    if (!pcb) return ERR_MEM;
    tcp_recv(pcb, thrown_away);
    return ERR_OK;
}

/* The pattern never changes, so it need not be copied. */
static err_t generate(void *arg, struct tcp_pcb *pcb, u16_t len) {
    (void)arg, (void)len;
    for (;;) {
        u16_t room = LWIP_MIN(tcp_sndbuf(pcb), sizeof pattern);
        if (room == 0 || tcp_write(pcb, pattern, room, 0) != ERR_OK) break;
    }
    return tcp_output(pcb);
}

static err_t chargen_accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    (void)error;
    if (!pcb) return ERR_MEM;
    tcp_recv(pcb, thrown_away);
    tcp_sent(pcb, generate);
    return generate(arg, pcb, 0);
}

static void serve(u16_t port, tcp_accept_fn accepted) {
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) fail("bind");
    pcb = tcp_listen_with_backlog(pcb, 255);
    if (!pcb) fail("listen");
    tcp_accept(pcb, accepted);
}

static void datagram(void *arg, struct udp_pcb *pcb, struct pbuf *data, const ip_addr_t *from,
                     u16_t port) {
    (void)arg;
    udp_sendto(pcb, data, from, port);
    pbuf_free(data);
}

int main(int argc, char **argv) {
    struct netif netif;
    ip4_addr_t address, mask;
    if (argc != 3 || !ip4addr_aton(argv[2], &address)) {
        fprintf(stderr, "usage: lwip TAP ADDRESS\n");
        return 2;
    }
    memset(pattern, '.', sizeof pattern);
    tap = open_tap(argv[1]);
    lwip_init();
    IP4_ADDR(&mask, 255, 255, 255, 0);
    netif_add(&netif, &address, &mask, IP4_ADDR_ANY4, NULL, begin, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);

    serve(DISCARD, discard_accepted);
    serve(CHARGEN, chargen_accepted);
    serve(ECHO, echo_accepted);
    struct udp_pcb *udp = udp_new();
    if (!udp || udp_bind(udp, IP_ADDR_ANY, ECHO) != ERR_OK) fail("bind");
    udp_recv(udp, datagram, NULL);

    for (;;) {
        struct pollfd wait = {.fd = tap, .events = POLLIN};
        u32_t sleep = sys_timeouts_sleeptime();
        poll(&wait, 1, sleep > 1000 ? 1000 : (int)sleep);
        receive(&netif);
        sys_check_timeouts();
    }
}
