//! The shell on a pseudo-terminal, as a person uses it.

use std::process::Command;

use rexpect::session::{PtySession, spawn_command};
use tests::{binary, scratch};

const PROMPT: &str = "[net shell]: ";
const PATIENCE_MS: u64 = 60_000;

fn shell(home: &std::path::Path, args: &[&str]) -> PtySession {
    let mut command = Command::new(binary());
    command.args(["--link", "sim"]).args(args).current_dir(home);
    command.env("XDG_STATE_HOME", home).env("HOME", home).env("TERM", "xterm");
    let mut session = spawn_command(command, Some(PATIENCE_MS)).expect("a pseudo-terminal");
    session.exp_string(PROMPT).expect("the prompt");
    session
}

#[test]
fn interrupt_ends_the_ping_and_not_the_shell() {
    let home = scratch("pty-interrupt");
    let mut session = shell(&home, &[]);
    session.send_line("ping -i 0.2 10.0.0.2").unwrap();
    session.exp_string("icmp_seq=2").expect("pings go on");
    session.send_control('c').unwrap();
    session.exp_string("--- 10.0.0.2 ping statistics ---").expect("the summary");
    session.exp_string("0% packet loss").unwrap();
    session.exp_string(PROMPT).expect("the shell lives on");
    // At an empty prompt it does nothing either.
    session.send_control('c').unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send_line("no-such-command").unwrap();
    session.exp_string("-shell: no-such-command: command not found").unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send_control('d').unwrap();
    session.exp_eof().expect("^D ends it");
}

#[test]
fn history_comes_back_with_the_arrow_keys_and_in_the_next_run() {
    let home = scratch("pty-history");
    let mut session = shell(&home, &[]);
    session.send_line("ping -c 1 127.9.8.7").unwrap();
    session.exp_string("1 received").unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send("\x1b[A").unwrap();
    session.flush().unwrap();
    session.exp_string("ping -c 1 127.9.8.7").expect("the last line is there again");
    session.send_line("").unwrap();
    session.exp_string("1 received").unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();

    let mut session = shell(&home, &[]);
    session.send("\x1b[A").unwrap();
    session.flush().unwrap();
    session.exp_string("ping -c 1 127.9.8.7").expect("history outlives the run");
    session.send_control('c').unwrap();
    session.send_control('d').unwrap();
}

#[test]
fn tab_completes_commands() {
    let home = scratch("pty-complete");
    let mut session = shell(&home, &[]);
    session.send("arpc\t").unwrap();
    session.flush().unwrap();
    session.exp_string("arpcache").expect("the only match is completed");
    session.send_line("").unwrap();
    session.exp_string("HWaddress").expect("and runs");
    session.exp_string(PROMPT).unwrap();
    session.send_control('d').unwrap();
}

#[test]
fn a_log_line_does_not_tear_the_line_being_edited() {
    let home = scratch("pty-logs");
    let mut session = shell(&home, &["--debug", "icmp"]);
    // The peer is pinged from the second line while nothing is typed; logs appear meanwhile.
    session.send_line("ping -c 1 10.0.0.2").unwrap();
    session.exp_string("1 received").unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send_line("arpcache").unwrap();
    session.exp_string("10.0.0.2").unwrap();
    session.exp_string(PROMPT).unwrap();
    session.send_control('d').unwrap();
    session.exp_eof().unwrap();
}
