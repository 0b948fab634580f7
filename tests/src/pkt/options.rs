//! `setsockopt` and `getsockopt`.

use std::borrow::Cow;
use std::time::Duration;

use ip::{SocketError, Tos, Ttl};
use tcp::{KeepAlive, Setting, Tuning};

use super::calls::{Returned, errno, first_of_list, integer, value};
use super::fds::Socket;
use super::machine::Machine;
use super::report::{Result, failed, unsupported};
use super::script::{Call, Expr};

/// The name of an option, with its level's.
fn name(line: u32, call: &Call) -> Result<&str> {
    match call.args.get(2) {
        Some(Expr::Word(name)) => Ok(name),
        _ => Err(failed(line, "an option has to be named")),
    }
}

pub(super) fn set(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    fd: i64,
    socket: Socket,
) -> Result<Returned> {
    integer(line, call, 1)?;
    let name = name(line, call)?;
    let setting = match (name, call.args.get(3)) {
        ("TCP_CONGESTION", Some(arg)) => {
            Setting::Congestion(Cow::Owned(own_name(&text(line, arg)?).to_string()))
        }
        ("SO_LINGER", Some(arg)) => Setting::Linger(linger(line, arg)?),
        ("SO_ZEROCOPY", _) => {
            let on = first_of_list(line, call, 3)?.unwrap_or(0);
            if !matches!(on, 0 | 1) {
                return Ok(Returned::Error("EINVAL"));
            }
            change(machine, fd, |socket| socket.zero_copy = on != 0);
            return Ok(Returned::Value(0));
        }
        // What changes nothing that a script could see.
        ("SO_PRIORITY" | "SO_MARK" | "SO_BUSY_POLL" | "SO_REUSEPORT" | "TCP_THIN_DUPACK", _) => {
            return Ok(Returned::Value(0));
        }
        ("SO_RCVLOWAT", _) => {
            let bytes = first_of_list(line, call, 3)?.unwrap_or(0);
            // 0 is 1, and what is below is as much as there is room for.
            let bytes = usize::try_from(bytes).map_or(i32::MAX as usize, |bytes| bytes.max(1));
            change(machine, fd, |socket| socket.receive_lowat = bytes);
            return Ok(Returned::Value(0));
        }
        ("SO_RCVTIMEO", Some(arg)) => {
            let time = timeval(line, arg)?;
            change(machine, fd, |socket| socket.receive_timeout = time);
            return Ok(Returned::Value(0));
        }
        ("SO_SNDTIMEO", Some(arg)) => {
            let time = timeval(line, arg)?;
            change(machine, fd, |socket| socket.send_timeout = time);
            return Ok(Returned::Value(0));
        }
        ("TCP_INQ", _) => {
            let on = first_of_list(line, call, 3)?.unwrap_or(0) != 0;
            change(machine, fd, |socket| socket.inq = on);
            return Ok(Returned::Value(0));
        }
        (name, _) => {
            let number = first_of_list(line, call, 3)?
                .ok_or_else(|| failed(line, format!("{name} without a value")))?;
            match number_setting(machine, line, fd, socket, name, number)? {
                Ok(setting) => setting,
                Err(errno) => return Ok(Returned::Error(errno)),
            }
        }
    };
    let (tcp, now, net) = machine.parts(line)?;
    match tcp.set(now, socket.handle, setting.clone(), net) {
        Ok(()) => {}
        Err(SocketError::Unsupported) => {
            return Err(unsupported(line, format!("{setting:?} on this TCP")));
        }
        // Linux has no congestion control of that name.
        Err(SocketError::Invalid) if name == "TCP_CONGESTION" => {
            return Err(unsupported(line, format!("{setting:?}")));
        }
        Err(error) => return Ok(Returned::Error(errno(error))),
    }
    if name == "SO_TIMESTAMPING" {
        let acked = tcp.info(now, socket.handle).map_or(0, |info| info.bytes_acked);
        let flags = first_of_list(line, call, 3)?.unwrap_or(0);
        change(machine, fd, |socket| {
            socket.timestamping = flags;
            socket.first_key = acked;
        });
    }
    Ok(Returned::Value(0))
}

