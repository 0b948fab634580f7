//! A network of one kernel, hidden behind the stack from the network of another.

use std::process::{Child, Stdio};

use crate::forwarding::{TWO, apart, ping};
use crate::lan::{Lan, Namespace};
use crate::stack::Stack;

/// A connected socket is told of an error that quotes its own endpoints, and of no other.
const REFUSED: &str = "
import socket
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(60)
asking.connect(('10.2.0.2', 9))
asking.send(b'a question')
try:
    asking.recv(1)
except ConnectionRefusedError:
    print('refused')
";

/// A server; ended when dropped.
struct Server(Child);

impl Server {
    fn start(place: &Lan, at: &Namespace, line: &str, socket: &str) -> Server {
        // Whoever is asked answers: what netcat sends back is this.
        let answer = place.directory().join("answer");
        std::fs::write(&answer, "the answer\n").unwrap();
        let child = at
            .command(line)
            .stdin(std::fs::File::open(answer).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        place.wait("the server", || at.run("ss -Hlntu").contains(socket));
        Server(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_namespace_behind_the_stack_reaches_the_kernels_servers() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let place = Lan::plain("nat");
    let mut stack = Stack::start(&place, &TWO);
    let shown = stack.run("nat on --out t2 --in 10.1.0.0/24; nat");
    assert!(shown.contains("t1 hidden behind t2"), "{shown}");
    let [inside, outside] = apart();
    // Nobody outside knows a way to the network inside: what arrives was translated.
    outside.run("ip route del default");

    let answered = ping(&inside, "-c 3 -i 0.2 -W 10 10.2.0.2");
    assert!(answered.contains("3 received"), "{answered}");

    let web = place.directory().join("web");
    std::fs::create_dir_all(&web).unwrap();
    std::fs::write(web.join("file"), vec![b'w'; 1_000_000]).unwrap();
    let line =
        format!("/usr/bin/python3 -m http.server 80 --bind 10.2.0.2 --directory {}", web.display());
    let _web = Server::start(&place, &outside, &line, "10.2.0.2:80");
    let got = inside.command("curl -s --max-time 60 http://10.2.0.2/file").output().unwrap();
    assert!(got.status.success() && got.stdout == vec![b'w'; 1_000_000], "{:?}", got.status);

    let udp = Server::start(&place, &outside, "nc -u -l 10.2.0.2 5000", "10.2.0.2:5000");
    std::fs::write(place.directory().join("question"), "a question\n").unwrap();
    let mut asking = inside.command("nc -u -w 2 10.2.0.2 5000");
    asking.stdin(std::fs::File::open(place.directory().join("question")).unwrap());
    let got = asking.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&got.stdout), "the answer\n");
    drop(udp);

    // Nobody is at that port: the error is about the datagram as it was inside, or it would mean
    // nothing to whoever sent it. (`nc -z` sends nothing unless it is told to be verbose.)
    std::fs::write(place.directory().join("refused.py"), REFUSED).unwrap();
    let script = place.directory().join("refused.py");
    let refused = inside.run(&format!("/usr/bin/python3 {}", script.display()));
    assert_eq!(refused, "refused\n");
    // The stack is a hop, and says so to the host inside by its own address there.
    let hop = ping(&inside, "-c 1 -t 1 -W 10 10.2.0.2");
    assert!(hop.contains("From 10.1.0.1") && hop.contains("Time to live exceeded"), "{hop}");

    let shown = stack.run("nat");
    for (kind, peer) in
        [("icmp ", "10.2.0.2 "), ("tcp ", "10.2.0.2:80 "), ("udp ", "10.2.0.2:5000 ")]
    {
        let row = shown.lines().find(|line| line.starts_with(kind) && line.contains(peer));
        let row = row.unwrap_or_else(|| panic!("no {kind}: {shown}"));
        assert!(row.contains(" 10.1.0.2:") && row.contains(" 10.2.0.1:"), "{row}");
    }
    // Nobody outside comes in.
    outside.run("ip route add default via 10.2.0.1");
    assert!(ping(&outside, "-c 1 -W 1 10.1.0.2").contains("0 received"));

    // Except by a port that was given to a server inside.
    stack.run("nat forward add tcp 8080 10.1.0.2:80");
    let line = line.replace("10.2.0.2", "10.1.0.2");
    let _inside = Server::start(&place, &inside, &line, "10.1.0.2:80");
    let got = outside.command("curl -s --max-time 60 http://10.2.0.1:8080/file").output().unwrap();
    assert!(got.status.success() && got.stdout == vec![b'w'; 1_000_000], "{:?}", got.status);

    // The table is bounded, tells who finds no room, and empties itself.
    stack.run("nat off; nat on --out t2 --in t1 --sessions 2 --icmp 1");
    let texts = [(); 4].map(|()| ping(&inside, "-c 1 -W 5 10.2.0.2"));
    let answered = texts.iter().filter(|text| text.contains("1 received")).count();
    let told = texts.iter().filter(|text| text.contains("Packet filtered")).count();
    assert!(answered >= 2 && answered + told == 4, "{texts:?}");
    place.wait("room", || ping(&inside, "-c 1 -W 5 10.2.0.2").contains("1 received"));
    stack.end();
}
