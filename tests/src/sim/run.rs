//! How time passes in a network.

use std::time::Duration;

use netdev::Instant;

use super::network::{Kind, Network, NodeId, lane_slot};
use super::switch::Way;
use super::trace::Exhausted;

impl Network {
    /// The events that each run may have from now on; 20 million at first, some 20 seconds of a
    /// real processor.
    pub fn set_bound(&mut self, events: u64) {
        self.bound = events;
    }

    /// When the next event is, if one is to come.
    pub fn due(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| at.max(self.now))
    }

    /// Lets all happen that happens until a point in time, and moves the clock there.
    pub fn run_until(&mut self, end: Instant) -> Result<(), Exhausted> {
        self.run(end, |_| true)?;
        self.now = self.now.max(end);
        Ok(())
    }

    /// As [`Network::run_until`], for so long.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Exhausted> {
        self.run_until(self.now + time)
    }

    /// Lets things happen for as long as `go_on` says so, which is asked before each event.
    /// `false` where nothing is left to happen though it still does.
    pub fn run_while(&mut self, go_on: impl FnMut(&Network) -> bool) -> Result<bool, Exhausted> {
        self.run(Instant::FAR_FUTURE, go_on)
    }

    /// Lets things happen until nothing is left to happen: no packet is on its way and no timer
    /// runs. At most so many events, whatever the bound of other runs is.
    pub fn run_until_idle(&mut self, events: u64) -> Result<(), Exhausted> {
        let bound = std::mem::replace(&mut self.bound, events);
        let done = self.run(Instant::FAR_FUTURE, |_| true);
        self.bound = bound;
        done.map(|_| ())
    }

    /// Whether it was `go_on` that ended the run.
    fn run(
        &mut self,
        end: Instant,
        mut go_on: impl FnMut(&Network) -> bool,
    ) -> Result<bool, Exhausted> {
        let first = self.trace.events;
        self.run += 1;
        while go_on(self) {
            let Some((at, slot)) = self.agenda.first().filter(|(at, _)| *at <= end) else {
                return Ok(false);
            };
            let events = self.trace.events - first;
            if events >= self.bound {
                return Err(self.exhausted(events));
            }
            self.now = self.now.max(at);
            match slot % 2 {
                0 => self.wake(NodeId(slot / 2)),
                _ => self.arrive(slot as usize / 2),
            }
        }
        Ok(true)
    }

    /// A timer of a node is due.
    fn wake(&mut self, node: NodeId) {
        let now = self.now;
        self.trace.timer(now, node);
        self.count(node);
        self.host_mut(node).poll(now);
        self.settle(node);
    }

    /// Packets come out of a lane.
    fn arrive(&mut self, index: usize) {
        let now = self.now;
        let (from, to, port) =
            (self.lanes[index].from, self.lanes[index].to, self.lanes[index].port);
        while let Some(packet) = self.lanes[index].leave(now) {
            self.trace.packet(now, from, to, &packet);
            self.count(to);
            let node = &mut self.nodes[to.0 as usize];
            let lanes = &mut self.lanes;
            let mut send = |lane: usize, packet| {
                lanes[lane].enter(now, packet);
                self.agenda.set(lane_slot(lane), lanes[lane].due());
            };
            match &mut node.kind {
                Kind::Host(host) => host.arrive(now, port, packet),
                Kind::Switch(switch) => match switch.forward(now, port, &packet) {
                    Way::To(out) => send(node.ports[out], packet),
                    Way::Flood => {
                        let out = node.ports.iter().enumerate().filter(|(out, _)| *out != port);
                        let mut out = out.map(|(_, lane)| *lane).peekable();
                        let mut packet = Some(packet);
                        while let Some(lane) = out.next() {
                            // The last one gets the packet itself.
                            let copy =
                                if out.peek().is_some() { packet.clone() } else { packet.take() };
                            copy.into_iter().for_each(|copy| send(lane, copy));
                        }
                    }
                    Way::Nowhere => {}
                },
            }
        }
        self.agenda.set(lane_slot(index), self.lanes[index].due());
        if let Kind::Host(host) = &mut self.nodes[to.0 as usize].kind {
            host.poll(now);
            self.settle(to);
        }
    }

    /// What a host did: its programs are called, what it sent is on its way, and its timers are
    /// noted.
    pub(super) fn settle(&mut self, node: NodeId) {
        let now = self.now;
        let Kind::Host(host) = &mut self.nodes[node.0 as usize].kind else { return };
        host.call_programs(now);
        for port in 0..host.ports() {
            let lane = self.nodes[node.0 as usize].ports[port];
            let Kind::Host(host) = &mut self.nodes[node.0 as usize].kind else { return };
            let mut sent = false;
            while let Some(packet) = host.sent(now, port) {
                self.lanes[lane].enter(now, packet);
                sent = true;
            }
            if sent {
                self.agenda.set(lane_slot(lane), self.lanes[lane].due());
            }
        }
        let due = self.host_mut(node).due(now);
        self.agenda.set(node.slot(), due);
    }

    fn count(&mut self, node: NodeId) {
        let busy = &mut self.nodes[node.0 as usize].busy;
        if busy.0 != self.run {
            *busy = (self.run, 0);
        }
        busy.1 += 1;
    }

    fn exhausted(&self, events: u64) -> Exhausted {
        let nodes = self.nodes.iter().filter(|node| node.busy.0 == self.run);
        let busy = nodes.map(|node| (node.name.clone(), node.busy.1)).collect();
        Exhausted::new(self.seed, self.now, events, self.last_events(), busy)
    }
}