fn change(machine: &mut Machine<'_>, fd: i64, change: impl FnOnce(&mut Socket)) {
    if let Some(socket) = machine.fds.socket_mut(fd) {
        change(socket);
    }
}

/// An option whose value is a number; the inner error is what Linux says to a number out of range.
fn number_setting(
    machine: &mut Machine<'_>,
    line: u32,
    fd: i64,
    socket: Socket,
    name: &str,
    number: i64,
) -> Result<std::result::Result<Setting, &'static str>> {
    let on = number != 0;
    let size = || usize::try_from(number).unwrap_or(usize::MAX);
    let secs = || Duration::from_secs(number.max(0) as u64);
    let default = machine.setup.keep_alive;
    let (tcp, _, _) = machine.parts(line)?;
    let current = tcp.settings(socket.handle).ok().and_then(|settings| settings.keep_alive);
    let known = socket.keep_alive.or(current).unwrap_or(default);
    let mut keep_alive = |times: KeepAlive| {
        change(machine, fd, |socket| socket.keep_alive = Some(times));
        // Before SO_KEEPALIVE they are only remembered.
        Setting::KeepAlive(current.map(|_| times))
    };
    Ok(Ok(match name {
        "TCP_NODELAY" => Setting::NoDelay(on),
        "TCP_CORK" => Setting::Cork(on),
        "TCP_QUICKACK" => Setting::QuickAck(on),
        "TCP_MAXSEG" => match u16::try_from(number) {
            Ok(mss) => Setting::MaxSegment(mss),
            Err(_) => return Ok(Err("EINVAL")),
        },
        "TCP_NOTSENT_LOWAT" => Setting::NotSentLowat(size()),
        "TCP_USER_TIMEOUT" if number < 0 => return Ok(Err("EINVAL")),
        "TCP_USER_TIMEOUT" => {
            Setting::UserTimeout(on.then(|| Duration::from_millis(number as u64)))
        }
        "TCP_DEFER_ACCEPT" => Setting::DeferAccept((number > 0).then(secs)),
        "TCP_LINGER2" if number >= 0 => Setting::FinWait2Timeout(secs()),
        "TCP_KEEPIDLE" | "TCP_KEEPINTVL" | "TCP_KEEPCNT" if number < 1 => return Ok(Err("EINVAL")),
        "TCP_KEEPIDLE" => keep_alive(KeepAlive { idle: secs(), ..known }),
        "TCP_KEEPINTVL" => keep_alive(KeepAlive { interval: secs(), ..known }),
        "TCP_KEEPCNT" => keep_alive(KeepAlive { count: number as u32, ..known }),
        "SO_KEEPALIVE" => Setting::KeepAlive(on.then_some(known)),
        "SO_REUSEADDR" => Setting::ReuseAddr(on),
        "SO_SNDBUF" | "SO_SNDBUFFORCE" => Setting::SendBuffer(size()),
        "SO_RCVBUF" | "SO_RCVBUFFORCE" => Setting::ReceiveBuffer(size()),
        "SO_OOBINLINE" => Setting::OobInline(on),
        "TCP_SYNCNT" => match u32::try_from(number) {
            Ok(times) => Setting::Tune(Tuning::SynRetries(times)),
            Err(_) => return Ok(Err("EINVAL")),
        },
        "TCP_RTO_MAX_MS" => {
            Setting::Tune(Tuning::RtoMax(Duration::from_millis(number.max(0) as u64)))
        }
        "TCP_RTO_MIN_US" => {
            Setting::Tune(Tuning::RtoMin(Duration::from_micros(number.max(0) as u64)))
        }
        "TCP_DELACK_MAX_US" => {
            let most = Duration::from_micros(number.max(0) as u64);
            let least = machine.setup.config.delayed_ack.0.min(most);
            Setting::Tune(Tuning::DelayedAck(least, most))
        }
        "SO_TIMESTAMPING" => {
            const HARDWARE: i64 = 1 | 1 << 2 | 1 << 3 | 1 << 6;
            if number & HARDWARE != 0 {
                return Err(unsupported(line, "timestamps of hardware and of what is received"));
            }
            Setting::Timestamping(on)
        }
        "IP_TOS" => Setting::Tos(Tos(number as u8)),
        "IP_TTL" => match u8::try_from(number) {
            Ok(ttl) if ttl > 0 => Setting::Ttl(Ttl(ttl)),
            _ => return Ok(Err("EINVAL")),
        },
        "IP_MTU_DISCOVER" => match number {
            0 => Setting::MtuDiscover(false),
            1 | 2 => Setting::MtuDiscover(true),
            _ => return Err(unsupported(line, "probing for the path MTU")),
        },
        "IP_RECVERR" => Setting::ReceiveErrors(on),
        name => return Err(unsupported(line, format!("the option {name}"))),
    }))
}

