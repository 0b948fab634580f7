//! The routing table: longest prefix, then lowest metric (RFC 1812 §5.2.4.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::interfaces::Interfaces;
use crate::{Cidr, Error, RouteEntry, RouteOrigin};

/// Routes by the length of their prefix. A lookup asks one ordered map for each length in use,
/// from the longest down: at most 33 questions, whatever the number of routes.
#[derive(Debug)]
pub(crate) struct Routes {
    /// At index *n* the routes with a prefix of *n* bits, by network; those to one network by
    /// metric.
    by_prefix: [BTreeMap<u32, Vec<RouteEntry>>; 33],
    set: usize,
}

impl Default for Routes {
    fn default() -> Routes {
        Routes { by_prefix: [const { BTreeMap::new() }; 33], set: 0 }
    }
}

impl Routes {
    /// The best route to `dst` among those that `usable` lets pass.
    pub(crate) fn lookup(
        &self,
        dst: Ipv4Addr,
        usable: impl Fn(&RouteEntry) -> bool,
    ) -> Option<&RouteEntry> {
        self.by_prefix.iter().enumerate().rev().filter(|(_, map)| !map.is_empty()).find_map(
            |(prefix, map)| {
                let network = u32::from(dst) & mask(prefix);
                map.get(&network)?.iter().find(|entry| usable(entry))
            },
        )
    }

    /// Adds a route that somebody set, in place of one with the same destination and metric.
    pub(crate) fn add(&mut self, entry: RouteEntry, limit: usize) -> Result<(), Error> {
        let Some(bucket) = self.bucket(entry.dst) else {
            return Err(Error::Unsupported("route IPv6"));
        };
        let same =
            |old: &RouteEntry| old.origin == RouteOrigin::Static && old.metric == entry.metric;
        if let Some(old) = bucket.iter_mut().find(|old| same(old)) {
            *old = entry;
            return Ok(());
        }
        if self.set >= limit {
            self.tidy(entry.dst);
            return Err(Error::Full(limit, "routes"));
        }
        self.set += 1;
        self.insert(entry);
        Ok(())
    }

    /// Takes the best route that somebody set for `dst` (with `gateway` and `metric`) away.
    pub(crate) fn remove(
        &mut self,
        dst: Cidr,
        gateway: Option<IpAddr>,
        metric: Option<u32>,
    ) -> Result<(), Error> {
        let bucket = self.bucket(dst).ok_or(Error::NoRoute(dst))?;
        let found = bucket.iter().position(|entry| {
            entry.origin == RouteOrigin::Static
                && (gateway.is_none() || entry.gateway == gateway)
                && metric.is_none_or(|metric| entry.metric == metric)
        });
        if let Some(at) = found {
            bucket.remove(at);
            self.set -= 1;
        }
        self.tidy(dst);
        found.map(drop).ok_or(Error::NoRoute(dst))
    }

    /// Makes the routes that follow from the interfaces' addresses anew, and forgets those of
    /// interfaces that are gone.
    pub(crate) fn derive(&mut self, interfaces: &Interfaces) {
        for map in &mut self.by_prefix {
            map.retain(|_, bucket| {
                bucket.retain(|entry| {
                    entry.origin == RouteOrigin::Static && interfaces.get(entry.iface).is_some()
                });
                !bucket.is_empty()
            });
        }
        self.set = self.iter().count();
        let lo = interfaces.iter().find(|interface| interface.loopback).map(|lo| lo.index);
        for interface in interfaces.iter() {
            for own in &interface.addrs {
                let route = |dst, iface, origin| RouteEntry {
                    dst,
                    gateway: None,
                    iface,
                    metric: 0,
                    source: Some(own.addr),
                    origin,
                };
                if interface.loopback {
                    self.insert(route(own.network(), interface.index, RouteOrigin::Local));
                    continue;
                }
                let to_self = lo.unwrap_or(interface.index);
                self.insert(route(Cidr::host(own.addr), to_self, RouteOrigin::Local));
                if own.prefix < 32 {
                    self.insert(route(own.network(), interface.index, RouteOrigin::Connected));
                }
            }
        }
    }

    /// The routes in the order of lookup.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RouteEntry> {
        self.by_prefix.iter().rev().flat_map(|map| map.values().flatten())
    }

    /// Of the same metric, what follows from an address goes before what somebody set.
    fn insert(&mut self, entry: RouteEntry) {
        let Some(bucket) = self.bucket(entry.dst) else { return };
        let rank = |entry: &RouteEntry| (entry.metric, entry.origin == RouteOrigin::Static);
        let at = bucket.partition_point(|old| rank(old) <= rank(&entry));
        bucket.insert(at, entry);
    }

    fn bucket(&mut self, dst: Cidr) -> Option<&mut Vec<RouteEntry>> {
        let IpAddr::V4(addr) = dst.addr else { return None };
        let prefix = usize::from(dst.prefix);
        Some(self.by_prefix.get_mut(prefix)?.entry(u32::from(addr) & mask(prefix)).or_default())
    }

    /// Removes an empty bucket.
    fn tidy(&mut self, dst: Cidr) {
        let IpAddr::V4(addr) = dst.addr else { return };
        let prefix = usize::from(dst.prefix);
        let network = u32::from(addr) & mask(prefix);
        if self.by_prefix[prefix].get(&network).is_some_and(Vec::is_empty) {
            self.by_prefix[prefix].remove(&network);
        }
    }
}

fn mask(prefix: usize) -> u32 {
    u32::MAX.checked_shl(32 - prefix as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests;
