//! [`Tcp`]: sockets, connections and tables, and what keeps them together.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use ip::{Handle, Output, SocketError};
use netdev::{Counts, Instant};

use crate::challenge::ChallengeLimit;
use crate::isn::IsnGenerator;
use crate::listen::Listener;
use crate::slab::Slab;
use crate::stats::Event;
use crate::syn_cookies::SynCookies;
use crate::table::{Owner, Table};
use crate::tcb::{ConnId, Context, Signals, Standing, Tcb};
use crate::time_wait::{Remains, TimeWait};
use crate::timers::TimerQueue;
use crate::{Config, DropReason, Settings, State};

mod abandon;
mod cookies;
mod input;
mod opening;
mod options;
mod streams;
mod transfer;
mod view;

#[cfg(test)]
mod tests;

/// RFC 9293's TCP, whole: the default implementation of [`Streams`](crate::Streams).
pub struct Tcp {
    config: Config,
    /// What a new socket starts with.
    defaults: Arc<Settings>,
    sockets: Slab<Socket>,
    connections: Slab<Box<Tcb>>,
    table: Table,
    time_wait: TimeWait,
    timers: TimerQueue,
    isn: IsnGenerator,
    cookies: SynCookies,
    challenges: ChallengeLimit,
    drops: Counts<DropReason>,
    events: Counts<Event>,
    /// Sockets whose readiness may have changed, each once.
    changed: VecDeque<Handle>,
    /// Connections that may have something to send, each once.
    work: VecDeque<ConnId>,
    orphans: usize,
    /// Bytes in the buffers of all connections.
    memory: usize,
}

/// What a handle stands for.
struct Socket {
    kind: Kind,
    /// The port that it is bound to in the table.
    bound: Option<u16>,
    /// It is in the list of changed sockets.
    changed: bool,
}

enum Kind {
    /// Neither listening nor connected.
    Fresh { settings: Arc<Settings>, local: Option<SocketAddr> },
    /// In state LISTEN.
    Listener(Box<Listener>),
    /// A connection, in whatever state.
    Stream(ConnId),
}

impl Tcp {
    /// A TCP without sockets. Whatever has to be unpredictable comes from `seed`: two stacks with
    /// the same seed and the same input do the same.
    pub fn new(config: Config, seed: u64) -> Tcp {
        Tcp {
            sockets: Slab::new(),
            connections: Slab::new(),
            table: Table::new(config.ports.clone(), seed),
            time_wait: TimeWait::new(config.time_wait, config.max_time_wait, seed),
            timers: TimerQueue::new(),
            isn: IsnGenerator::new(seed),
            cookies: SynCookies::new(seed),
            challenges: ChallengeLimit::new(config.challenge_acks, seed),
            drops: Counts::default(),
            events: Counts::default(),
            changed: VecDeque::new(),
            work: VecDeque::new(),
            orphans: 0,
            memory: 0,
            defaults: Arc::new(config.settings()),
            config,
        }
    }

