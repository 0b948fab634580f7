//! The client's state machine (RFC 2131 §4.4, figure 5).

use std::net::Ipv4Addr;
use std::time::Duration;

use netdev::{Counter, Counts, Instant, MacAddr, Random};

use super::message::{Kind, Message};
use super::options::code;
use super::{Config, DropReason, Lease, Network, Stat};

/// RFC 2131 §4.1: the first wait, the longest, and how far each is moved at random.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(64);
const FUZZ: Duration = Duration::from_secs(1);
/// RFC 2131 §3.1, 5: a request that is not answered is repeated so often, for 60 s in all.
const REQUESTS: u32 = 4;
/// RFC 2131 §4.4.5: renewing and rebinding are not repeated sooner.
const LEAST_RENEWAL: Duration = Duration::from_secs(60);
/// RFC 2131 §3.1, 5: after a declined address a client waits 10 s at least.
const AFTER_DECLINE: Duration = Duration::from_secs(10);
/// Servers that answer at once with a NAK, again and again, are not asked at full speed. Not in
/// the RFC.
const AFTER_NAK: Duration = Duration::from_secs(1);
/// How long the link is waited for to say whether an address is free: RFC 5227 §2.1.1 takes 7 s,
/// and a minute more after ten conflicts.
const PROBE_PATIENCE: Duration = Duration::from_secs(75);
/// How long a released address stays, so that the release itself can leave from it.
const FAREWELL: Duration = Duration::from_secs(1);

/// RFC 2131 figure 5; two states more, where the RFC has a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Has nothing, and begins when its wait is over.
    Init,
    /// Asks who offers an address.
    Selecting,
    /// Has asked for the address that was offered.
    Requesting,
    /// Asks whether it may go on with the address that it had before.
    Rebooting,
    /// Was granted an address, and asks the link whether anybody uses it (§4.4.1, RFC 5227).
    Probing,
    /// Has an address.
    Bound,
    /// Asks its server for more time.
    Renewing,
    /// Asks any server for more time.
    Rebinding,
    /// Has given its address back.
    Released,
}

impl State {
    /// As a person reads it.
    pub fn name(self) -> &'static str {
        match self {
            State::Init => "init",
            State::Selecting => "selecting",
            State::Requesting => "requesting",
            State::Rebooting => "rebooting",
            State::Probing => "probing",
            State::Bound => "bound",
            State::Renewing => "renewing",
            State::Rebinding => "rebinding",
            State::Released => "released",
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "the interface has to follow"]
pub enum Event {
    /// Nothing that the interface has to follow.
    #[default]
    None,
    /// Use this from now on: a first lease, or one that was renewed.
    Bound(Lease),
    /// Use the lease no longer.
    Lost(Loss),
}

/// Why a lease is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nobody gave more time.
    Expired,
    /// A server says that the address is wrong here.
    Refused,
    /// It was given back.
    Released,
    /// Another host on the link uses it.
    Taken,
}

/// A client for one interface. It has no clock, no socket and no randomness but its seed.
///
/// Who calls: [`Client::input`] for each datagram to port 68, [`Client::free`] or
/// [`Client::contested`] after [`Network::probe`], [`Client::poll`] when [`Client::poll_at`] is due.
#[derive(Debug)]
pub struct Client {
    config: Config,
    state: State,
    /// When the state has something to do next.
    at: Option<Instant>,
    /// What was granted; being probed, in use, or (in Requesting) only offered.
    lease: Option<Lease>,
    random: Random,
    xid: u32,
    /// When this transaction began.
    began: Instant,
    /// How long ago that was in seconds when the last question was asked; a request after an offer
    /// repeats what its discover said (§4.4.1).
    secs: u16,
    /// When the last request was sent: a lease counts from there (§4.4.1).
    asked: Instant,
    /// Messages sent in this state.
    sent: u32,
    drops: Counts<DropReason>,
    stats: Counts<Stat>,
}

impl Client {
    /// A client that begins at its first [`Client::poll`], from `now` on.
    pub fn new(now: Instant, config: Config, seed: u64) -> Client {
        let mut client = Client {
            state: State::Init,
            at: Some(now),
            lease: None,
            random: Random::new(seed, b"rfc 2131"),
            xid: 0,
            began: now,
            secs: 0,
            asked: now,
            sent: 0,
            drops: Counts::default(),
            stats: Counts::default(),
            config,
        };
        if client.config.previous.is_some() {
            client.enter(State::Rebooting, Some(now));
        }
        client
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// The lease in use.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref().filter(|_| self.is_bound())
    }

