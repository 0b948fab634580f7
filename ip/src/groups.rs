//! Which groups this host listens to (RFC 1112 §7.1).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::{Error, IfIndex};

/// RFC 1112 §4: every host is a member of it, on every interface, for good.
pub(crate) const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// Memberships, each with the number of joins that no leave has taken back: several sockets may
/// want the same group.
#[derive(Debug, Default)]
pub(crate) struct Groups(BTreeMap<(IfIndex, Ipv4Addr), u32>);

impl Groups {
    /// Gives the group where this is the first to join.
    pub(crate) fn join(
        &mut self,
        iface: IfIndex,
        group: IpAddr,
        limit: usize,
    ) -> Result<Option<Ipv4Addr>, Error> {
        let group = check(group)?;
        if !self.0.contains_key(&(iface, group)) && self.0.len() >= limit {
            return Err(Error::Full(limit, "group memberships"));
        }
        let joins = self.0.entry((iface, group)).or_default();
        *joins = joins.saturating_add(1);
        Ok((*joins == 1).then_some(group))
    }

    /// As [`Groups::join`]: gives the group where nobody is left in it.
    pub(crate) fn leave(
        &mut self,
        iface: IfIndex,
        group: IpAddr,
    ) -> Result<Option<Ipv4Addr>, Error> {
        let key = (iface, check(group)?);
        let joins = self.0.get_mut(&key).ok_or(Error::BadAddress(group, "left: not a member"))?;
        *joins -= 1;
        if *joins == 0 {
            self.0.remove(&key);
            return Ok(Some(key.1));
        }
        Ok(None)
    }

    /// The groups on `iface` that routers are told of.
    pub(crate) fn on(&self, iface: IfIndex) -> impl Iterator<Item = Ipv4Addr> {
        let of = (iface, Ipv4Addr::UNSPECIFIED)..=(iface, Ipv4Addr::BROADCAST);
        self.0.range(of).map(|((_, group), _)| *group).filter(|group| *group != ALL_HOSTS)
    }

    /// Forgets the memberships of an interface that is gone.
    pub(crate) fn remove(&mut self, iface: IfIndex) {
        self.0.retain(|(of, _), _| *of != iface);
    }

    /// Whether this host is a member on `iface`.
    pub(crate) fn has(&self, iface: IfIndex, group: Ipv4Addr) -> bool {
        group == ALL_HOSTS || self.0.contains_key(&(iface, group))
    }

    /// Whether it is one anywhere.
    pub(crate) fn any(&self, group: Ipv4Addr) -> bool {
        group == ALL_HOSTS || self.0.keys().any(|(_, joined)| *joined == group)
    }
}

fn check(group: IpAddr) -> Result<Ipv4Addr, Error> {
    match group {
        IpAddr::V4(group) if group.is_multicast() => Ok(group),
        other => Err(Error::BadAddress(other, "a group")),
    }
}
