//! Two TAPs in two namespaces: the kernel of one reaches the other's through the stack.

use crate::lan::{Lan, Namespace};
use crate::stack::Stack;

pub(crate) const TWO: [&str; 4] = [
    "--interface",
    "link=tap:t1,addr=10.1.0.1/24,probe=never",
    "--interface",
    "link=tap:t2,addr=10.2.0.1/24,mtu=1400,probe=never",
];

/// Takes the kernel's ends of the two TAPs apart, each with the stack as its way to the other.
pub(crate) fn apart() -> [Namespace; 2] {
    [("t1", 1), ("t2", 2)].map(|(name, number)| {
        let end = Namespace::new();
        end.take(name, &format!("10.{number}.0.2/24"));
        end.run(&format!("ip route add default via 10.{number}.0.1"));
        end
    })
}

/// What `ping ARGS` prints in the first namespace, whether it is answered or not.
pub(crate) fn ping(from: &Namespace, args: &str) -> String {
    let output = from.command(&format!("ping -n {args}")).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_stack_between_two_kernels_forwards_and_counts_hops() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let place = Lan::plain("forwarding");
    let mut stack = Stack::start(&place, &TWO);
    let shown = stack.run("ifconfig; route");
    for part in ["t1        HWaddr 00:34:45:67:89:ab", "t2        HWaddr 00:34:45:67:89:ac"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("mtu 1400"), "{shown}");
    let [one, two] = apart();

    let answered = ping(&one, "-c 3 -i 0.2 -W 10 10.2.0.2");
    assert!(answered.contains("3 received") && answered.contains("ttl=63"), "{answered}");
    let back = ping(&two, "-c 1 -W 10 10.1.0.2");
    assert!(back.contains("ttl=63"), "{back}");
    // What traceroute does: the first hop is the stack, the second the other kernel.
    let first = ping(&one, "-c 1 -t 1 -W 10 10.2.0.2");
    assert!(first.contains("From 10.1.0.1") && first.contains("Time to live exceeded"), "{first}");
    assert!(ping(&one, "-c 1 -t 2 -W 10 10.2.0.2").contains("1 received"));
    // RFC 1191: the smaller link behind the stack is told of, and found at once.
    let told = ping(&one, "-c 1 -M do -s 1450 -W 10 10.2.0.2");
    assert!(told.contains("mtu = 1400") || told.contains("mtu=1400"), "{told}");

    // A file from one kernel to the other.
    std::fs::write(place.directory().join("file"), vec![7; 2_000_000]).unwrap();
    let mut server = two.command("nc -N -l 10.2.0.2 99");
    let file = std::fs::File::open(place.directory().join("file")).unwrap();
    let mut server = server.stdin(file).spawn().unwrap();
    place.wait("the listener", || two.run("ss -Hltn").contains(":99"));
    let got = one.command("nc 10.2.0.2 99").output().unwrap();
    assert!(got.stdout == vec![7; 2_000_000], "{} bytes", got.stdout.len());
    assert!(server.wait().unwrap().success());

    let counters = stack.run("ifconfig");
    assert!(!counters.contains("DOWN"), "{counters}");
    stack.end();
}

#[test]
fn interfaces_come_from_the_file_and_a_host_does_not_forward() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let place = Lan::plain("interfaces");
    let file = "forward = false\n\
                [[interface]]\nlink = 'tap:t1'\naddr = '10.1.0.1/24'\nprobe = 'never'\n\
                [[interface]]\nlink = 'tun:t2'\naddr = '10.2.0.1/24'\nhost-addr = '10.2.0.2/24'\n";
    std::fs::write(place.directory().join("tapip.toml"), file).unwrap();
    let mut stack = Stack::start(&place, &[]);
    let shown = stack.run("ifconfig; ping -c 1 10.1.0.2; ping -c 1 10.2.0.2");
    assert!(shown.contains("t2        IPaddr 10.2.0.1"), "{shown}");
    assert_eq!(shown.matches("1 received").count(), 2, "{shown}");
    let [one, _two] = apart();
    assert!(ping(&one, "-c 1 -W 10 10.1.0.1").contains("1 received"), "the stack itself answers");
    assert!(ping(&one, "-c 2 -i 0.2 -W 1 10.2.0.2").contains("0 received"));
    stack.end();
}
