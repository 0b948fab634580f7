//! Connections whose own address goes away.

use std::net::IpAddr;

use ip::{Output, SocketError};
use netdev::Instant;

use super::Tcp;
use crate::tcb::{ConnId, Tcb};
use crate::{State, transmit};

impl Tcp {
    /// RFC 5227 §2.4: whoever abandons an address should reset the connections that use it, for
    /// their segments would reach the other host of that address from now on.
    pub(super) fn reset_all_of(&mut self, now: Instant, local: IpAddr, out: &mut dyn Output) {
        let uses = |tcb: &Tcb| {
            tcb.tuple.local().ip() == local && !matches!(tcb.state, State::Closed | State::TimeWait)
        };
        let ids: Vec<ConnId> = self
            .connections
            .iter()
            .filter(|(_, tcb)| uses(tcb))
            .map(|(handle, _)| ConnId(handle))
            .collect();
        for id in ids {
            self.with(now, out, id, |tcb, cx| {
                // Nobody knows of a connection that was only asked for.
                if tcb.state != State::SynSent {
                    transmit::reset(tcb, cx);
                }
                tcb.end(Some(SocketError::Aborted), "address given up");
            });
        }
    }
}
