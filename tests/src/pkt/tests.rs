//! Tests of the interpreter: that it passes what is so, fails what is not, and says so of what it
//! cannot do.

use super::{Failure, Implementation, Options, Outcome, run};

/// A connection that was accepted as 4, with an MSS of 1000 and no other option.
const ACCEPTED: &str = "
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
   +0 < S 0:0(0) win 65535 <mss 1000>
   +0 > S. 0:0(0) ack 1 <mss 1460>
  +.1 < . 1:1(0) ack 1 win 65535
   +0 accept(3, ..., ...) = 4
";

fn outcome(rest: &str) -> Outcome {
    run(&format!("{ACCEPTED}{rest}"), &Options::default())
}

#[track_caller]
fn passes(rest: &str) {
    let outcome = outcome(rest);
    assert!(matches!(outcome, Outcome::Pass), "{rest}: {outcome:?}");
}

#[track_caller]
fn fails(rest: &str, reason: &str) -> Failure {
    match outcome(rest) {
        Outcome::Fail(failure) => {
            assert!(failure.reason.contains(reason), "{rest}: {failure}");
            failure
        }
        other => panic!("{rest}: {other:?}"),
    }
}

#[track_caller]
fn unsupported(script: &str, wanted: &str) {
    match run(script, &Options::default()) {
        Outcome::Unsupported { reason, .. } => assert!(reason.contains(wanted), "{reason}"),
        other => panic!("{script}: {other:?}"),
    }
}

#[test]
fn every_field_of_a_packet_is_compared() {
    let sends = "+0 write(4, ..., 100) = 100\n";
    passes(&format!("{sends}+0 > P. 1:101(100) ack 1"));
    for (packet, reason) in [
        ("F. 1:101(100) ack 1", "flags"),
        ("P. 2:102(100) ack 1", "sequence number"),
        ("P. 1:100(99) ack 1", "length"),
        ("P. 1:101(100) ack 2", "acknowledgment"),
        ("P. 1:101(100) ack 1 win 1", "window"),
        ("P. 1:101(100) ack 1 urg 3", "urgent"),
        ("P. 1:101(100) ack 1 <nop,nop,TS val 1 ecr 0>", "options"),
        ("[ce] P. 1:101(100) ack 1", "TOS"),
        ("[tos 0x04] P. 1:101(100) ack 1", "TOS"),
        ("(ttl 3) P. 1:101(100) ack 1", "TTL"),
    ] {
        let failure = fails(&format!("{sends}+0 > {packet}"), reason);
        assert_eq!(failure.line, 10);
        let (expected, seen) = failure.difference.clone().expect("both packets");
        assert!(expected.contains("> ") && seen.contains("1:101(100)"), "{expected}, {seen}");
        assert!(failure.trace.iter().any(|line| line.contains("< S 0:0(0)")), "{failure}");
    }
    passes(&format!("{sends}+0 > [noecn] P. 1:101(100) ack 1 <...>"));
}

#[test]
fn psh_is_compared_only_where_that_is_asked_for() {
    let script = format!("{ACCEPTED}+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1");
    assert!(matches!(run(&script, &Options::default()), Outcome::Pass));
    let strict = Options { compare_psh: true, ..Options::default() };
    assert!(matches!(run(&script, &strict), Outcome::Fail(_)));
}

#[test]
fn times_may_be_off_by_4_ms_or_an_eighth() {
    // The retransmission comes at 0.3 s.
    let sends = "+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n";
    for time in ["+.3", "+.268", "+.34", "0.4", "+.1~+.3", "0.4~0.5", "*"] {
        passes(&format!("{sends}{time} > P. 1:101(100) ack 1"));
    }
    fails(&format!("{sends}+.25 > P. 1:101(100) ack 1"), "does not come");
    fails(&format!("{sends}+.4 > P. 1:101(100) ack 1"), "wrong time");
    fails(&format!("{sends}+.1~+.2 > P. 1:101(100) ack 1"), "does not come");
    fails(&format!("{sends}+.4~+.5 > P. 1:101(100) ack 1"), "wrong time");
    // Four milliseconds where that is more.
    fails("+.02 write(4, ..., 100) = 100\n+.005 > P. 1:101(100) ack 1", "wrong time");
    passes("+.02 write(4, ..., 100) = 100\n+.004 > P. 1:101(100) ack 1");
}