    /// When [`Client::poll`] has something to do next; `None`: never.
    pub fn poll_at(&self) -> Option<Instant> {
        self.at
    }

    /// Every counter, the ones at zero too.
    pub fn counters(&self) -> Vec<Counter> {
        self.stats.rows().chain(self.drops.rows()).collect()
    }

    /// Takes what came to port 68.
    pub fn input(&mut self, now: Instant, bytes: &[u8], net: &mut dyn Network) -> Event {
        match self.accept(now, bytes) {
            Err(reason) => {
                self.drops.add(reason);
                tracing::trace!(%reason, "dropped");
                Event::None
            }
            Ok(Answer::Offer(lease)) => {
                self.lease = Some(lease);
                self.enter(State::Requesting, Some(now));
                self.poll(now, net)
            }
            Ok(Answer::Ack(lease)) => self.granted(now, lease, net),
            Ok(Answer::Nak) => self.refused(now),
        }
    }

    /// Whether this address was granted, and the link is being asked for it.
    pub fn is_probing(&self, addr: Ipv4Addr) -> bool {
        self.state == State::Probing && self.lease.as_ref().is_some_and(|lease| lease.ip() == addr)
    }

    /// Nobody on the link has the address.
    pub fn free(&mut self, addr: Ipv4Addr) -> Event {
        match self.lease.clone() {
            Some(lease) if self.is_probing(addr) => self.bind(lease),
            _ => Event::None,
        }
    }

    /// The host `mac` on the link has the address: one that is being probed for, or one that is in
    /// use and did not become free by being defended (RFC 5227 §2.4). The server is told, and
    /// another address asked for; that one must not be asked for again (RFC 2131 §3.1, 5).
    pub fn contested(
        &mut self,
        now: Instant,
        addr: Ipv4Addr,
        mac: MacAddr,
        net: &mut dyn Network,
    ) -> Event {
        let bound = self.is_bound() && self.state != State::Released;
        if self.lease.as_ref().is_none_or(|lease| lease.ip() != addr)
            || !(bound || self.is_probing(addr))
        {
            return Event::None;
        }
        let Some(lease) = self.lease.take() else { return Event::None };
        self.config.previous = None;
        tracing::warn!(addr = %lease.ip(), %mac, "the address granted by DHCP is in use: declined");
        self.stats.add(Stat::Declined);
        // §4.4.4: a decline is broadcast, and is not answered.
        let mut decline = self.message(Kind::Decline);
        (decline.secs, decline.broadcast) = (0, false);
        decline.options.set(code::REQUESTED, lease.ip().octets());
        decline.options.set(code::SERVER_ID, lease.server.octets());
        decline.options.set(code::MESSAGE, *b"address in use (RFC 5227)");
        net.broadcast(now, Ipv4Addr::UNSPECIFIED, &decline.to_bytes());
        self.enter(State::Init, Some(now + AFTER_DECLINE));
        if bound { Event::Lost(Loss::Taken) } else { Event::None }
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant, net: &mut dyn Network) -> Event {
        if self.at.is_none_or(|at| at > now) {
            return Event::None;
        }
        match self.state {
            State::Init => {
                self.xid = self.random.number() as u32;
                self.began = now;
                self.enter(State::Selecting, Some(now));
                self.poll(now, net)
            }
            State::Selecting => {
                self.note_secs(now);
                let mut discover = self.message(Kind::Discover);
                self.ask_for_everything(&mut discover);
                self.broadcast(now, discover, net);
                Event::None
            }
            State::Requesting if self.sent == REQUESTS => {
                self.lease = None;
                self.enter(State::Init, Some(now));
                self.poll(now, net)
            }
            State::Requesting => {
                let Some(offer) = &self.lease else { return Event::None };
                let (addr, server) = (offer.ip(), offer.server);
                self.request(now, Some(addr), Some(server), net);
                Event::None
            }
            State::Rebooting if self.lease.as_ref().is_some_and(|lease| now >= lease.end) => {
                self.extend(now, net)
            }
            State::Rebooting if self.sent == REQUESTS => {
                // §3.2, 4: whoever still has a lease may go on with it.
                match &self.lease {
                    Some(lease) => self.enter(State::Bound, Some(lease.t1)),
                    None => {
                        self.config.previous = None;
                        self.enter(State::Init, Some(now));
                    }
                }
                self.poll(now, net)
            }
            State::Rebooting => {
                if self.sent == 0 {
                    self.xid = self.random.number() as u32;
                    self.began = now;
                }
                self.note_secs(now);
                let previous = self.config.previous;
                self.request(now, previous, None, net);
                Event::None
            }
            State::Probing => {
                self.lease = None;
                self.enter(State::Init, Some(now));
                self.poll(now, net)
            }
            State::Bound | State::Renewing | State::Rebinding => self.extend(now, net),
            State::Released => self.give_up(Loss::Released),
        }
    }

