//! Names.

use std::fmt::Write as _;
use std::fs;

use tests::{Instance, scratch};

use crate::server::{self, Server};

/// What a line prints, without the end of the line before.
fn ask(stack: &mut Instance, line: &str) -> String {
    stack.run(line).trim_start().to_string()
}

#[test]
fn names_are_looked_up_over_the_stack() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("dns") {
        return;
    }
    let dir = scratch("dns");
    let mut hosts = "10.0.0.2 nas.lan\nfd00::2 nas.lan\n".to_string();
    for n in 1..=120 {
        writeln!(hosts, "10.1.0.{n} many.lan").unwrap();
    }
    fs::write(dir.join("hosts"), hosts).unwrap();
    let hosts = format!("--addn-hosts={}", dir.join("hosts").display());
    let args = [
        "--local=/lan/",
        "--local-ttl=60",
        "--cname=www.lan,files.lan",
        "--cname=files.lan,nas.lan",
    ];
    let mut server = Server::start(&dir, &[&args[..], &[&hosts]].concat());
    let args = ["--link", "tap:tap0", "--dns", "10.0.0.2", "--search", "lan"];
    let Some(mut stack) = Instance::start("dns", &args) else { return };

    assert_eq!(
        ask(&mut stack, "host nas.lan"),
        "nas.lan has address 10.0.0.2\nnas.lan has IPv6 address fd00::2\n"
    );
    server.wait_for("query[A] nas.lan from 10.0.0.1");
    // A second time nobody is asked.
    assert_eq!(ask(&mut stack, "host -t A nas.lan"), "nas.lan has address 10.0.0.2\n");
    assert_eq!(server.count("query[A] nas.lan"), 1);
    assert_eq!(
        ask(&mut stack, "host -t a www"),
        "www.lan is an alias for files.lan\nfiles.lan is an alias for nas.lan\n\
         nas.lan has address 10.0.0.2\n"
    );
    assert_eq!(ask(&mut stack, "host 10.0.0.2"), "10.0.0.2 is nas.lan\n");

    // 120 addresses are more than 1232 bytes: RFC 7766 §5.
    let many = stack.run("host -t A many.lan; stat");
    assert_eq!(many.matches("many.lan has address 10.1.0.").count(), 120, "{many}");
    assert!(many.contains("1  questions sent over TCP"), "{many}");

    // NXDOMAIN, and a server that refuses: there is nobody behind this one.
    let mut complaint = |line: &str, text: &str| {
        stack.run(line);
        // It comes by another pipe than what marks the end of a line.
        let there = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            stack.log().contains(text)
        });
        assert!(there, "{line}: {}", stack.log());
    };
    complaint("host no.lan", "host: no.lan: no such name");
    complaint("ping no.lan", "ping: no.lan: no such name");
    complaint("host www.example.org", "host: www.example.org: the DNS server failed (REFUSED");
    complaint("ping a..b", "an empty part in the name");
    complaint("snc -c no.lan:9", "snc: no.lan: no such name");

    let pinged = stack.run("ping -c 1 nas");
    assert!(pinged.contains("PING nas (10.0.0.2) 56(84) bytes of data"), "{pinged}");
    assert!(pinged.contains("1 packets transmitted, 1 received"), "{pinged}");
    assert_eq!(stack.finish(), 0);
}

#[test]
fn a_silent_server_is_left_for_another_and_none_is_told() {
    if !netdev::in_namespace_with_tap!() || !server::is_there("silent dns") {
        return;
    }
    let dir = scratch("dns-silent");
    let server = Server::start(&dir, &["--host-record=nas.lan,10.0.0.2"]);
    // Nobody has the first address, and nothing listens at the second after a while.
    let args = ["--link", "tap:tap0", "--dns", "10.0.0.9", "--dns", "10.0.0.2"];
    let Some(mut stack) = Instance::start("silent dns", &args) else { return };
    assert_eq!(ask(&mut stack, "host -t A nas.lan"), "nas.lan has address 10.0.0.2\n");
    drop(server);
    let line = "host -t A other.lan";
    assert_eq!(ask(&mut stack, line), "");
    // The shell's last status is its own.
    stack.send(line);
    assert_eq!(stack.finish(), 1);
}

#[test]
fn without_a_server_the_way_to_one_is_told() {
    let output = std::process::Command::new(tests::binary())
        .current_dir(std::env::temp_dir())
        .args(["--link", "sim", "-c", "ping nas.lan"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no DNS server is known: say one with --dns ADDR"), "{said}");
}
