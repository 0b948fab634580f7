//! One name being looked up: the state machine.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use netdev::{Instant, Random};

use super::message::{self, Rcode, Response};
use super::{Answer, Cache, Error, Kind, Name, SERVER_PORT};

/// RFC 1035 §4.2.1: two to five seconds; twice that in the next round.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
/// How often all the servers are asked.
const ROUNDS: u32 = 3;
/// How long a connection, its question and its answer may take.
const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// How many names may lead to each other. RFC 1034 §5.2.2 wants a limit; others have 8 to 17.
const MOST_ALIASES: usize = 12;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this to the server in a datagram from a new port, and no longer listen at an old one
    /// (RFC 5452 §9.2: a port that nobody can guess, for each question).
    Datagram(SocketAddr, Vec<u8>),
    /// Connect to the server, send this, and read one answer (RFC 7766). Both have two bytes of
    /// length in front.
    Stream(SocketAddr, Vec<u8>),
    /// Nothing before this time, unless an answer comes.
    Wait(Instant),
    /// The end.
    Done(Result<Answer, Error>),
}

/// By which way an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// UDP.
    Datagram,
    /// TCP.
    Stream,
}

/// A name that is being looked up. Call [`Lookup::poll`], do what it says, bring what comes to
/// [`Lookup::input`], and call it again.
#[derive(Debug)]
pub struct Lookup {
    kind: Kind,
    servers: Vec<SocketAddr>,
    /// Names to try yet, the next first: the name itself and what the search list makes of it.
    candidates: VecDeque<Name>,
    /// The one that is tried.
    candidate: Name,
    /// What is asked for: the candidate, or what it is another name for.
    asked: Name,
    aliases: Vec<Name>,
    /// The least TTL of the aliases.
    ttl: Duration,
    phase: Phase,
    server: usize,
    round: u32,
    /// Whether the servers may be asked with EDNS.
    edns: bool,
    id: u16,
    random: Random,
    /// What is wrong with the servers that were asked for this name.
    problem: Option<Error>,
    /// Whether one of the candidates exists, if without such a record.
    exists: bool,
    /// What servers said that could not tell of one of them.
    untold: Option<Error>,
    ignored: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// A name to look up, perhaps in the cache.
    Begin,
    /// A question to send.
    Ask(Via),
    /// It was sent.
    Sent(Via, Instant),
    Done(Result<Answer, Error>),
}

impl Lookup {
    /// Looks up the first of `candidates` that exists, at `servers`.
    pub(super) fn new(
        mut candidates: VecDeque<Name>,
        kind: Kind,
        servers: &[IpAddr],
        random: Random,
    ) -> Result<Lookup, Error> {
        let candidate = candidates.pop_front().ok_or(Error::NotFound)?;
        let servers: Vec<_> =
            servers.iter().map(|server| SocketAddr::new(*server, SERVER_PORT)).collect();
        Ok(Lookup {
            kind,
            servers,
            candidates,
            asked: candidate.clone(),
            candidate,
            aliases: Vec::new(),
            ttl: Duration::MAX,
            phase: Phase::Begin,
            server: 0,
            round: 0,
            edns: true,
            id: 0,
            random,
            problem: None,
            exists: false,
            untold: None,
            ignored: 0,
        })
    }

    /// How many messages came that were no answer to what was asked, since this was last asked.
    pub fn take_ignored(&mut self) -> u64 {
        std::mem::take(&mut self.ignored)
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Instant, cache: &mut Cache) -> Step {
        loop {
            match self.phase.clone() {
                Phase::Begin => match cache.find(now, &self.asked, self.kind) {
                    Some(found) => self.found(found),
                    None if self.servers.is_empty() => {
                        self.phase = Phase::Done(Err(Error::NoServers))
                    }
                    None => self.phase = Phase::Ask(Via::Datagram),
                },
                Phase::Ask(via) => return self.ask(now, via),
                Phase::Sent(_, until) if now >= until => self.failed(Error::NoAnswer),
                Phase::Sent(_, until) => return Step::Wait(until),
                Phase::Done(result) => return Step::Done(result),
            }
        }
    }

    /// Takes what came by `via`. Anything but the answer that is waited for is ignored.
    pub fn input(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        message: &[u8],
        cache: &mut Cache,
    ) {
        // RFC 5452 §9.1: the server, the ID and the question must be those of what was sent.
        let expected = matches!(self.phase, Phase::Sent(waits, _) if waits == via);
        let response = match Response::parse(message) {
            Ok(response)
                if expected
                    && response.id == self.id
                    && self.servers.get(self.server) == Some(&from)
                    && self.is_repeated(&response) =>
            {
                response
            }
            _ => {
                self.ignored += 1;
                tracing::debug!(%from, name = %self.asked, "dns: not an answer to the question");
                return;
            }
        };
        if response.truncated && via == Via::Datagram {
            // RFC 7766 §5: a truncated answer is asked for again over TCP.
            self.phase = Phase::Ask(Via::Stream);
            return;
        }
        match response.rcode {
            Rcode::NoError => self.take(now, &response, cache),
            Rcode::NxDomain => self.negative(now, Error::NotFound, &response, cache),
            // RFC 6891 §7: a server that does not know EDNS.
            Rcode::FormErr if self.edns => {
                self.edns = false;
                self.phase = Phase::Ask(Via::Datagram);
            }
            Rcode::FormErr => self.failed(Error::Server(1)),
            Rcode::Other(code) => self.failed(Error::Server(code)),
        }
    }

    /// What was sent by `via` cannot arrive, or its answer cannot come: no need to wait.
    pub fn unreachable(&mut self, via: Via) {
        if matches!(self.phase, Phase::Sent(waits, _) if waits == via) {
            self.failed(Error::NoAnswer);
        }
    }

