//! The kit's options, by the names that each layer has for them; and a socket in one line.

use ip::{SocketError, Ttl};
use netdev::Instant;

use super::{Setting, ready};
use crate::waiters::Key;
use crate::{RawSetting, Stack};

pub(super) fn change(
    stack: &mut Stack,
    now: Instant,
    key: Key,
    setting: Setting,
) -> Result<(), SocketError> {
    match key {
        Key::Tcp(handle) => {
            let setting = match setting {
                Setting::NoDelay(on) => tcp::Setting::NoDelay(on),
                Setting::Cork(on) => tcp::Setting::Cork(on),
                Setting::KeepAlive(times) => tcp::Setting::KeepAlive(times),
                Setting::Linger(time) => tcp::Setting::Linger(time),
                Setting::UserTimeout(time) => tcp::Setting::UserTimeout(time),
                Setting::OobInline(on) => tcp::Setting::OobInline(on),
                Setting::ReuseAddr(on) => tcp::Setting::ReuseAddr(on),
                Setting::SendBuffer(bytes) => tcp::Setting::SendBuffer(bytes),
                Setting::ReceiveBuffer(bytes) => tcp::Setting::ReceiveBuffer(bytes),
                Setting::Ttl(ttl) => tcp::Setting::Ttl(Ttl(ttl)),
                Setting::DontFragment(on) => tcp::Setting::MtuDiscover(on),
                Setting::Broadcast(_) | Setting::HeaderIncluded(_) => {
                    return Err(SocketError::Unsupported);
                }
            };
            stack.with_tcp(now, |tcp, out| tcp.set(now, handle, setting, out))
        }
        Key::Udp(handle) => {
            let setting = match setting {
                Setting::ReuseAddr(on) => udp::Setting::ReuseAddr(on),
                Setting::Broadcast(on) => udp::Setting::Broadcast(on),
                Setting::ReceiveBuffer(bytes) => udp::Setting::ReceiveBuffer(bytes),
                Setting::Ttl(ttl) => udp::Setting::Ttl(Ttl(ttl)),
                Setting::DontFragment(on) => udp::Setting::DontFragment(on),
                _ => return Err(SocketError::Unsupported),
            };
            stack.with_udp(now, |udp, _| udp.set(handle, setting))
        }
        Key::Raw(handle) => {
            let setting = match setting {
                Setting::Broadcast(on) => RawSetting::Broadcast(on),
                Setting::ReceiveBuffer(bytes) => RawSetting::ReceiveBuffer(bytes),
                Setting::Ttl(ttl) => RawSetting::Ttl(Ttl(ttl)),
                Setting::DontFragment(on) => RawSetting::DontFragment(on),
                Setting::HeaderIncluded(on) => RawSetting::HeaderIncluded(on),
                _ => return Err(SocketError::Unsupported),
            };
            stack.with_raw(now, |raw, _| raw.set(handle, setting))
        }
    }
}

pub(super) fn read(stack: &Stack, key: Key, like: Setting) -> Result<Setting, SocketError> {
    match key {
        Key::Tcp(handle) => {
            let now = stack.tcp.settings(handle)?;
            Ok(match like {
                Setting::NoDelay(_) => Setting::NoDelay(now.no_delay),
                Setting::Cork(_) => Setting::Cork(now.cork),
                Setting::KeepAlive(_) => Setting::KeepAlive(now.keep_alive),
                Setting::Linger(_) => Setting::Linger(now.linger),
                Setting::UserTimeout(_) => Setting::UserTimeout(now.user_timeout),
                Setting::OobInline(_) => Setting::OobInline(now.oob_inline),
                Setting::ReuseAddr(_) => Setting::ReuseAddr(now.reuse_addr),
                Setting::SendBuffer(_) => Setting::SendBuffer(now.send_buffer),
                Setting::ReceiveBuffer(_) => Setting::ReceiveBuffer(now.receive_buffer),
                Setting::Ttl(_) => Setting::Ttl(now.ttl.0),
                Setting::DontFragment(_) => Setting::DontFragment(now.mtu_discover),
                Setting::Broadcast(_) | Setting::HeaderIncluded(_) => {
                    return Err(SocketError::Unsupported);
                }
            })
        }
        Key::Udp(handle) => {
            let info = stack.udp.info(handle)?;
            match like {
                Setting::Broadcast(_) => Ok(Setting::Broadcast(info.broadcast)),
                Setting::ReceiveBuffer(_) => Ok(Setting::ReceiveBuffer(info.receive_buffer)),
                Setting::Ttl(_) => Ok(Setting::Ttl(info.ttl.0)),
                _ => Err(SocketError::Unsupported),
            }
        }
        Key::Raw(handle) => match like {
            Setting::Ttl(_) => Ok(Setting::Ttl(stack.raw.info(handle)?.ttl.0)),
            _ => Err(SocketError::Unsupported),
        },
    }
}

/// Its state, its addresses, what waits in it and what it is ready for.
pub(super) fn describe(stack: &mut Stack, now: Instant, key: Key) -> Result<String, SocketError> {
    let ready = ready(stack, key);
    Ok(match key {
        Key::Tcp(handle) => {
            let info = stack.tcp.info(now, handle)?;
            let tcp::Info { state, local, peer, receive_queue, send_queue, .. } = info;
            format!(
                "{state:?} {local} {peer}, unread {receive_queue}, \
                 unacknowledged {send_queue}, {ready:?}"
            )
        }
        Key::Udp(handle) => {
            let udp::Info { local, peer, receive_queue, drops, .. } = stack.udp.info(handle)?;
            format!("{local} {peer:?}, unread {receive_queue}, drops {drops}, {ready:?}")
        }
        Key::Raw(handle) => {
            let info = stack.raw.info(handle)?;
            let unread = info.receive_queue;
            format!("{:?} {:?}, unread {unread}, {ready:?}", info.local, info.peer)
        }
    })
}
