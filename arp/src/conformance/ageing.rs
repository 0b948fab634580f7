//! How entries grow old: RFC 1122 §2.3.2.1.

use std::time::Duration;

use netdev::{MacAddr, cases};

use super::Make;
use super::bench::{Bench, OTHER_MAC, PEER, PEER_MAC};
use super::message::{Message, REQUEST};
use crate::Change;

/// RFC 1122 speaks of a minute; what takes longer than this does not "flush out-of-date entries".
const LONGEST: u16 = 1800;

cases! { ($) ageing_cases: Make, Bench;
    Must 4 "RFC 1122 §2.3.2.1" an_entry_is_not_believed_for_ever
        "An implementation of the Address Resolution Protocol (ARP) MUST provide a mechanism to \
         flush out-of-date cache entries.";
    Must 4 "RFC 1122 §2.3.2.1" a_neighbour_that_moved_silently_is_found
        "… in order to automatically correct any bad ARP data that might have been cached.";
    Must 3 "RFC 1122 §2.3.2.1" an_old_entry_is_checked_once_a_second_at_most
        "The recommended maximum rate is 1 per second per destination.";
    Ours 3 "RFC 1122 §2.3.2.1" a_neighbour_that_answers_is_never_cut_off
        "(2) Unicast Poll: the entry in use stays while it is polled; no datagram waits.";
    May 2 "RFC 1122 §2.3.2.1" a_confirmation_from_above_saves_the_question
        "(4) Higher-layer Advice: what is acknowledged arrived, and need not be asked for.";
    May 2 "RFC 1122 §2.3.2.1" a_doubt_from_above_begins_the_question
        "(4) Higher-layer Advice -- Provide a call … to indicate a delivery problem. The effect of \
         this call would be to invalidate the corresponding cache entry.";
    Ours 1 "RFC 1122 §2.3.2.1" a_confirmation_alone_makes_no_entry
        "Advice is about an entry; it has no link address in it.";
    Ours 1 "RFC 1122 §2.3.2.1" an_unused_entry_is_forgotten
        "(1) Timeout: what nobody uses leaves the table, without a question.";
    Ours 1 "RFC 1122 §2.3.2.1" the_time_that_is_left_is_shown
        "The timeout of an entry, as a person sees it, runs down.";
    Ours 2 "RFC 1122 §2.3.2.1" a_flush_forgets
        "(3) Link-Layer Advice: after the link went down and up, every neighbour is asked for.";
    Ours 1 "RFC 1122 §2.3.2.2" a_flush_hands_back_what_waits
        "What waits for an entry that goes is not lost without a word.";
}

fn requests(bench: &mut Bench) -> Vec<(MacAddr, Message)> {
    let mut arp = bench.arp();
    arp.retain(|(_, message)| message.op == REQUEST);
    arp
}

fn an_entry_is_not_believed_for_ever(bench: &mut Bench) {
    bench.know();
    for second in 0..LONGEST {
        let _ = bench.send(PEER, second);
        let _ = bench.secs(1);
        if !requests(bench).is_empty() {
            return;
        }
    }
    bench.record.fail(
        format_args!("a question about a silent neighbour within {LONGEST} s"),
        "datagrams still go to where it was",
    );
}

/// It left its link address and answers at another: only what reaches that is answered.
fn a_neighbour_that_moved_silently_is_found(bench: &mut Bench) {
    bench.know();
    for second in 0..LONGEST {
        let _ = bench.send(PEER, second);
        let _ = bench.secs(1);
        let asked = requests(bench);
        if asked.iter().any(|(dst, _)| *dst == MacAddr::BROADCAST || *dst == OTHER_MAC) {
            bench.answer_as(PEER, OTHER_MAC);
            let _ = bench.datagrams();
            let _ = bench.send(PEER, 60_001);
            return bench.expect_sent(PEER, OTHER_MAC, &[60_001]);
        }
    }
    bench.record.fail(
        format_args!("a question to everybody within {LONGEST} s"),
        "the old address is used, or asked, for ever",
    );
}