    /// Whether the question stands in the answer (RFC 5452 §9.1). One that was not understood
    /// may come back without.
    fn is_repeated(&self, response: &Response) -> bool {
        match &response.question {
            Some((name, kind)) => (name, *kind) == (&self.asked, self.kind),
            None => response.rcode == Rcode::FormErr,
        }
    }

    fn ask(&mut self, now: Instant, via: Via) -> Step {
        let server = self.servers[self.server];
        self.id = self.random.number() as u16;
        let query = message::query(self.id, &self.asked, self.kind, self.edns);
        match via {
            Via::Datagram => {
                self.phase = Phase::Sent(via, now + FIRST_TIMEOUT * (1 << self.round));
                Step::Datagram(server, query)
            }
            Via::Stream => {
                self.phase = Phase::Sent(via, now + STREAM_TIMEOUT);
                let mut framed = (query.len() as u16).to_be_bytes().to_vec();
                framed.extend(query);
                Step::Stream(server, framed)
            }
        }
    }

    /// This server does not help: on to the next, and round again.
    fn failed(&mut self, error: Error) {
        tracing::debug!(server = %self.servers[self.server], name = %self.asked, %error, "dns");
        // A server that says something says more than one that is silent.
        if !matches!((&self.problem, &error), (Some(_), Error::NoAnswer)) {
            self.problem = Some(error);
        }
        self.phase = Phase::Ask(Via::Datagram);
        self.server += 1;
        if self.server < self.servers.len() {
            return;
        }
        self.server = 0;
        self.round += 1;
        // One that has said no does not change its mind in seconds.
        let silent = self.problem == Some(Error::NoAnswer);
        if self.round >= ROUNDS || !silent {
            let problem = self.problem.take().unwrap_or(Error::NoAnswer);
            // Where nobody answers, nobody answers for the other candidates either.
            self.next_candidate(problem, !silent);
        }
    }

    /// Follows the aliases of an answer to its end (RFC 1034 §3.6.2, §5.3.3).
    fn take(&mut self, now: Instant, response: &Response, cache: &mut Cache) {
        let mut ttl = self.ttl;
        let seconds = |ttl: u32| Duration::from_secs(ttl.into());
        loop {
            let here = response.answers.iter().filter(|record| record.name == self.asked);
            let found: Vec<_> = here.clone().filter(|record| record.data.is(self.kind)).collect();
            if !found.is_empty() {
                ttl = found.iter().fold(ttl, |ttl, record| ttl.min(seconds(record.ttl)));
                let answer = Answer {
                    name: self.asked.clone(),
                    aliases: self.aliases.clone(),
                    data: found.into_iter().map(|record| record.data.clone()).collect(),
                    ttl,
                };
                cache.keep(now, &self.candidate, self.kind, &Ok(answer.clone()), Duration::ZERO);
                self.phase = Phase::Done(Ok(answer));
                return;
            }
            let alias = here.clone().find_map(|record| match &record.data {
                message::Data::Cname(target) => Some((target.clone(), record.ttl)),
                _ => None,
            });
            let Some((target, alias_ttl)) = alias else { break };
            if self.aliases.len() >= MOST_ALIASES || self.aliases.contains(&target) {
                return self.next_candidate(Error::AliasLoop, true);
            }
            ttl = ttl.min(seconds(alias_ttl));
            self.aliases.push(std::mem::replace(&mut self.asked, target));
            self.ttl = ttl;
        }
        let asked = response.question.as_ref().map(|(name, _)| name);
        if asked != Some(&self.asked) && response.negative_ttl.is_none() {
            // The chain leads out of this answer: its end is asked for.
            (self.server, self.round) = (0, 0);
            self.phase = Phase::Begin;
            return;
        }
        self.negative(now, Error::NoData, response, cache);
    }

    fn negative(&mut self, now: Instant, error: Error, response: &Response, cache: &mut Cache) {
        // RFC 2308 §5: without an SOA it is not kept.
        let ttl = Duration::from_secs(response.negative_ttl.unwrap_or(0).into()).min(self.ttl);
        cache.keep(now, &self.candidate, self.kind, &Err(error.clone()), ttl);
        self.next_candidate(error, true);
    }

    /// From the cache.
    fn found(&mut self, found: Result<Answer, Error>) {
        match found {
            Ok(answer) => {
                // What is kept is what lies behind the aliases that led there.
                let aliases = self.aliases.drain(..).chain(answer.aliases).collect();
                let ttl = answer.ttl.min(self.ttl);
                self.phase = Phase::Done(Ok(Answer { aliases, ttl, ..answer }));
            }
            Err(error) => self.next_candidate(error, true),
        }
    }

    /// The name leads nowhere: is there another to try?
    fn next_candidate(&mut self, error: Error, go_on: bool) {
        self.exists |= error == Error::NoData;
        if matches!(error, Error::Server(_)) {
            self.untold = Some(error.clone());
        }
        self.aliases.clear();
        match self.candidates.pop_front().filter(|_| go_on) {
            Some(next) => {
                (self.asked, self.candidate) = (next.clone(), next);
                (self.server, self.round, self.ttl) = (0, 0, Duration::MAX);
                self.problem = None;
                self.phase = Phase::Begin;
            }
            // That a name exists says more than that another does not.
            None if self.exists && error == Error::NotFound => {
                self.phase = Phase::Done(Err(Error::NoData));
            }
            // Nor does that another does not exist say anything of the one nobody told of.
            None if error == Error::NotFound => {
                self.phase = Phase::Done(Err(self.untold.take().unwrap_or(error)));
            }
            None => self.phase = Phase::Done(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests;
