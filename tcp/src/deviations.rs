//! Where [`Tcp`](crate::Tcp) deliberately does not do what an RFC says, and why.
//!
//! | RFC | It says | Here | Why |
//! |---|---|---|---|
//! | 6298 (2.4) | RTO is at least 1 s | SRTT + max(200 ms, 4·RTTVAR) ([`Config::rto_min`]) | Clocks are no longer coarse; as Linux, so that losses at the end of a burst do not cost a second |
//! | 6298 (2.5) | a maximum of 60 s or more | 120 s ([`Config::rto_max`]) | as Linux |
//! | 9293 §3.6.1 (MUST-13) | TIME-WAIT lasts 2·MSL, 4 minutes | 60 s ([`Config::time_wait`]), less for the oldest where there are too many | as Linux; segments do not live for two minutes |
//! | 9293 §3.6.1 (MAY-2) | a SYN that reopens from TIME-WAIT and turns out to be old leads back there | it ends, as any half-open connection | the SYN is beyond the old connection's numbers or timestamps, so it is not old |
//! | 9293 §3.8.3 (MUST-23) | a SYN is sent again for three minutes at least | for 63 s ([`Config::syn_retries`]); a program can ask for longer with [`Setting::UserTimeout`] or [`Tuning::SynRetries`] | a user waits for it |
//! | 9293 §3.8.3 (SHLD-9) | a program is told of many retransmissions at R1 | it is told where it asked ([`Setting::ReportTrouble`]); until R2 `Info::backoff` shows it, and a counter | programs of C take a notice that they did not ask for as the end of the connection |
//! | 9293 §3.9.1.2 | SEND takes what there is room for | room is counted as on Linux ([`Setting::SendBuffer`]): whole bursts with their book-keeping, twice what was asked for; a writer is woken when a third is free | programs know from there how much they can write, and when to come back |
//! | 9293 §3.10.7.4 | a RST ends TIME-WAIT | it does not | RFC 1337: else an old duplicate could end it |
//! | 9293 §3.10.7.4 | a RST flushes what was received | what was received in order can still be read, then the error comes | as Linux; the peer has sent it before it ended the connection |
//! | 9293 §3.10.7.4 | a FIN without room in the window is unacceptable | taken where all before it was | it needs no buffer, and the peer need not probe for it |
//! | 9293 §3.10.7.4, Appendix A.2 | an empty segment at the right edge is unacceptable | it is acceptable | a sender whose data fills the window acknowledges from there |
//! | 9293 §3.8.6.1 | a window probe has a byte of new data (MUST-36's text) | it has none, and the number before SND.UNA | as Linux; the answer says the same, and no byte is sent that the window has no room for |
//! | 9293 §3.7.4 | Nagle: nothing small while anything is unacknowledged | while a *small* segment is unacknowledged (Minshall) | as Linux; the last segment of a long write does not wait for a delayed ACK |
//! | 9293 §3.8.6.2.2 | a window update when the edge can move by a segment | when the window can at least double; between that, acknowledgments tell it | as Linux; fewer segments |
//! | 9293 §3.9.2.2 (MUST-56) | an unreachable network or host does not end a connection attempt | it does | as every system: `connect` tells at once what the retransmissions would tell in two minutes |
//! | 9293 §3.9.2.2 (SHLD-26) | protocol and port unreachable end a connection | a synchronized one goes on, and is told the error when it fails after all | RFC 5927 §5.2: anybody can forge them |
//! | 7323 §3.2 | a segment without timestamps on a connection with them is dropped | it is taken | as Linux; middleboxes strip them |
//! | 5681 (3) | slow start adds one segment an acknowledgment | as many bytes as are acknowledged | acknowledgments of many segments, as offload makes them; splitting one gains nothing (RFC 3465) |
//! | 9406 §4.2 | the eighth sample of a round can end slow start | the ninth acknowledgment does, and grows nothing; until CSS ends, `ssthresh` is shown as where it began | as Linux's HyStart, which asks for more than eight samples and sets ssthresh there |
//! | 9406 §4.3 | unpaced, eight segments an acknowledgment count at most (L = 8) | all of them | as above: acknowledgments of many segments |
//! | 5681 §4.1 | after an idle RTO the window is the initial one | it stays; with [`Config::slow_start_after_idle`] it is halved for each RTO (RFC 2861) | as Linux |
//! | 9438 §4.6 | flight_size · β | the lesser of flight size and cwnd, · β | what limited transmit sent must not count (RFC 5681 §3.2) |
//! | 2018 §4 | blocks are in every acknowledgment that does not cover all that came | not on a full segment that is sent again | it has no room, and cutting it would send a second one for some bytes |
//! | 2018 §8 | a timeout forgets every block | only where the first segment was among them | RFC 6675 §5.1; else a peer has never been seen to take one back |
//! | 8985 §6.2, §7.2 | the reordering window, and two round trips | 2 ms more, where a timer waits for them | as Linux; on a short path it is the hosts that are late, not the network |
//! | 8985 §6.2 | the reordering window grows by quarters of the least round trip, up to a round trip | by 250 µs, up to 1 ms, where those are less and reordering was seen | on a path of microseconds a packet that waits for others to pass it is later than that, and the sender loses nothing by waiting: what arrives beyond the gap makes room for new data |
//! | 8985 §6.2 | what is undone tells nothing of reordering | it widens the window as a duplicate does | RFC 4015 §3.2's timestamps see what SACK cannot |
//! | 6937 §3 | RecoverFS is the flight size; one bound for all of a recovery | it is cwnd; an acknowledgment that advances and tells of no loss may add a segment | as Linux (PRR-SSRB only while it is safe) |
//! | 5682 §2.1 (3a) | the window may be three segments when the timeout was right | it is the two that slow start has reached | nothing is gained by a segment |
//! | 5682 §3.1 (2) | new data is sent first in any case | an original that arrives with the first acknowledgment tells already | as Linux |
//! | 5961 §7 | ten challenge ACKs in 5 s | one in 500 ms a connection, and a limit for the stack that is drawn anew each second | CVE-2016-5696: a fixed limit that connections share is a side channel |
//! | 3168 §6.1.1 | ECN is for every connection that can | off unless [`Config::ecn`] or [`Setting::Ecn`] says otherwise | so that scripts written for kernels hold; still some networks drop such SYNs |
//! | 3168 §6.1.2 | the window may grow again with the next acknowledgment without an echo | not before what was in flight at the reduction is acknowledged | as Linux's CWR state |
//! | 4987 §3.6 | a cookie stands for the SYN it answers | the MSS is rounded down to one of eight; without timestamps there are neither window scale, SACK nor ECN; text on the SYN is to be sent again | that is all that 32 bits carry; only while the SYN queue is full |
//! | 6191 §2 | a SYN with timestamps is new where the old connection had none | its number must show that | segments without timestamps are taken (above), so old duplicates would be as well |
//! | 1191 §3 | a path MTU of 68 bytes is to be kept to | below [`Config::min_path_mtu`] IP cuts segments up, without DF | as Linux (CVE-2019-11479): a forged message must not cost a header for every few bytes |
//! | 6528 §3 | MD5 is suggested | SipHash-1-3 | a keyed hash made for short input |
//! | 9293 §3.8.5 | urgent data may be any number of bytes (MUST-31) | the pointer may be; one byte in front of it can be taken out of line ([`Setting::OobInline`] off), and one mark is kept at a time | as every system (RFC 6093 §3) |
//! | 9293 §3.9.1.5 | after a close of both directions nothing is received | after a shutdown of reading alone, what comes can be read while there is room | as Linux |
//!
//! [`Config::ecn`]: crate::Config::ecn
//! [`Setting::Ecn`]: crate::Setting::Ecn
//! [`Setting::OobInline`]: crate::Setting::OobInline
//! [`Config::min_path_mtu`]: crate::Config::min_path_mtu
//! [`Config::rto_min`]: crate::Config::rto_min
//! [`Config::slow_start_after_idle`]: crate::Config::slow_start_after_idle
//! [`Config::rto_max`]: crate::Config::rto_max
//! [`Config::syn_retries`]: crate::Config::syn_retries
//! [`Setting::ReportTrouble`]: crate::Setting::ReportTrouble
//! [`Setting::SendBuffer`]: crate::Setting::SendBuffer
//! [`Tuning::SynRetries`]: crate::Tuning::SynRetries
//! [`Setting::UserTimeout`]: crate::Setting::UserTimeout
//! [`Config::time_wait`]: crate::Config::time_wait
