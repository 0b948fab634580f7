//! Selective acknowledgments (RFC 2018), and duplicate ones (RFC 2883).

use netdev::cases;

use super::Make;
use super::steps::{
    MS, MSS, MSS_1460, SACK_PERMITTED, SECOND, accept_with, bytes, end, expect_within, flood,
    next_text, stamp, stamp_of, texts,
};
use crate::testing::{Script, Seg, pattern, seg};

cases! { ($) sack_cases: Make, Script;
    Should 3 "RFC 2018 §4" a_block_tells_what_is_beyond_a_gap
        "If sent at all, SACK options SHOULD be included in all ACKs which do not ACK the highest \
         sequence number in the data receiver's queue.";
    Must 3 "RFC 2018 §4" the_first_block_is_of_what_came_last
        "The first SACK block … MUST specify the contiguous block of data containing the segment \
         which triggered this ACK.";
    Should 2 "RFC 2018 §4" earlier_blocks_are_repeated
        "The SACK option SHOULD be filled out by repeating the most recently reported SACK \
         blocks.";
    Should 2 "RFC 2018 §4" as_many_blocks_as_there_is_room_for
        "The data receiver SHOULD include as many distinct SACK blocks as possible in the SACK \
         option.";
    Should 2 "RFC 2018 §3" timestamps_leave_room_for_three_blocks
        "It is expected that SACK will often be used in conjunction with the Timestamp option …; \
         a maximum of 3 SACK blocks will be allowed in this case.";
    Must 2 "RFC 2018 §3" blocks_that_meet_become_one
        "Each block represents received bytes of data that are contiguous and isolated.";
    Must 1 "RFC 2018 §3" no_block_where_nothing_is_missing
        "The bytes just below the block … have not been received.";
    Should 2 "RFC 2018 §4" an_ack_that_advances_still_tells
        "If sent at all, SACK options SHOULD be included in all ACKs which do not ACK the highest \
         sequence number in the data receiver's queue.";
    Should 2 "RFC 2883 §4" a_duplicate_is_told
        "A D-SACK block is only used to report a duplicate contiguous sequence of data received \
         by the receiver in the most recent packet.";
    Should 2 "RFC 2883 §4.2" a_duplicate_beyond_a_gap_is_told_with_its_block
        "If the D-SACK block reports a duplicate contiguous sequence from a (possibly larger) \
         block of data in the receiver's data queue above the cumulative acknowledgement, then \
         the second SACK block in that SACK option should specify that (possibly larger) block of \
         data.";
    Should 1 "RFC 2883 §4" a_duplicate_is_told_once
        "Each duplicate contiguous sequence of data received is reported in at most one D-SACK \
         block.";
    Should 4 "RFC 2018 §5" what_was_sacked_is_not_sent_again
        "After the SACKed bit is turned on …, the data sender will skip that segment during any \
         later retransmission.";
    Must 3 "RFC 2018 §8" after_a_timeout_the_left_edge_is_sent
        "The data sender MUST retransmit the segment at the left edge of the window after a \
         retransmit timeout, whether or not the SACKed bit is on for that segment.";
    Must 4 "RFC 2018 §8" what_was_sacked_is_kept_until_it_is_acknowledged
        "A segment will not be dequeued and its buffer freed until the left window edge is \
         advanced over it.";
    Ours 2 "RFC 2018 §5" blocks_of_what_was_never_sent_are_ignored
        "A block beyond SND.NXT tells of nothing.";
}

/// A connection whose SYNs permit SACK.
fn permitted(script: &mut Script) {
    let syn_ack = accept_with(script, &[MSS_1460, SACK_PERMITTED].concat());
    script.record().expect("the SYN-ACK permits SACK", syn_ack.option(4).is_some());
}

/// The blocks of a segment, relative to the peer's numbers.
fn blocks(script: &Script, ack: &Seg) -> Vec<(u32, u32)> {
    let words: Vec<u32> = ack
        .option(5)
        .unwrap_or_default()
        .chunks(4)
        .map(|word| u32::from_be_bytes(word.try_into().unwrap_or_default()))
        .map(|number| number.wrapping_sub(script.peer_isn))
        .collect();
    words.chunks_exact(2).map(|edges| (edges[0], edges[1])).collect()
}

