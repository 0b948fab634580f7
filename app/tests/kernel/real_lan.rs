//! The stack on a LAN with a DHCP server, by way of a bridge, and what the cable of it carries.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::bridge::{Pings, signal};
use crate::lan::{BEYOND, Lan};
use crate::stack::Stack;

/// A program that says on standard error when it is ready; ended when dropped.
struct Ready(Child);

impl Ready {
    fn start(command: &mut Command, word: &str) -> Ready {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).unwrap();
            if line.contains(word) {
                break;
            }
            said += &line;
        }
        // Nobody reads on, and it must not wait for that.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ready(child)
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tshark(file: &str, filter: &str) -> String {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", file, "-Y", filter]);
    for protocol in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    let output = command.output().expect("tshark runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_address_by_dhcp_and_nothing_on_the_cable_that_a_nic_would_not_send() {
    if !netdev::in_namespace_with_tap!() {
        return;
    }
    let lan = Lan::plain("dhcp");
    // A NIC puts finished frames on its cable. A veth would pass on what is not.
    lan.host("ethtool -K eth0 tx off");
    lan.there("ethtool -K lan0 tx off");
    let directory = lan.directory().display().to_string();
    let bytes: Vec<u8> = (0..750_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    std::fs::write(lan.directory().join("sent"), &bytes).unwrap();
    let _server = Ready::start(
        &mut lan.on_lan(&format!(
            "dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --interface=lan0 \
             --bind-interfaces --no-ping --dhcp-authoritative --pid-file --port=0 \
             --dhcp-range=10.9.0.50,10.9.0.59,255.255.255.0,2m --dhcp-leasefile={directory}/leases"
        )),
        "started, version",
    );
    let file = format!("{directory}/cable.pcapng");
    let mut capture =
        Ready::start(Command::new("dumpcap").args(["-q", "-i", "eth0", "-w", &file]), "File:");
    let pings = Pings::start(BEYOND);

    let mut stack = Stack::start(&lan, &["run", "--link", "bridge:eth0"]);
    let said = stack.run("ifconfig; route; ping -c 2 -s 60000 10.9.0.1; ping -c 1 192.0.2.9");
    let at = said.find("IPaddr 10.9.0.5").unwrap_or_else(|| panic!("{said}"));
    let addr = said[at..].split_whitespace().nth(1).unwrap().to_string();
    assert!(said.contains("DHCP bound server 10.9.0.1"), "{said}");
    assert!(said.contains("0.0.0.0         10.9.0.1"), "{said}");
    assert!(said.contains("2 packets transmitted, 2 received, 0% packet loss"), "{said}");
    assert!(said.contains("1 packets transmitted, 1 received"), "{said}");

    stack.run("serve http 80 .; serve echo 7");
    let curl = lan.on_lan(&format!("curl -sS -m 100 http://{addr}/sent")).output().unwrap();
    assert!(curl.status.success(), "{}", String::from_utf8_lossy(&curl.stderr));
    assert!(curl.stdout == bytes, "{} bytes came", curl.stdout.len());
    let sent = std::fs::File::open(lan.directory().join("sent")).unwrap();
    let echo = lan.on_lan(&format!("nc -N {addr} 7")).stdin(sent).output().unwrap();
    assert!(echo.stdout == bytes, "{} bytes came back", echo.stdout.len());
    stack.end();

    let (lost, all) = pings.end();
    eprintln!("{lost} of {all} pings lost, one each hundredth of a second");
    assert!(lost <= 100, "{lost} hundredths of a second without the network");
    signal("INT", capture.0.id());
    capture.0.wait().unwrap();
    let of_stack = tshark(&file, &format!("tcp && ip.addr == {addr}")).lines().count();
    assert!(of_stack > 2000, "{of_stack} segments of the transfers");
    let status = |protocol| format!("{protocol}.checksum.status == 0");
    let bad = ["ip", "tcp", "udp", "icmp"].map(status).join(" || ");
    assert_eq!(tshark(&file, &bad), "", "bad checksums");
    assert_eq!(tshark(&file, "frame.len > 1514"), "", "longer than the MTU");
}
