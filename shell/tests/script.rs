//! Lines, texts and standard input: what runs, what is printed, and the status.

mod support;

use std::io::Write;
use std::time::Duration;

use shell::ExitStatus;
use support::{eventually, pair};

#[test]
fn an_unknown_word_and_bad_input_are_named() {
    let (mut a, _b) = pair();
    let (status, text) = a.run("nonsense -x");
    assert_eq!((status, text.as_str()), (ExitStatus(127), "-shell: nonsense: command not found\n"));
    let (status, text) = a.run("route 'x");
    assert_eq!(status, ExitStatus::USAGE);
    assert_eq!(text, "-shell: column 7: the closing ' is missing\n");
    let (status, text) = a.run("arpcache extra");
    assert_eq!(status, ExitStatus::USAGE);
    assert!(
        text.contains("unexpected argument 'extra'") && text.contains("Usage: arpcache"),
        "{text}"
    );
    let (status, text) = a.run("kill 7");
    assert_eq!(
        (status, text.as_str()),
        (ExitStatus(1), "kill: 7: no such job; `jobs` lists them\n")
    );
}

#[test]
fn help_lists_every_command_and_explains_each() {
    let (mut a, _b) = pair();
    let text = a.ok("help");
    for (number, command) in shell::commands::ALL.iter().enumerate() {
        let line = format!("{:2}  {}: ", number + 1, command.name());
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(a.ok("help ping").contains("-s, --size <BYTES>"));
    assert_eq!(a.ok("help snc"), a.ok("snc --help"));
    assert!(a.ok("snc -h").contains("-b <ADDR:PORT>"));
    assert!(a.ok("serve http --help").contains("Usage: serve http <port> <directory>"));
    assert!(a.ok("help serve").contains("chargen"));
}

#[test]
fn the_status_is_the_last_commands() {
    let (mut a, _b) = pair();
    assert_eq!(a.shell.run_script("nonsense; route"), ExitStatus::SUCCESS);
    assert_eq!(a.shell.run_script("route\nnonsense\n"), ExitStatus::NOT_FOUND);
    assert_eq!(a.shell.run_script("!exit 7"), ExitStatus(7));
}

#[test]
fn exit_ends_a_script_with_its_status() {
    let (mut a, _b) = pair();
    assert_eq!(a.shell.run_script("exit 42; nonsense"), ExitStatus(42));
    assert!(!a.screen.text().contains("nonsense"));
    let (mut a, _b) = pair();
    assert_eq!(a.shell.run_script("!exit 3; exit"), ExitStatus(3));
}

#[test]
fn commands_on_standard_input_run_line_by_line() {
    let (mut a, _b) = pair();
    a.stdin.write_all(b"# a remark\nroute\n\nping -c 1 10.0.0.2; nonsense").unwrap();
    a.stdin.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(a.shell.run_stdin().unwrap(), ExitStatus::NOT_FOUND);
    let text = a.screen.text();
    assert!(text.contains("Destination     Gateway") && text.contains("1 received"), "{text}");
    assert!(text.ends_with("-shell: nonsense: command not found\n"), "{text}");
}

#[test]
fn a_signal_ends_waiting_for_the_next_line() {
    let (mut a, _b) = pair();
    a.stdin.write_all(b"route\n").unwrap();
    let interrupt = a.shell.interrupt();
    let screen = a.screen.clone();
    let ender = std::thread::spawn(move || {
        eventually("the route", || screen.text().contains("Gateway"));
        interrupt.terminate();
    });
    assert_eq!(a.shell.run_stdin().unwrap(), ExitStatus::SUCCESS);
    ender.join().unwrap();
}

#[test]
fn the_kernels_end_runs_commands_and_their_status_is_passed_on() {
    let (mut a, _b) = pair();
    assert_eq!(a.run("!echo 'a;b' | tr a-z A-Z"), (ExitStatus::SUCCESS, "A;B\n".into()));
    assert_eq!(a.run("!echo wrong >&2; !kill -9 $$").0, ExitStatus(137));
    assert_eq!(a.run("!exit 3").0, ExitStatus(3));
    let raiser = a.interrupt_after(Duration::from_millis(50));
    assert_eq!(a.run("!sleep 60").0, ExitStatus(143));
    raiser.join().unwrap();
}

#[test]
fn views_have_the_shape_that_users_of_tapip_know() {
    let (mut a, _b) = pair();
    let text = a.ok("ifconfig");
    for part in [
        "lo        HWaddr",
        "veth0     HWaddr 00:34:45:67:89:01",
        "IPaddr 10.0.0.1  mask 255.255.255.0",
        "RX packet:",
        "TX packet:",
        "tap0      IPaddr 10.0.0.2",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = a.ok("route");
    assert!(text.starts_with("Destination     Gateway         Genmask         Metric Iface\n"));
    assert!(text.contains("10.0.0.0        0.0.0.0         255.255.255.0   0      veth0\n"));
    assert!(text.contains("127.0.0.0       0.0.0.0         255.0.0.0       0      lo\n"), "{text}");
    assert!(a.ok("arpcache").starts_with("State    Timeout(s)  HWaddress         Address"));
    a.ok("ping -c 1 10.0.0.2");
    let text = a.ok("stat -a");
    assert!(text.contains("layers: tcp=tcp\n") && text.contains("\nip:\n"), "{text}");
    assert!(a.ok("ss -a").starts_with("Netid  State  Recv-Q  Send-Q"));
    assert_eq!(a.ok("clear"), "\x1b[H\x1b[2J");
}

#[test]
fn debug_switches_and_goes_back_on_interrupt() {
    let (mut a, _b) = pair();
    a.ok("debug -n tcp arp");
    a.ok("debug -c arp");
    let raiser = a.interrupt_after(Duration::from_millis(30));
    a.ok("debug all");
    raiser.join().unwrap();
    a.shell.interrupt().lower();
    assert_eq!(a.run("debug nothing").0, ExitStatus::USAGE);
    assert_eq!(a.run("debug -c -n ip").0, ExitStatus::USAGE);
    a.ok("ping2 -c 1 10.0.0.2");
}

#[test]
fn jobs_are_listed_killed_and_waited_for() {
    let (mut a, _b) = pair();
    assert_eq!(a.ok("serve echo 7"), "[1] serve echo 7\n");
    a.ok("serve discard 9");
    assert_eq!(a.ok("jobs"), "[1] serve echo 7\n[2] serve discard 9\n");
    let (status, text) = a.run("serve chargen 7");
    assert_eq!(status, ExitStatus::FAILURE);
    assert_eq!(text, "serve: cannot listen at TCP port 7: address already in use\n");
    a.ok("kill 1; serve chargen 7");
    assert_eq!(a.ok("jobs"), "[2] serve discard 9\n[3] serve chargen 7\n");
    let raiser = a.interrupt_after(Duration::from_millis(30));
    a.ok("wait");
    raiser.join().unwrap();
    a.shell.interrupt().lower();
    assert_eq!(a.run("wait 9").0, ExitStatus::FAILURE);
    let (status, text) = a.run("serve http 80 /does/not/exist");
    assert_eq!(status, ExitStatus::FAILURE);
    assert!(text.starts_with("serve: cannot serve `/does/not/exist`: "), "{text}");
}
