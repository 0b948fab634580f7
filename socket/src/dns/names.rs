//! Which servers a stack asks for names, and what it knows already.

use std::collections::VecDeque;
use std::net::IpAddr;

use ip::IfIndex;
use netdev::{Counter, Counts, Random};

use super::{Cache, Error, Kind, Lookup, Name};

/// Servers that are asked: beyond three or so nobody has the patience (resolv.conf(5): MAXNS).
const MOST_SERVERS: usize = 4;
/// Domains that are tried, as glibc's of old (resolv.conf(5)).
const MOST_DOMAINS: usize = 6;

/// Where names are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Recursive servers, best first.
    pub servers: Vec<IpAddr>,
    /// Domains that short names may be in.
    pub search: Vec<Name>,
}

/// The names that a stack knows, and who knows others.
#[derive(Debug)]
pub struct Names {
    /// A person's word.
    said: Config,
    /// DHCP's, by interface. What a person said goes before it.
    learnt: Vec<(IfIndex, Config)>,
    /// What was found out.
    pub cache: Cache,
    pub(super) stats: Counts<Stat>,
    random: Random,
}

netdev::reasons! {
    /// What happened while names were looked up.
    pub(super) enum Stat {
        Questions = "questions sent",
        Streams = "questions sent over TCP",
        Ignored = "answers ignored: not to the question that was asked",
        Found = "names found",
        NotFound = "names not found",
        Unanswered = "names that no server knew anything of",
    }
}

impl Names {
    /// No servers yet.
    pub(crate) fn new() -> Names {
        Names {
            said: Config::default(),
            learnt: Vec::new(),
            cache: Cache::default(),
            stats: Counts::default(),
            random: Random::new(0, b"rfc 5452"),
        }
    }

    /// Sets what a person says, and the seed of the numbers that nobody may guess.
    pub fn configure(&mut self, config: Config, seed: u64) {
        self.said = config;
        self.random = Random::new(seed, b"rfc 5452");
        self.cache.clear();
    }

    /// What is asked now: a person's servers, else those that DHCP brought; both search lists.
    pub fn config(&self) -> Config {
        let learnt = || self.learnt.iter().map(|(_, config)| config);
        let mut all = self.said.clone();
        if all.servers.is_empty() {
            all.servers = learnt().flat_map(|config| config.servers.iter().copied()).collect();
        }
        all.search.extend(learnt().flat_map(|config| config.search.iter().cloned()));
        all.servers.truncate(MOST_SERVERS);
        all.search.truncate(MOST_DOMAINS);
        all
    }

    /// Begins to look up a name as a person types it.
    pub fn lookup(&mut self, text: &str, kind: Kind) -> Result<Lookup, Error> {
        let Config { servers, search } = self.config();
        let name: Name = text.parse()?;
        self.begin(candidates(text, name, &search), kind, &servers)
    }

    /// Begins to look up the name of an address.
    pub fn reverse(&mut self, addr: IpAddr) -> Result<Lookup, Error> {
        let servers = self.config().servers;
        self.begin([Name::reverse(addr)].into(), Kind::Ptr, &servers)
    }

    /// Every counter, the ones at zero too.
    pub fn counters(&self) -> Vec<Counter> {
        self.stats.rows().collect()
    }

    /// DHCP brought these on an interface.
    pub(crate) fn learn(&mut self, iface: IfIndex, servers: Vec<IpAddr>, domain: Option<String>) {
        // RFC 2132 §3.17: one domain. What cannot be one is left out.
        let search = domain.and_then(|domain| domain.parse().ok()).into_iter().collect();
        let config = Config { servers, search };
        if self.learnt.iter().any(|known| *known == (iface, config.clone())) {
            return;
        }
        self.forget(iface);
        self.learnt.push((iface, config));
    }

    /// And they are gone.
    pub(crate) fn forget(&mut self, iface: IfIndex) {
        self.learnt.retain(|(at, _)| *at != iface);
        self.cache.clear();
    }

    fn begin(
        &mut self,
        candidates: VecDeque<Name>,
        kind: Kind,
        servers: &[IpAddr],
    ) -> Result<Lookup, Error> {
        if servers.is_empty() {
            return Err(Error::NoServers);
        }
        // Each lookup has a sequence of its own, and none can be told from another.
        let seed = self.random.number();
        Lookup::new(candidates, kind, servers, Random::new(seed, b"dns ids\0"))
    }
}

/// resolv.conf(5), with `ndots:1`: a name with a dot is tried as it is before it is tried in the
/// domains, one without after that; one with a dot at its end only as it is.
fn candidates(text: &str, name: Name, search: &[Name]) -> VecDeque<Name> {
    if text.ends_with('.') {
        return [name].into();
    }
    let mut all: VecDeque<_> = search.iter().filter_map(|domain| name.below(domain)).collect();
    if name.labels() > 1 {
        all.push_front(name);
    } else {
        all.push_back(name);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(text: &str) -> Vec<String> {
        let search = ["lan".parse().unwrap(), "example.org".parse().unwrap()];
        let all = candidates(text, text.parse().unwrap(), &search);
        all.iter().map(Name::to_string).collect()
    }

    #[test]
    fn short_names_are_tried_in_the_domains() {
        assert_eq!(tried("nas"), ["nas.lan", "nas.example.org", "nas"]);
        assert_eq!(tried("a.b"), ["a.b", "a.b.lan", "a.b.example.org"]);
        assert_eq!(tried("nas."), ["nas"]);
    }

    #[test]
    fn a_persons_servers_go_before_those_of_dhcp() {
        let mut names = Names::new();
        let server = |n| IpAddr::from([10, 0, 0, n]);
        assert_eq!(names.lookup("a", Kind::A).unwrap_err(), Error::NoServers);
        names.learn(IfIndex(1), vec![server(1)], Some("lan".into()));
        let search = vec!["lan".parse().unwrap()];
        assert_eq!(names.config(), Config { servers: vec![server(1)], search: search.clone() });
        names.configure(Config { servers: vec![server(2)], search: Vec::new() }, 1);
        assert_eq!(names.config(), Config { servers: vec![server(2)], search });
        names.forget(IfIndex(1));
        assert!(names.config().search.is_empty());
        // A domain that is none is not tried.
        names.learn(IfIndex(1), Vec::new(), Some("not a name".into()));
        assert!(names.config().search.is_empty());
    }
}
