// gVisor's netstack, as Debian packages it (golang-gvisor-gvisor-dev), as a stack to be measured:
// `gvisor TAP ADDRESS` serves echo at TCP and UDP port 7, discard at TCP port 9 and chargen at TCP
// port 19 until it is ended. On a TAP it has no offload.
package main

import (
	"log"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	mtu    = 1500
	nic    = 1
	mebi   = 1 << 20
	portion = 256 << 10
)

func must(what string, err interface{ String() string }) {
	if err != nil {
		log.Fatalf("%s: %s", what, err)
	}
}

func openTAP(name string) int {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR, 0)
	if err != nil {
		log.Fatal("/dev/net/tun: ", err)
	}
	// struct ifreq of linux/if.h: a name, and here flags.
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.flags = unix.IFF_TAP | unix.IFF_NO_PI
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		log.Fatal(name, ": ", errno)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		log.Fatal(err)
	}
	return fd
}

func newStack(fd int, address tcpip.Address) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	link, err := fdbased.New(&fdbased.Options{
		FDs:            []int{fd},
		MTU:            mtu,
		EthernetHeader: true,
		Address:        tcpip.LinkAddress("\x02\x00\x00\x00\x00\x01"),
	})
	if err != nil {
		log.Fatal(err)
	}
	must("interface", s.CreateNIC(nic, link))
	must("address", s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: address, PrefixLen: 24},
	}, stack.AddressProperties{}))
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})

	// What gVisor itself sets for its sandboxes: SACK, and buffers that grow.
	sack := tcpip.TCPSACKEnabled(true)
	must("SACK", s.SetTransportProtocolOption(tcp.ProtocolNumber, &sack))
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	must("buffers", s.SetTransportProtocolOption(tcp.ProtocolNumber, &moderate))
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: mebi, Max: 8 * mebi}
	must("buffers", s.SetTransportProtocolOption(tcp.ProtocolNumber, &receive))
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: mebi, Max: 6 * mebi}
	must("buffers", s.SetTransportProtocolOption(tcp.ProtocolNumber, &send))
	return s
}

func serve(s *stack.Stack, address tcpip.FullAddress, handle func(net.Conn)) {
	listener, err := gonet.ListenTCP(s, address, ipv4.ProtocolNumber)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go func() {
				handle(conn)
				conn.Close()
			}()
		}
	}()
}

func echo(conn net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func discard(conn net.Conn) {
	buffer := make([]byte, portion)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

func chargen(conn net.Conn) {
	buffer := make([]byte, portion)
	for {
		if _, err := conn.Write(buffer); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 3 || net.ParseIP(os.Args[2]).To4() == nil {
		log.Fatal("usage: gvisor TAP ADDRESS")
	}
	address := tcpip.Address(net.ParseIP(os.Args[2]).To4())
	s := newStack(openTAP(os.Args[1]), address)
	at := func(port uint16) tcpip.FullAddress {
		return tcpip.FullAddress{NIC: nic, Addr: address, Port: port}
	}
	serve(s, at(9), discard)
	serve(s, at(19), chargen)
	serve(s, at(7), echo)
	local := at(7)
	datagrams, err := gonet.DialUDP(s, &local, nil, ipv4.ProtocolNumber)
	if err != nil {
		log.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := datagrams.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := datagrams.WriteTo(buffer[:n], from); err != nil {
			log.Print(err)
		}
	}
}