#[test]
fn the_tolerance_can_be_set() {
    let rest = "+0 write(4, ..., 100) = 100\n+.02 > P. 1:101(100) ack 1";
    fails(rest, "wrong time");
    let script = format!("--tolerance_usecs=20000\n{ACCEPTED}{rest}");
    assert!(matches!(run(&script, &Options::default()), Outcome::Pass));
}

#[test]
fn a_long_packet_stands_for_full_segments_in_a_row() {
    passes("+0 write(4, ..., 2500) = 2500\n+0 > P. 1:2501(2500) ack 1");
    passes(
        "+0 write(4, ..., 2500) = 2500\n+0 > . 1:2001(2000) ack 1\n+0 > P. 2001:2501(500) ack 1",
    );
    let two = "+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0
               +0 write(4, ..., 400) = 400\n+0 write(4, ..., 400) = 400\n";
    passes(&format!("{two}+0 > P. 1:401(400) ack 1\n+0 > P. 401:801(400) ack 1"));
    fails(&format!("{two}+0 > P. 1:801(800) ack 1"), "length");
}

#[test]
fn what_was_not_expected_fails_the_next_expectation() {
    let rest = "+0 write(4, ..., 100) = 100
                +0 < . 1:101(100) ack 101 win 65535
                +0 > . 101:101(0) ack 101";
    fails(rest, "sequence number");
    // After the last expectation nobody asks.
    passes("+0 write(4, ..., 100) = 100");
}

#[test]
fn results_and_errors_are_compared() {
    passes(
        "+0 read(4, ..., 10) = -1 EAGAIN (whatever)"
            .replace("+0 read", "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 read")
            .as_str(),
    );
    fails("+0 write(4, ..., 10) = 11", "it gives 10");
    fails("+0 write(4, ..., 10) = -1 EPIPE (Broken pipe)", "it gives 10");
    fails("+0 write(9, ..., 10) = 10", "EBADF");
    fails("+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [999], [4]) = 0", "it is 1000");
    fails("+0 ioctl(4, SIOCINQ, [1]) = 0", "it tells 0");
    passes("+0 write(4, ..., 10) = ...");
}

#[test]
fn a_blocking_call_has_to_end_in_time() {
    let data = "+.1 < P. 1:11(10) ack 1 win 65535\n+0 > . 1:1(0) ack 11";
    passes(&format!("+0...0.1 read(4, ..., 10) = 10\n{data}"));
    fails(&format!("+0...0.2 read(4, ..., 10) = 10\n{data}"), "ends at 0.200000, not at 0.300000");
    fails("+0...0.2 read(4, ..., 10) = 10", "still blocks");
    fails("+0 read(4, ..., 10) = 10", "blocks for ever");
}

#[test]
fn code_is_held_against_tcp_info() {
    passes("+0 %{ assert tcpi_snd_mss == 1000, tcpi_snd_mss }%");
    passes(
        "+0 %{
# a comment
limit = 0x400 * 2; wanted = (tcpi_snd_cwnd
    + 1)
assert 5 <= tcpi_snd_cwnd < limit and not tcpi_lost, 'cwnd=%d of %d' % (tcpi_snd_cwnd, limit)
assert tcpi_ca_state == TCP_CA_Open or False
print('nothing')
}%
+0 %{ assert wanted == 11 and wanted // 2 == 5 and wanted % 2 == 1 and -wanted // 2 == -6 }%
+0 %{ assert abs(-3) == 3 and max(1, 2) == 2 and 1 << 3 == 8 and 7 / 2 == 3.5 and ~0 == -1 }%",
    );
    let failure = fails("+0 %{ assert tcpi_snd_mss == 1, 'mss=%d' % tcpi_snd_mss }%", "mss=1000");
    assert_eq!(failure.line, 9);
    assert!(failure.reason.contains("tcpi_snd_mss == 1"), "{failure}");
    fails("+0 %{ assert 1 < 2 < 2 }%", "not so");
    fails("+0 %{ assert (1 }%", "cannot read");
}

