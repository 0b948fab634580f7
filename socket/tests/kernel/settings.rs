//! The options' names in C, and their units.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use libc::{IPPROTO_IP, IPPROTO_TCP, SOL_SOCKET};
use socket::conformance::Setting;
use tcp::KeepAlive;

use crate::sys::{Linger, Name, get, set};

const KEEP_ALIVE: Name = (SOL_SOCKET, libc::SO_KEEPALIVE);
const KEEP_IDLE: Name = (IPPROTO_TCP, libc::TCP_KEEPIDLE);
const KEEP_INTERVAL: Name = (IPPROTO_TCP, libc::TCP_KEEPINTVL);
const KEEP_COUNT: Name = (IPPROTO_TCP, libc::TCP_KEEPCNT);
const LINGER: Name = (SOL_SOCKET, libc::SO_LINGER);
const USER_TIMEOUT: Name = (IPPROTO_TCP, libc::TCP_USER_TIMEOUT);
const MTU_DISCOVER: Name = (IPPROTO_IP, libc::IP_MTU_DISCOVER);

pub(crate) fn change(fd: BorrowedFd<'_>, setting: Setting) -> io::Result<()> {
    match setting {
        Setting::KeepAlive(None) => set(fd, KEEP_ALIVE, 0),
        Setting::KeepAlive(Some(KeepAlive { idle, interval, count })) => {
            set(fd, KEEP_ALIVE, 1)?;
            set(fd, KEEP_IDLE, seconds(idle))?;
            set(fd, KEEP_INTERVAL, seconds(interval))?;
            set(fd, KEEP_COUNT, number(count))
        }
        Setting::Linger(time) => {
            let linger = Linger { on: time.is_some().into(), seconds: time.map_or(0, seconds) };
            set(fd, LINGER, linger)
        }
        Setting::UserTimeout(time) => {
            set(fd, USER_TIMEOUT, time.map_or(0, |time| number(time.as_millis())))
        }
        Setting::DontFragment(on) => {
            let how = if on { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
            set(fd, MTU_DISCOVER, how)
        }
        Setting::SendBuffer(bytes) => set(fd, (SOL_SOCKET, libc::SO_SNDBUF), number(bytes)),
        Setting::ReceiveBuffer(bytes) => set(fd, (SOL_SOCKET, libc::SO_RCVBUF), number(bytes)),
        Setting::Ttl(ttl) => set(fd, (IPPROTO_IP, libc::IP_TTL), i32::from(ttl)),
        Setting::NoDelay(on)
        | Setting::Cork(on)
        | Setting::OobInline(on)
        | Setting::ReuseAddr(on)
        | Setting::Broadcast(on)
        | Setting::HeaderIncluded(on) => set(fd, switch(setting), i32::from(on)),
    }
}

pub(crate) fn read(fd: BorrowedFd<'_>, like: Setting) -> io::Result<Setting> {
    let int = |name| get::<i32>(fd, name);
    let size = |name| int(name).map(|bytes| usize::try_from(bytes).expect("a size"));
    let on = |name| int(name).map(|value| value != 0);
    Ok(match like {
        Setting::KeepAlive(_) if !on(KEEP_ALIVE)? => Setting::KeepAlive(None),
        Setting::KeepAlive(_) => Setting::KeepAlive(Some(KeepAlive {
            idle: time(int(KEEP_IDLE)?),
            interval: time(int(KEEP_INTERVAL)?),
            count: int(KEEP_COUNT)?.unsigned_abs(),
        })),
        Setting::Linger(_) => {
            let linger: Linger = get(fd, LINGER)?;
            Setting::Linger((linger.on != 0).then(|| time(linger.seconds)))
        }
        Setting::UserTimeout(_) => {
            let millis = u64::from(int(USER_TIMEOUT)?.unsigned_abs());
            Setting::UserTimeout((millis > 0).then(|| Duration::from_millis(millis)))
        }
        Setting::DontFragment(_) => {
            Setting::DontFragment(int(MTU_DISCOVER)? == libc::IP_PMTUDISC_DO)
        }
        Setting::SendBuffer(_) => Setting::SendBuffer(size((SOL_SOCKET, libc::SO_SNDBUF))?),
        Setting::ReceiveBuffer(_) => Setting::ReceiveBuffer(size((SOL_SOCKET, libc::SO_RCVBUF))?),
        Setting::Ttl(_) => {
            Setting::Ttl(u8::try_from(int((IPPROTO_IP, libc::IP_TTL))?).expect("a TTL"))
        }
        Setting::NoDelay(_) => Setting::NoDelay(on(switch(like))?),
        Setting::Cork(_) => Setting::Cork(on(switch(like))?),
        Setting::OobInline(_) => Setting::OobInline(on(switch(like))?),
        Setting::ReuseAddr(_) => Setting::ReuseAddr(on(switch(like))?),
        Setting::Broadcast(_) => Setting::Broadcast(on(switch(like))?),
        Setting::HeaderIncluded(_) => Setting::HeaderIncluded(on(switch(like))?),
    })
}

/// The name of an option that is on or off.
fn switch(setting: Setting) -> Name {
    match setting {
        Setting::NoDelay(_) => (IPPROTO_TCP, libc::TCP_NODELAY),
        Setting::Cork(_) => (IPPROTO_TCP, libc::TCP_CORK),
        Setting::OobInline(_) => (SOL_SOCKET, libc::SO_OOBINLINE),
        Setting::ReuseAddr(_) => (SOL_SOCKET, libc::SO_REUSEADDR),
        Setting::Broadcast(_) => (SOL_SOCKET, libc::SO_BROADCAST),
        Setting::HeaderIncluded(_) => (IPPROTO_IP, libc::IP_HDRINCL),
        other => unreachable!("{other:?} is more than on or off"),
    }
}

fn number<T: TryInto<i32>>(value: T) -> i32 {
    value.try_into().ok().expect("an option's value fits into an int")
}

fn seconds(time: Duration) -> i32 {
    number(time.as_secs())
}

fn time(seconds: i32) -> Duration {
    Duration::from_secs(u64::from(seconds.unsigned_abs()))
}
