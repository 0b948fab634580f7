//! A host: a whole stack, its interfaces, and its programs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;

use netdev::{Device as _, Instant, Packet, WireEnd, sooner};
use socket::{Key, Stack};

use super::program::{Event, Io, Program};

/// A host or a router.
pub(super) struct Host {
    pub(super) stack: Stack,
    /// Of each port the far end of the wire that is the interface's device. The wire takes no
    /// time: packets wait in it until the network has taken them.
    nics: Vec<WireEnd>,
    programs: Vec<Option<Box<dyn Program>>>,
    desk: Desk,
    /// The last poll left something.
    more: bool,
}

/// What the host knows of its programs: which of them to call, and when.
#[derive(Debug, Default)]
pub(super) struct Desk {
    owners: BTreeMap<Key, usize>,
    alarms: BTreeSet<(Instant, usize)>,
    /// When the alarm of each program is due.
    alarm_of: Vec<Option<Instant>>,
    /// Whom to call.
    calls: VecDeque<(usize, Event)>,
}

impl Desk {
    pub(super) fn own(&mut self, socket: Key, program: usize) {
        self.owners.insert(socket, program);
    }

    pub(super) fn disown(&mut self, socket: Key) {
        self.owners.remove(&socket);
    }

    pub(super) fn set_alarm(&mut self, program: usize, at: Option<Instant>) {
        if let Some(old) = mem::replace(&mut self.alarm_of[program], at) {
            self.alarms.remove(&(old, program));
        }
        self.alarms.extend(at.map(|at| (at, program)));
    }

    /// The alarms that are due by now become calls.
    fn ring(&mut self, now: Instant) {
        while let Some(&(at, program)) = self.alarms.first().filter(|(at, _)| *at <= now) {
            self.alarms.remove(&(at, program));
            self.alarm_of[program] = None;
            self.calls.push_back((program, Event::Alarm));
        }
    }

    /// The sockets that changed become calls.
    fn collect(&mut self, stack: &mut Stack) {
        while let Some(socket) = stack.changed() {
            if let Some(program) = self.owners.get(&socket) {
                self.calls.push_back((*program, Event::Ready(socket)));
            }
        }
    }
}

impl Host {
    pub(super) fn new(stack: Stack) -> Host {
        Host { stack, nics: Vec::new(), programs: Vec::new(), desk: Desk::default(), more: false }
    }

    /// Gives it one more port.
    pub(super) fn plug(&mut self, nic: WireEnd) {
        self.nics.push(nic);
    }

    /// Starts a program, when the host is next served.
    pub(super) fn start(&mut self, program: Box<dyn Program>) -> usize {
        let number = self.programs.len();
        self.programs.push(Some(program));
        self.desk.alarm_of.push(None);
        self.desk.calls.push_back((number, Event::Start));
        number
    }

    /// A program that was started.
    pub(super) fn program(&self, number: usize) -> &dyn Program {
        self.programs[number].as_deref().expect("no program is asked for while it runs")
    }

    /// As [`Host::program`], to be changed.
    pub(super) fn program_mut(&mut self, number: usize) -> &mut dyn Program {
        self.programs[number].as_deref_mut().expect("no program is asked for while it runs")
    }

    /// A frame arrives at a port.
    pub(super) fn arrive(&mut self, now: Instant, port: usize, packet: Packet) {
        // The wire takes what fits into the MTU, which the link has seen to, and has no limit;
        // where a test has made the interface's MTU smaller, it counts what is too long.
        let _ = self.nics[port].transmit(now, packet);
    }

    /// Lets the stack do what is to be done.
    pub(super) fn poll(&mut self, now: Instant) {
        self.more = self.stack.poll(now).more;
    }

    /// Calls the programs that have something to do. What they do may give them more to do: that
    /// is due at once, but not now, so that a network can see that it has no end.
    pub(super) fn call_programs(&mut self, now: Instant) {
        self.desk.ring(now);
        self.desk.collect(&mut self.stack);
        for _ in 0..self.desk.calls.len() {
            let Some((number, event)) = self.desk.calls.pop_front() else { break };
            let Some(mut program) = self.programs[number].take() else { continue };
            let Host { stack, desk, .. } = self;
            program.on(event, &mut Io { now, stack, desk, number });
            self.programs[number] = Some(program);
        }
        self.desk.collect(&mut self.stack);
    }

    /// What a port sends.
    pub(super) fn sent(&mut self, now: Instant, port: usize) -> Option<Packet> {
        self.nics[port].receive(now)
    }

    pub(super) fn ports(&self) -> usize {
        self.nics.len()
    }

    /// When it has something to do though nothing arrives.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if self.more || !self.desk.calls.is_empty() {
            return Some(now);
        }
        sooner(self.stack.poll_at(), self.desk.alarms.first().map(|(at, _)| *at))
    }
}
