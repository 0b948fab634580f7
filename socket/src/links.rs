//! Links that go down, come up, or are gone for good.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};

use ip::IfIndex;
use netdev::{Instant, LinkState};

use crate::Stack;

impl Stack {
    /// Notices links that went down or came up.
    pub(crate) fn watch_links(&mut self, now: Instant) {
        let mut connected = Vec::new();
        for place in 0..self.interfaces.len() {
            let interface = self.interfaces.at(place);
            let index = interface.index;
            let link = interface.port.device().link();
            if interface.link != link {
                let name = interface.port.device().name();
                tracing::debug!(interface = name, from = ?interface.link, to = ?link, "link");
                interface.link = link;
                if interface.link == LinkState::Up {
                    // Other neighbours may be there now.
                    let _ = interface.configure_resolver(now, arp::Change::Flush);
                    connected.push(index);
                }
            }
            let gone = interface.is_gone();
            if interface.gone != gone {
                interface.gone = gone;
                self.gone_changed = true;
                let _ = self.update_ip(now, index);
            }
        }
        self.any_gone = self.interfaces.iter().any(|i| i.gone);
        for index in connected {
            self.reconnected(now, index);
        }
    }

    /// What the event loop has to wait for on behalf of the devices: for each the descriptor, and
    /// whether for writing too.
    pub(crate) fn interests(&self) -> impl Iterator<Item = (IfIndex, (RawFd, bool))> {
        // What is gone for good would be ready for ever.
        let useful = self.interfaces.iter().filter(|i| !i.gone && !i.given_up);
        useful.filter_map(|i| {
            let interest = i.port.device().interest()?;
            Some((i.index, (interest.fd.as_raw_fd(), interest.write)))
        })
    }

    /// Whether the device of any interface is gone for good.
    pub(crate) fn any_gone(&self) -> bool {
        self.any_gone
    }

    /// Whether a device went, or came back, since this was last asked.
    pub(crate) fn take_gone_change(&mut self) -> bool {
        std::mem::take(&mut self.gone_changed)
    }

    /// The event loop's word that the descriptor of an interface is of no use any more.
    pub(crate) fn give_up(&mut self, index: IfIndex) {
        if let Some(interface) = self.interfaces.find_mut(index) {
            interface.given_up = true;
        }
    }

    /// Whether `local` can send nothing because its device is gone: its own interface's, or for
    /// the unspecified address every one's but the loopback's.
    pub(crate) fn is_cut_off(&self, local: IpAddr) -> bool {
        let mut others = self.interfaces.iter().filter(|i| !i.loopback).peekable();
        if local.is_unspecified() {
            return others.peek().is_some() && others.all(|i| i.gone);
        }
        others.any(|i| i.gone && i.addrs.iter().any(|a| a.addr == local))
    }
}