    /// Gives the address back (§4.4.6). The lease is lost a second later, when the message has
    /// left.
    pub fn release(&mut self, now: Instant, net: &mut dyn Network) {
        if self.state == State::Released {
            return;
        }
        let bound = self.lease().cloned();
        self.enter(State::Released, bound.is_some().then_some(now + FAREWELL));
        let Some(lease) = bound else {
            self.lease = None;
            return;
        };
        self.stats.add(Stat::Released);
        self.xid = self.random.number() as u32;
        let mut release = self.message(Kind::Release);
        // §4.4.1, table 5.
        (release.secs, release.ciaddr, release.broadcast) = (0, lease.ip(), false);
        release.options.set(code::SERVER_ID, lease.server.octets());
        net.unicast(now, lease.server, &release.to_bytes());
    }

    /// The link was down and is up again: perhaps it is another network (§3.7).
    pub fn link_up(&mut self, now: Instant) {
        match self.state {
            State::Bound | State::Renewing | State::Rebinding => {
                self.config.previous = self.lease.as_ref().map(Lease::ip);
                self.enter(State::Rebooting, Some(now));
            }
            State::Probing => self.enter(State::Init, Some(now)),
            State::Init | State::Selecting | State::Requesting | State::Rebooting => {
                // Whatever was sent was lost: at once, and from the shortest wait on.
                self.sent = 0;
                self.at = Some(now);
            }
            State::Released => {}
        }
    }

    fn is_bound(&self) -> bool {
        match self.state {
            State::Bound | State::Renewing | State::Rebinding | State::Released => true,
            // After a link came up again; not where it began that way.
            State::Rebooting => true,
            State::Init | State::Selecting | State::Requesting | State::Probing => false,
        }
    }

    fn enter(&mut self, state: State, at: Option<Instant>) {
        if self.state != state {
            tracing::debug!(from = ?self.state, to = ?state, "dhcp");
        }
        (self.state, self.at, self.sent) = (state, at, 0);
    }

    fn give_up(&mut self, loss: Loss) -> Event {
        self.at = None;
        match self.lease.take() {
            Some(_) => Event::Lost(loss),
            None => Event::None,
        }
    }

    /// What a datagram says, where it is an answer to what was asked.
    fn accept(&self, now: Instant, bytes: &[u8]) -> Result<Answer, DropReason> {
        let message = Message::parse(bytes).map_err(|_| DropReason::Malformed)?;
        if !message.reply || message.xid != self.xid || message.chaddr != self.config.mac {
            return Err(DropReason::NotForUs);
        }
        let server = message.options.addr(code::SERVER_ID).ok().flatten();
        let chosen = self.lease.as_ref().map(|lease| lease.server);
        match (self.state, message.kind) {
            (State::Selecting, Kind::Offer) => {
                Ok(Answer::Offer(Lease::read(&message, now).map_err(|_| DropReason::Unfit)?))
            }
            // Another server than the chosen one has no say.
            (State::Requesting, Kind::Ack | Kind::Nak) if server != chosen => {
                Err(DropReason::OtherServer)
            }
            (
                State::Requesting | State::Rebooting | State::Renewing | State::Rebinding,
                Kind::Ack,
            ) => Ok(Answer::Ack(Lease::read(&message, self.asked).map_err(|_| DropReason::Unfit)?)),
            (
                State::Requesting | State::Rebooting | State::Renewing | State::Rebinding,
                Kind::Nak,
            ) => Ok(Answer::Nak),
            _ => Err(DropReason::Unexpected),
        }
    }

    fn granted(&mut self, now: Instant, lease: Lease, net: &mut dyn Network) -> Event {
        let known =
            self.is_bound() && self.lease.as_ref().is_some_and(|old| old.addr == lease.addr);
        if known || !self.config.probe {
            return self.bind(lease);
        }
        // An address that replaces another on renewal is probed like the first one.
        let lost = if self.is_bound() { self.give_up(Loss::Refused) } else { Event::None };
        if !net.probe(now, lease.ip()) {
            return self.bind(lease);
        }
        self.lease = Some(lease);
        self.enter(State::Probing, Some(now + PROBE_PATIENCE));
        lost
    }