pub(super) fn get(
    machine: &mut Machine<'_>,
    line: u32,
    call: &Call,
    socket: Socket,
) -> Result<Returned> {
    integer(line, call, 1)?;
    let name = name(line, call)?;
    let default = machine.setup.keep_alive;
    let default_settings = machine.setup.settings.clone();
    let config = machine.setup.config.clone();
    let (tcp, now, _) = machine.parts(line)?;
    let settings = match tcp.settings(socket.handle) {
        Ok(settings) => settings,
        Err(error) => return Ok(error.into()),
    };
    let info = tcp.info(now, socket.handle).ok();
    let keep_alive = socket.keep_alive.or(settings.keep_alive).unwrap_or(default);
    let secs = |time: Duration| time.as_secs() as i64;
    let seen = match name {
        "TCP_CONGESTION" => {
            let expected = call.args.get(3).filter(|arg| !matches!(arg, Expr::Any));
            let expected = expected.map(|arg| text(line, arg)).transpose()?;
            if expected.is_some_and(|expected| own_name(&expected) != settings.congestion) {
                return Err(failed(line, format!("{call}: it is {}", settings.congestion)));
            }
            return Ok(Returned::Value(0));
        }
        // Scripts look at its fields in code.
        "TCP_INFO" | "TCP_CC_INFO" => return Ok(Returned::Value(0)),
        "SO_LINGER" => {
            let expected = call.args.get(3).filter(|arg| !matches!(arg, Expr::Any));
            let expected = expected.map(|arg| linger(line, arg)).transpose()?;
            if expected.is_some_and(|expected| expected != settings.linger) {
                return Err(failed(line, format!("{call}: it is {:?}", settings.linger)));
            }
            return Ok(Returned::Value(0));
        }
        "SO_ERROR" => match tcp.take_error(socket.handle) {
            None => 0,
            Some(error) => super::constants::constant(errno(error)).unwrap_or(-1),
        },
        // Linux doubles what it is given, for its own overhead; its defaults have that in them.
        "SO_SNDBUF" => settings.send_buffer as i64 * (1 + i64::from(settings.send_buffer_fixed)),
        "SO_RCVBUF" => {
            settings.receive_buffer as i64 * (1 + i64::from(settings.receive_buffer_fixed))
        }
        "SO_RCVLOWAT" => socket.receive_lowat as i64,
        "SO_RCVTIMEO" | "SO_SNDTIMEO" => {
            let seen = match name {
                "SO_RCVTIMEO" => socket.receive_timeout,
                _ => socket.send_timeout,
            };
            let expected = call.args.get(3).filter(|arg| !matches!(arg, Expr::Any));
            let expected = expected.map(|arg| timeval(line, arg)).transpose()?;
            if expected.is_some_and(|expected| expected != seen) {
                return Err(failed(line, format!("{call}: it is {seen:?}")));
            }
            return Ok(Returned::Value(0));
        }
        "SO_ZEROCOPY" => socket.zero_copy.into(),
        "SO_TYPE" => 1,
        "SO_PROTOCOL" => 6,
        "SO_DOMAIN" => 2,
        "SO_ACCEPTCONN" => i64::from(info.is_some_and(|info| info.state == tcp::State::Listen)),
        "SO_REUSEADDR" => settings.reuse_addr.into(),
        "SO_KEEPALIVE" => settings.keep_alive.is_some().into(),
        "SO_OOBINLINE" => settings.oob_inline.into(),
        "TCP_NODELAY" => settings.no_delay.into(),
        "TCP_CORK" => settings.cork.into(),
        "TCP_QUICKACK" => settings.quick_ack.into(),
        "TCP_MAXSEG" => {
            let own = settings.max_segment.map_or(536, i64::from);
            let connected = info.filter(|info| info.state.is_synchronized());
            connected.map_or(own, |info| info.snd_mss.into())
        }
        // What the stack has as its default is not the socket's.
        "TCP_NOTSENT_LOWAT" => match settings.not_sent_lowat {
            usize::MAX => 0,
            bytes if default_settings.contains(&Setting::NotSentLowat(bytes)) => 0,
            bytes => bytes as i64,
        },
        "TCP_USER_TIMEOUT" => settings.user_timeout.map_or(0, |time| time.as_millis() as i64),
        "TCP_DEFER_ACCEPT" => settings.defer_accept.map_or(0, secs),
        "TCP_SYNCNT" => settings.tuned.or(&config).syn_retries.into(),
        "TCP_RTO_MAX_MS" => settings.tuned.or(&config).rto_max.as_millis() as i64,
        "TCP_RTO_MIN_US" => settings.tuned.or(&config).rto_min.as_micros() as i64,
        "TCP_DELACK_MAX_US" => settings.tuned.or(&config).delayed_ack.1.as_micros() as i64,
        "TCP_LINGER2" => secs(settings.fin_wait2_timeout),
        "TCP_KEEPIDLE" => secs(keep_alive.idle),
        "TCP_KEEPINTVL" => secs(keep_alive.interval),
        "TCP_KEEPCNT" => keep_alive.count.into(),
        "IP_TOS" => settings.tos.0.into(),
        "IP_TTL" => settings.ttl.0.into(),
        "IP_MTU_DISCOVER" => settings.mtu_discover.into(),
        "IP_RECVERR" => settings.receive_errors.into(),
        "IP_MTU" => match info {
            Some(info) => info.pmtu.into(),
            None => return Ok(Returned::Error("ENOTCONN")),
        },
        name => return Err(unsupported(line, format!("the option {name}"))),
    };
    let expected = first_of_list(line, call, 3)?;
    if expected.is_some_and(|expected| expected != seen) {
        return Err(failed(line, format!("{call}: it is {seen}")));
    }
    Ok(Returned::Value(0))
}