    /// Does something with a connection, then what follows from it for the stack.
    fn with<R>(
        &mut self,
        now: Instant,
        out: &mut dyn Output,
        id: ConnId,
        act: impl FnOnce(&mut Tcb, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let tcb = self.connections.get_mut(id.0)?;
        let listener = tcb.listener.and_then(|handle| self.sockets.get(handle));
        let room_to_accept = match listener.map(|socket| &socket.kind) {
            Some(Kind::Listener(listener)) => listener.has_room(),
            _ => false,
        };
        let tuned = tcb.settings.tuned.clone();
        let mut cx = Context {
            now,
            out,
            config: tuned.or(&self.config),
            events: &mut self.events,
            challenges: &mut self.challenges,
            room_to_accept,
            pressure: self.memory > self.config.memory / 4 * 3,
            exhausted: self.memory > self.config.memory,
            route: None,
        };
        let result = act(tcb, &mut cx);
        self.settle(now, id);
        Some(result)
    }

    /// Does what a connection's signals ask for.
    fn settle(&mut self, now: Instant, id: ConnId) {
        let Some(tcb) = self.connections.get_mut(id.0) else { return };
        let signals = std::mem::take(&mut tcb.signals);
        let memory = tcb.memory();
        self.memory = self.memory + memory - tcb.charged as usize;
        // The limits of its parts are far below 4 GiB.
        tcb.charged = memory as u32;
        if signals.contains(Signals::OUTPUT) && !tcb.has_work {
            tcb.has_work = true;
            self.work.push_back(id);
        }
        self.timers.schedule(id, &mut tcb.timers);
        let (socket, listener) = (tcb.socket, tcb.listener);
        let readiness = view::readiness(tcb, tcb.settings.tuned.or(&self.config));
        let before = std::mem::replace(&mut tcb.readiness, readiness);
        // More of what was there already counts as a change, for whoever waits for edges.
        if (signals.contains(Signals::READY) || before != readiness)
            && let Some(socket) = socket
        {
            self.mark_changed(socket);
        }
        if signals.contains(Signals::ESTABLISHED)
            && let Some(listener) = listener
        {
            self.enqueue_accepted(id, listener);
        }
        if signals.contains(Signals::CLOSED) {
            self.closed(id);
        } else if signals.contains(Signals::TIME_WAIT) {
            self.enter_time_wait(now, id);
        }
    }

    fn mark_changed(&mut self, handle: Handle) {
        if let Some(socket) = self.sockets.get_mut(handle)
            && !socket.changed
        {
            socket.changed = true;
            self.changed.push_back(handle);
        }
    }

    fn listener_mut(&mut self, handle: Handle) -> Option<&mut Listener> {
        match &mut self.sockets.get_mut(handle)?.kind {
            Kind::Listener(listener) => Some(listener),
            _ => None,
        }
    }

    fn enqueue_accepted(&mut self, id: ConnId, handle: Handle) {
        self.events.add(Event::PassiveOpens);
        let Some(tcb) = self.connections.get_mut(id.0) else { return };
        let standing = std::mem::replace(&mut tcb.standing, Standing::Waiting);
        if let Some(listener) = self.listener_mut(handle) {
            listener.leave(standing);
            listener.ready.push_back(id);
        }
        self.mark_changed(handle);
    }

    /// A connection is in state CLOSED: its four-tuple is free, and it is gone where nobody has
    /// anything to learn of it any more.
    fn closed(&mut self, id: ConnId) {
        let Some(tcb) = self.connections.get(id.0) else { return };
        let (tuple, standing, listener) = (tcb.tuple, tcb.standing, tcb.listener);
        if !tcb.was_established {
            self.events.add(Event::FailedOpens);
        }
        if self.table.owner(&tuple) == Some(Owner::Connection(id)) {
            self.table.remove(&tuple);
        }
        match standing {
            // Its user reads the rest and the error; one that waits to be accepted will have one.
            Standing::Owned | Standing::Waiting => {}
            Standing::HalfOpen(_) => {
                if let Some(listener) = listener.and_then(|handle| self.listener_mut(handle)) {
                    listener.leave(standing);
                }
                self.remove(id);
            }
            Standing::Orphan => self.remove(id),
        }
    }

    /// TIME-WAIT: what has to be remembered takes a hundred bytes. A socket keeps the connection
    /// beside that, for what it has not read.
    fn enter_time_wait(&mut self, now: Instant, id: ConnId) {
        let Some(tcb) = self.connections.get_mut(id.0) else { return };
        let tuple = tcb.tuple;
        let window = (tcb.rcv.window() >> tcb.rcv.scale).min(65_535) as u16;
        tcb.timers.clear_all();
        let owned = tcb.standing == Standing::Owned;
        let remains = Remains::new(
            tcb.snd.nxt,
            tcb.rcv.nxt,
            window,
            tcb.settings.ttl,
            tcb.settings.tos,
            tcb.timestamps.map(|clock| (clock.recent, clock.offset)),
            owned.then_some(id),
        );
        if !owned {
            self.remove(id);
        }
        self.table.insert(tuple, Owner::TimeWait);
        for (tuple, remains) in self.time_wait.insert(now, tuple, remains) {
            self.events.add(Event::TimeWaitOverflow);
            self.time_wait_over(tuple, &remains);
        }
    }

    /// A TIME-WAIT has ended.
    fn time_wait_over(&mut self, tuple: crate::table::Tuple, remains: &Remains) {
        if self.table.owner(&tuple) == Some(Owner::TimeWait) {
            self.table.remove(&tuple);
        }
        let Some(id) = remains.id else { return };
        if let Some(tcb) = self.connections.get_mut(id.0) {
            tcb.enter(State::Closed, "2MSL timeout");
            tcb.signals = Signals::empty();
            if let Some(socket) = tcb.socket {
                self.mark_changed(socket);
            }
        }
    }

    /// Forgets a connection.
    fn remove(&mut self, id: ConnId) {
        let Some(tcb) = self.connections.remove(id.0) else { return };
        self.memory -= tcb.charged as usize;
        if tcb.standing == Standing::Orphan {
            self.orphans -= 1;
        }
    }

    fn socket(&self, handle: Handle) -> Result<&Socket, SocketError> {
        self.sockets.get(handle).ok_or(SocketError::BadHandle)
    }

    /// The connection of a connected socket.
    fn stream(&self, handle: Handle) -> Result<ConnId, SocketError> {
        match self.socket(handle)?.kind {
            Kind::Stream(id) => Ok(id),
            Kind::Fresh { .. } | Kind::Listener(_) => Err(SocketError::NotConnected),
        }
    }

    fn tcb(&self, id: ConnId) -> Result<&Tcb, SocketError> {
        self.connections.get(id.0).map(|tcb| &**tcb).ok_or(SocketError::BadHandle)
    }
}