#[test]
fn epoll_tells_what_it_was_given() {
    let epoll = "+0 epoll_create1(0) = 7
        +0 epoll_ctl(7, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLONESHOT, ptr=99}) = 0
        +0 epoll_ctl(7, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = -1 EEXIST (File exists)
        +0 < P. 1:11(10) ack 1 win 65535
        +0 > . 1:1(0) ack 11\n";
    passes(&format!(
        "{epoll}+0 epoll_wait(7, {{events=EPOLLIN, ptr=99}}, 1, 0) = 1
        +0 epoll_wait(7, {{events=0, ptr=99}}, 1, 0) = 0
        +0...0.05 epoll_wait(7, {{events=0, ptr=99}}, 1, 50) = 0
        +0 close(4) = 0
        +0 epoll_ctl(7, EPOLL_CTL_DEL, 4, NULL) = -1 EBADF (Bad file descriptor)"
    ));
    fails(
        &format!("{epoll}+0 epoll_wait(7, {{events=EPOLLIN, ptr=98}}, 1, 0) = 1"),
        "ready for 0x1",
    );
    fails(&format!("{epoll}+0 epoll_wait(7, {{events=EPOLLOUT, ptr=99}}, 1, 0) = 1"), "ready for");
}

#[test]
fn options_read_back_as_linux_has_them() {
    passes(
        "+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [20000], 4) = 0
         +0 getsockopt(4, SOL_SOCKET, SO_SNDBUF, [40000], [4]) = 0
         +0 setsockopt(4, SOL_TCP, TCP_CONGESTION, \"reno\", 4) = 0
         +0 getsockopt(4, SOL_TCP, TCP_CONGESTION, \"reno\", [4]) = 0
         +0 getsockopt(4, SOL_TCP, TCP_NOTSENT_LOWAT, [0], [4]) = 0
         +0 setsockopt(4, SOL_TCP, TCP_KEEPIDLE, [77], 4) = 0
         +0 getsockopt(4, SOL_TCP, TCP_KEEPIDLE, [77], [4]) = 0
         +0 getsockopt(4, SOL_SOCKET, SO_KEEPALIVE, [0], [4]) = 0
         +0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, 8) = 0
         +0 getsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=7}, [8]) = 0
         +0 setsockopt(4, SOL_IP, IP_TTL, [0], 4) = -1 EINVAL (Invalid argument)
         +0 getsockopt(4, SOL_IP, IP_MTU, [1500], [4]) = 0",
    );
    fails("+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, \"reno\", [4]) = 0", "it is cubic");
}

#[test]
fn what_cannot_be_done_is_unsupported() {
    unsupported(
        "`tc qdisc add dev tun0 root pfifo`\n0 socket(..., SOCK_STREAM, 0) = 3",
        "tc qdisc",
    );
    unsupported(
        "`sysctl -q net.ipv4.tcp_wonder=1`\n0 socket(..., SOCK_STREAM, 0) = 3",
        "tcp_wonder",
    );
    unsupported("--ip_version=ipv6\n0 socket(..., SOCK_STREAM, 0) = 3", "ip_version");
    unsupported("0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3", "TCP's");
    unsupported("0 < S 0:0(0) win 1 <mss 1000,FO,nop,nop>", "Fast Open");
    unsupported("0 > udp (100)", "UDP");
    unsupported("0 > icmp unreachable port_unreachable", "ICMP messages that come out");
    let on = |rest: &str| format!("{ACCEPTED}{rest}");
    unsupported(&on("+0 vmsplice(4, ..., 1, 0) = 100"), "splice");
    unsupported(&on("+0 setsockopt(4, SOL_SOCKET, SO_PASSSEC, [1], 4) = 0"), "SO_PASSSEC");
    unsupported(&on("+0 %{ assert tcpi_wonder == 1 }%"), "tcpi_wonder");
    unsupported(&on("+0 %{ if 1: pass }%"), "`if`");
    // A setting of the stack when it runs already.
    unsupported(&on("+0 `sysctl -q net.ipv4.tcp_timestamps=0`"), "mid-flight");
    passes("+0 `sysctl -q net.ipv4.tcp_timestamps=1`");
}

