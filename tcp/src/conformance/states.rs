//! The synchronized states, and how a case comes to one.

use super::SECOND;
use crate::testing::{Script, seg};
use crate::{Shutdown, State};

/// Where a connection stands, in relative numbers.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) snd_nxt: u32,
    pub(super) rcv_nxt: u32,
}

/// Takes one accepted connection to a synchronized state (RFC 9293 §3.3.2, figure 5); its socket
/// stays open, and nothing is left to be acknowledged.
pub(super) fn reach(script: &mut Script, state: State) -> At {
    script.accept_one(80);
    let fin_sent = !matches!(state, State::Established | State::CloseWait);
    let fin_received = !matches!(state, State::Established | State::FinWait1 | State::FinWait2);
    let at = At { snd_nxt: 1 + u32::from(fin_sent), rcv_nxt: 1 + u32::from(fin_received) };
    let peers_fin = seg("FA").seq(1);
    match state {
        State::CloseWait | State::LastAck => {
            script.inject(peers_fin.ack(1));
            script.expect_within(SECOND, seg("A").seq(1).ack(2));
            if fin_sent {
                script.shutdown(Shutdown::Write);
                script.expect(seg("FA").seq(1).ack(2));
            }
        }
        _ if fin_sent => {
            script.shutdown(Shutdown::Write);
            script.expect(seg("FA").seq(1).ack(1));
            let acknowledged = matches!(state, State::FinWait2 | State::TimeWait);
            if acknowledged {
                script.inject(seg("A").seq(1).ack(2));
            }
            if fin_received {
                script.inject(peers_fin.ack(1 + u32::from(acknowledged)));
                script.expect_within(SECOND, seg("A").seq(2).ack(2));
            }
        }
        _ => {}
    }
    script.expect_connections(&[state]);
    at
}