    fn bind(&mut self, lease: Lease) -> Event {
        self.stats.add(if self.is_bound() { Stat::Renewed } else { Stat::Bound });
        self.config.previous = Some(lease.ip());
        self.enter(State::Bound, Some(lease.t1));
        self.lease = Some(lease.clone());
        Event::Bound(lease)
    }

    fn refused(&mut self, now: Instant) -> Event {
        self.stats.add(Stat::Refused);
        let lost = if self.is_bound() { self.give_up(Loss::Refused) } else { Event::None };
        (self.lease, self.config.previous) = (None, None);
        self.enter(State::Init, Some(now + AFTER_NAK));
        lost
    }

    /// §4.4.5: asks its own server from T1 on, any server from T2 on, and gives up at the end.
    fn extend(&mut self, now: Instant, net: &mut dyn Network) -> Event {
        let Some(lease) = self.lease.clone() else { return Event::None };
        if now >= lease.end {
            let lost = self.give_up(Loss::Expired);
            self.config.previous = None;
            self.enter(State::Init, Some(now));
            return lost;
        }
        let (state, until) = match now >= lease.t2 {
            true => (State::Rebinding, lease.end),
            false => (State::Renewing, lease.t2),
        };
        if self.state != state {
            if self.state == State::Bound {
                self.xid = self.random.number() as u32;
                self.began = now;
            }
            self.enter(state, None);
        }
        // §4.4.5: half of the remaining time, but a minute at least.
        self.at = Some(until.min(now + (until.since(now) / 2).max(LEAST_RENEWAL)));
        self.sent += 1;
        self.asked = now;
        self.note_secs(now);
        let mut request = self.message(Kind::Request);
        // Table 5: the address in `ciaddr`, neither address nor server among the options. It can
        // be reached there.
        (request.ciaddr, request.broadcast) = (lease.ip(), false);
        self.ask_for_everything(&mut request);
        match state {
            State::Renewing => net.unicast(now, lease.server, &request.to_bytes()),
            _ => net.broadcast(now, lease.ip(), &request.to_bytes()),
        }
        Event::None
    }

    fn request(
        &mut self,
        now: Instant,
        addr: Option<Ipv4Addr>,
        server: Option<Ipv4Addr>,
        net: &mut dyn Network,
    ) {
        let mut request = self.message(Kind::Request);
        if let Some(addr) = addr {
            request.options.set(code::REQUESTED, addr.octets());
        }
        if let Some(server) = server {
            request.options.set(code::SERVER_ID, server.octets());
        }
        self.ask_for_everything(&mut request);
        self.asked = now;
        self.broadcast(now, request, net);
    }

    /// Sends to everybody, and waits twice as long as before.
    fn broadcast(&mut self, now: Instant, message: Message, net: &mut dyn Network) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.sent.min(8)).min(LONGEST_WAIT);
        let fuzz = self.random.between(Duration::ZERO, 2 * FUZZ);
        let next = now + (wait + fuzz).saturating_sub(FUZZ);
        // Nothing is used past its end, whatever is asked meanwhile.
        let end = self.lease().map_or(next, |lease| lease.end);
        self.at = Some(next.min(end));
        self.sent += 1;
        net.broadcast(now, Ipv4Addr::UNSPECIFIED, &message.to_bytes());
    }

    fn note_secs(&mut self, now: Instant) {
        self.secs = now.since(self.began).as_secs().try_into().unwrap_or(u16::MAX);
    }

    /// A message with what each has.
    fn message(&self, kind: Kind) -> Message {
        let mut message = Message::new(kind, false, self.xid, self.config.mac);
        message.secs = self.secs;
        message.broadcast = self.config.broadcast;
        message.options.set(code::CLIENT_ID, client_id(self.config.mac));
        message
    }

    /// The options of a discover and a request.
    fn ask_for_everything(&self, message: &mut Message) {
        use code::*;
        let wanted =
            [SUBNET_MASK, ROUTER, DNS, HOST_NAME, DOMAIN, MTU, BROADCAST, LEASE_TIME, T1, T2];
        message.options.set(PARAMETERS, wanted);
        message.options.set(MAX_SIZE, self.config.max_size.to_be_bytes());
        if let Some(name) = &self.config.host_name {
            message.options.set(HOST_NAME, name.as_bytes());
        }
    }
}

/// What a server said that matters now.
enum Answer {
    Offer(Lease),
    Ack(Lease),
    Nak,
}

/// RFC 2132 §9.14: the link address behind its type.
fn client_id(mac: MacAddr) -> Vec<u8> {
    let mut id = vec![1];
    id.extend(mac.0);
    id
}

#[cfg(test)]
mod tests;