/// What Linux calls "reno" has a longer name here.
pub(super) fn own_name(congestion: &str) -> &str {
    if congestion == "reno" { "newreno" } else { congestion }
}

fn text(line: u32, arg: &Expr) -> Result<String> {
    match arg {
        Expr::Str(text) => Ok(text.clone()),
        Expr::List(items) if items.len() == 1 => text(line, &items[0]),
        other => Err(failed(line, format!("text is wanted, not {other}"))),
    }
}

/// `{tv_sec=1, tv_usec=500000}`; nothing is no limit.
fn timeval(line: u32, arg: &Expr) -> Result<Option<Duration>> {
    let fields = match arg {
        Expr::Struct(fields) => fields,
        Expr::List(items) if items.len() == 1 => return timeval(line, &items[0]),
        other => {
            return Err(failed(line, format!("{{tv_sec=…, tv_usec=…}} is wanted, not {other}")));
        }
    };
    let member = |name: &str| {
        let field = fields.iter().find(|field| field.name.as_deref() == Some(name));
        field.map_or(Ok(0), |field| value(line, &field.value))
    };
    let secs = Duration::from_secs(member("tv_sec")?.max(0) as u64);
    let time = secs + Duration::from_micros(member("tv_usec")?.max(0) as u64);
    Ok(Some(time).filter(|time| !time.is_zero()))
}

/// `{onoff=1, linger=0}`
fn linger(line: u32, arg: &Expr) -> Result<Option<Duration>> {
    let fields = match arg {
        Expr::Struct(fields) => fields,
        Expr::List(items) if items.len() == 1 => return linger(line, &items[0]),
        other => return Err(failed(line, format!("{{onoff=…, linger=…}} is wanted, not {other}"))),
    };
    let member = |name: &str| {
        let field = fields.iter().find(|field| field.name.as_deref() == Some(name));
        field.map_or(Ok(0), |field| value(line, &field.value))
    };
    let secs = member("linger")?.max(0) as u64;
    Ok((member("onoff")? != 0).then(|| Duration::from_secs(secs)))
}