#[test]
fn settings_of_a_kernel_are_ours() {
    let script = format!(
        "`../common/defaults.sh
../common/set_sysctls.py /proc/sys/net/ipv4/tcp_syn_retries=1 \\
   /proc/sys/net/ipv4/tcp_min_tso_segs=4
sysctl -q -w net.ipv4.tcp_rmem=\"4096 8192 16384\" net.ipv4.tcp_window_scaling=0  # a comment
echo 0 > /proc/sys/net/ipv4/tcp_timestamps; true && ethtool -K tun0 tso off`
{}",
        "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
        +0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
        +0 connect(3, ..., ...) = -1 EINPROGRESS (under way)
        +0 > S 0:0(0) win 8192 <mss 1460,nop,nop,sackOK>
        +1 > S 0:0(0) <...>
        +3 getsockopt(3, SOL_SOCKET, SO_ERROR, [ETIMEDOUT], [4]) = 0
        `/tmp/sysctl_restore_${PPID}.sh`"
    );
    let outcome = run(&script, &Options::default());
    assert!(matches!(outcome, Outcome::Pass), "{outcome:?}");
}

#[test]
fn timestamps_are_counted_from_the_first() {
    let script = |value: u32, tick: &str| {
        format!(
            "{tick}0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
            +0 bind(3, ..., ...) = 0
            +0 listen(3, 1) = 0
            +0 < S 0:0(0) win 65535 <mss 1000,nop,nop,TS val 7 ecr 0>
            +0 > S. 0:0(0) ack 1 <mss 1460,nop,nop,TS val 900 ecr 7>
            +1 < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 8 ecr 900>
            +0 accept(3, ..., ...) = 4
            +0 %{{ assert tcpi_rtt == 1000000 }}%
            +0 write(4, ..., 1) = 1
            +0 > P. 1:2(1) ack 1 <nop,nop,TS val {value} ecr 8>"
        )
    };
    let passes = |text: &str| matches!(run(text, &Options::default()), Outcome::Pass);
    assert!(passes(&script(1900, "--tcp_ts_tick_usecs=1000\n")));
    assert!(!passes(&script(2900, "--tcp_ts_tick_usecs=1000\n")));
    assert!(passes(&script(2900, "")), "without a tick nobody compares");
}

#[test]
fn packets_with_ports_belong_to_other_connections() {
    passes(
        "+0 < 5000>8080 S 0:0(0) win 65535 <mss 1000>
         +0 > 8080>5000 S. 0:0(0) ack 1 <mss 1460>
         +0 < 5000>8080 R 1:1(0) win 0
         +0 < 5000>81 S 0:0(0) win 65535
         +0 > 81>5000 R. 0:0(0) ack 1
         +0 write(4, ..., 10) = 10
         +0 > P. 1:11(10) ack 1",
    );
}

#[test]
fn a_tcp_that_panics_fails() {
    static BROKEN: Implementation =
        Implementation { name: "broken", make: |_, _| panic!("no TCP today") };
    let options = Options { implementation: &BROKEN, ..Options::default() };
    let outcome = run(ACCEPTED, &options);
    let Outcome::Fail(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.reason.contains("no TCP today"), "{failure}");
}

#[test]
fn a_script_that_cannot_be_read_fails_at_its_line() {
    for (script, line) in [
        ("", 1),
        ("0 socket(..., SOCK_STREAM, IPPROTO_TCP)", 1),
        ("\n\n0 < Q 0:0(0)", 3),
        ("0 < S 0:1(0) win 1", 1),
        ("0 < S 0:0(0) win 70000", 1),
        ("0 < S 0:0(0) win 7 <...>", 1),
        ("/* a\ncomment */ 0 < S 0:0(0) win 1 <mss 1", 2),
        ("+0~+1 close(3) = 0", 1),
        ("0 `unclosed", 1),
    ] {
        match run(script, &Options::default()) {
            Outcome::Fail(failure) => assert_eq!(failure.line, line, "{script:?}: {failure}"),
            other => panic!("{script:?}: {other:?}"),
        }
    }
}

proptest::proptest! {
    /// Whatever stands in a file, it ends with an outcome, and nothing panics on the way.
    #[test]
    fn any_text_ends(text in "[ -~\n]{0,200}", at in 0..400_usize, cut in 0..10_usize) {
        // A good script with a piece torn out, too.
        let script = format!("{ACCEPTED}+0 write(4, ..., 100) = 100\n+0 > P. 1:101(100) ack 1\n");
        let (from, to) = (at.min(script.len()), (at + cut).min(script.len()));
        let torn = format!("{}{}{}", &script[..from], &text[..text.len().min(9)], &script[to..]);
        for script in [text, torn] {
            if let Outcome::Fail(failure) = run(&script, &Options::default()) {
                proptest::prop_assert!(!failure.reason.contains("panics"), "{script}: {failure}");
            }
        }
    }
}