fn an_old_entry_is_checked_once_a_second_at_most(bench: &mut Bench) {
    bench.know();
    let mut last = None;
    let mut asked = 0;
    for number in 0..LONGEST * 4 {
        let _ = bench.send(PEER, number);
        for step in 0..2 {
            for _ in requests(bench) {
                let early = last.is_some_and(|last| bench.now - last < Duration::from_secs(1));
                bench.record.expect("a second at least between two requests", !early);
                last = Some(bench.now);
                asked += 1;
            }
            if step == 0 {
                let _ = bench.pass(Duration::from_millis(250));
            }
        }
    }
    bench.record.expect("a question about a silent neighbour", asked > 0);
}

fn a_neighbour_that_answers_is_never_cut_off(bench: &mut Bench) {
    bench.know();
    let mut asked = 0;
    for second in 0..2 * LONGEST {
        bench.send_well(PEER, second);
        bench.expect_sent(PEER, PEER_MAC, &[second]);
        for step in 0..2 {
            if !requests(bench).is_empty() {
                asked += 1;
                bench.answer();
            }
            if step == 0 {
                let back = bench.secs(1);
                bench.record.expect_eq("datagrams that came back", back.len(), 0);
            }
        }
    }
    let most = usize::from(LONGEST) / 10;
    bench.record.expect(&format!("{most} questions at most in an hour"), asked <= most);
}

fn a_confirmation_from_above_saves_the_question(bench: &mut Bench) {
    bench.know();
    for second in 0..2 * LONGEST {
        bench.send_well(PEER, second);
        bench.expect_sent(PEER, PEER_MAC, &[second]);
        bench.confirm(PEER);
        let _ = bench.secs(1);
        bench.expect_silence();
    }
}

fn a_doubt_from_above_begins_the_question(bench: &mut Bench) {
    bench.know();
    let _ = bench.secs(10);
    bench.doubt(PEER);
    for second in 0..30 {
        let _ = bench.send(PEER, second);
        let _ = bench.secs(1);
        if !requests(bench).is_empty() {
            return;
        }
    }
    bench.record.fail("a question within 30 s of the doubt", "none");
}

fn a_confirmation_alone_makes_no_entry(bench: &mut Bench) {
    bench.confirm(PEER);
    bench.expect_unknown(PEER);
    bench.confirm(PEER);
    bench.expect_unknown(PEER);
    bench.expect_alive();
}

fn an_unused_entry_is_forgotten(bench: &mut Bench) {
    bench.know();
    bench.record.expect("an entry for the peer", bench.entry(PEER).is_some());
    let _ = bench.secs(2 * u64::from(LONGEST));
    bench.record.expect_eq("the entry of the peer", bench.entry(PEER), None);
    bench.expect_silence();
    bench.record.expect_eq("the timer of an empty table", bench.poll_at(), None);
}

fn the_time_that_is_left_is_shown(bench: &mut Bench) {
    bench.know();
    let before = bench.entry(PEER).and_then(|entry| entry.timeout);
    let _ = bench.secs(5);
    let after = bench.entry(PEER).and_then(|entry| entry.timeout);
    let expected = before.map(|before| before.saturating_sub(Duration::from_secs(5)));
    bench.record.expect("a timeout to be shown", before.is_some());
    bench.record.expect_eq("the timeout five seconds later", after, expected);
}

fn a_flush_forgets(bench: &mut Bench) {
    bench.know();
    bench.set(Change::Flush);
    bench.send_well(PEER, 1);
    bench.expect_asked(PEER);
    bench.answer_as(PEER, OTHER_MAC);
    bench.expect_sent(PEER, OTHER_MAC, &[1]);
}

fn a_flush_hands_back_what_waits(bench: &mut Bench) {
    bench.send_well(PEER, 1);
    bench.set(Change::Flush);
    let back = bench.secs(0);
    bench.record.expect_eq("datagrams that came back", back.len(), 1);
}