/// Injects 500 bytes from each of these numbers; the blocks of the answer to the last.
fn gaps(script: &mut Script, from: &[u32]) -> Vec<(u32, u32)> {
    let mut told = Vec::new();
    for first in from {
        script.drain();
        script.inject(seg("A").seq(*first).len(500));
        let answer = script.next_within(SECOND).unwrap_or_default();
        told = blocks(script, &answer);
    }
    told
}

fn a_block_tells_what_is_beyond_a_gap(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[501]);
    script.record().expect_eq("blocks", told, vec![(501, 1001)]);
}

fn the_first_block_is_of_what_came_last(script: &mut Script) {
    permitted(script);
    for (from, block) in [(5001, (5001, 5501)), (1001, (1001, 1501)), (3001, (3001, 3501))] {
        let told = gaps(script, &[from]);
        script.record().expect_eq("the first block", told.first(), Some(&block));
    }
    // It is the whole block that counts.
    let told = gaps(script, &[1501]);
    script.record().expect_eq("the first block", told.first(), Some(&(1001, 2001)));
}

fn earlier_blocks_are_repeated(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[1001, 5001, 3001]);
    let all = vec![(3001, 3501), (5001, 5501), (1001, 1501)];
    script.record().expect_eq("blocks", told, all);
}

fn as_many_blocks_as_there_is_room_for(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[1001, 2001, 3001, 4001, 5001, 6001]);
    script.record().expect_eq("blocks", told.len(), 4);
}

fn timestamps_leave_room_for_three_blocks(script: &mut Script) {
    let options = [&MSS_1460[..], &SACK_PERMITTED, &stamp(1, 0)].concat();
    let syn_ack = accept_with(script, &options);
    script.record().expect("timestamps are agreed on", syn_ack.option(8).is_some());
    let mut told = Vec::new();
    for first in [1001, 2001, 3001, 4001, 5001] {
        script.drain();
        let echo = stamp_of(&syn_ack).map_or(0, |(tsval, _)| tsval);
        script.inject(seg("A").seq(first).len(500).options(&stamp(1, echo)));
        let answer = script.next_within(SECOND).unwrap_or_default();
        script.record().expect("timestamps on the ACK", answer.option(8).is_some());
        told = blocks(script, &answer);
    }
    script.record().expect_eq("blocks", told.len(), 3);
}

fn blocks_that_meet_become_one(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[1001, 2001, 1501]);
    script.record().expect_eq("blocks", told, vec![(1001, 2501)]);
}

fn no_block_where_nothing_is_missing(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[501]);
    script.record().expect_eq("blocks with a gap", told.len(), 1);
    script.inject(seg("A").seq(1).len(500));
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("acknowledgment", answer.ack, Some(1001));
    script.record().expect_eq("blocks without", blocks(script, &answer), vec![]);
}

fn an_ack_that_advances_still_tells(script: &mut Script) {
    permitted(script);
    gaps(script, &[1001]);
    script.inject(seg("A").seq(1).len(500));
    let answer = script.next_within(SECOND).unwrap_or_default();
    script.record().expect_eq("acknowledgment", answer.ack, Some(501));
    script.record().expect_eq("blocks", blocks(script, &answer), vec![(1001, 1501)]);
}

fn a_duplicate_is_told(script: &mut Script) {
    permitted(script);
    gaps(script, &[1]);
    script.wait(SECOND);
    let told = gaps(script, &[1]);
    script.record().expect_eq("blocks", told, vec![(1, 501)]);
}

fn a_duplicate_beyond_a_gap_is_told_with_its_block(script: &mut Script) {
    permitted(script);
    let told = gaps(script, &[1001, 1501, 1001]);
    script.record().expect_eq("blocks", told, vec![(1001, 1501), (1001, 2001)]);
}

fn a_duplicate_is_told_once(script: &mut Script) {
    permitted(script);
    gaps(script, &[1]);
    script.wait(SECOND);
    let told = gaps(script, &[1]);
    script.record().expect_eq("blocks", told, vec![(1, 501)]);
    let told = gaps(script, &[1001]);
    script.record().expect_eq("blocks", told, vec![(1001, 1501)]);
}

/// A SACK option with these blocks of the numbers of the TCP under test.
fn sack(script: &Script, blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut option = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
    for edge in blocks.iter().flat_map(|(left, right)| [left, right]) {
        option.extend(edge.wrapping_add(script.isn()).to_be_bytes());
    }
    option
}

fn what_was_sacked_is_not_sent_again(script: &mut Script) {
    permitted(script);
    let flight = flood(script);
    let count = flight.len();
    expect_within(script, "segments at first", count, [6, 100]);
    script.wait(100 * MS);
    // The first and the third are missing.
    let at = |index: usize| 1 + (index * MSS) as u32;
    let mut sent = Vec::new();
    for arrived in 3..count {
        let option = sack(script, &[(at(3), at(arrived + 1)), (at(1), at(2))]);
        script.inject(seg("A").ack(1).options(&option));
        sent.extend(texts(script));
        script.wait(MS);
    }
    script.wait(100 * MS);
    script.inject(seg("A").ack(at(2)).options(&sack(script, &[(at(3), at(count))])));
    sent.extend(texts(script));
    let edge = end(&flight, 1);
    sent.retain(|seg| seg.seq < Some(edge));
    let again: Vec<u32> = sent.iter().filter_map(|seg| seg.seq).collect();
    script.record().expect_eq("what is sent again", again, vec![at(0), at(2)]);
}

fn after_a_timeout_the_left_edge_is_sent(script: &mut Script) {
    permitted(script);
    let flight = flood(script);
    let edge = end(&flight, 1);
    // An odd peer: it has the first segment, and says so only here.
    for _ in 0..2 {
        let option = sack(script, &[(1, edge)]);
        script.inject(seg("A").ack(1).options(&option));
    }
    script.drain();
    let (_, again) = next_text(script, 20 * SECOND);
    let first = (again.seq == Some(1)).then_some(again);
    let again = first.unwrap_or_else(|| next_from(script, 1));
    script.record().expect("the left edge is sent again", again.payload_len() > 0);
}

/// The next segment that begins with this number, whatever is sent before it.
fn next_from(script: &mut Script, seq: u32) -> Seg {
    for _ in 0..200 {
        let (_, sent) = next_text(script, 200 * SECOND);
        if sent.seq == Some(seq) {
            return sent;
        }
    }
    script.record().fail(format_args!("a segment from {seq}"), "others only");
}

fn what_was_sacked_is_kept_until_it_is_acknowledged(script: &mut Script) {
    permitted(script);
    script.send(&pattern(0, 4 * MSS));
    // Of these, as many as the window holds at first.
    let sent = texts(script);
    expect_within(script, "bytes at first", bytes(&sent), [2 * MSS, 4 * MSS]);
    let edge = end(&sent, 1);
    let option = sack(script, &[(1 + MSS as u32, edge)]);
    for _ in 0..3 {
        script.inject(seg("A").ack(1).options(&option));
    }
    script.wait(5 * SECOND);
    script.drain();
    // The peer had to drop all but the first after all.
    let mut acked = 1 + MSS as u32;
    while acked < edge {
        script.inject(seg("A").ack(acked));
        let again = next_from(script, acked);
        let from = acked as usize - 1;
        let right = again.payload() == pattern(from, again.payload_len());
        script.record().expect("the same bytes", right);
        acked += again.seq_len();
    }
}

fn blocks_of_what_was_never_sent_are_ignored(script: &mut Script) {
    permitted(script);
    script.send(b"text");
    script.expect(seg("A").seq(1).data(b"text"));
    for _ in 0..4 {
        let option = sack(script, &[(10_001, 20_001)]);
        script.inject(seg("A").ack(1).options(&option));
    }
    let again = next_from(script, 1);
    script.record().expect_eq("the bytes", again.payload(), &b"text"[..]);
    script.inject(seg("A").ack(5));
    script.send(b"more");
    script.expect(seg("A").seq(5).data(b"more"));
}
