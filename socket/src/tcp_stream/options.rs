//! The options of a connection, each with its type.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use tcp::ReceiveFlags;

use super::TcpStream;
use crate::tcp_listener::checked_ttl;

impl TcpStream {
    /// As [`std::net::TcpStream::set_nodelay`].
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set(tcp::Setting::NoDelay(nodelay))
    }

    /// As [`std::net::TcpStream::nodelay`].
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.settings()?.no_delay)
    }

    /// As [`std::net::TcpStream::set_ttl`].
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.set(tcp::Setting::Ttl(checked_ttl(ttl)?))
    }

    /// As [`std::net::TcpStream::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(u32::from(self.settings()?.ttl.0))
    }

    /// Probes of an idle connection; `None`: off.
    pub fn set_keepalive(&self, keep_alive: Option<tcp::KeepAlive>) -> io::Result<()> {
        self.set(tcp::Setting::KeepAlive(keep_alive))
    }

    /// See [`TcpStream::set_keepalive`].
    pub fn keepalive(&self) -> io::Result<Option<tcp::KeepAlive>> {
        Ok(self.settings()?.keep_alive)
    }

    /// What closing does with bytes that were not sent yet: `None` sends them in the background;
    /// zero drops them and resets the connection; otherwise the drop of the last clone waits that
    /// long until the peer has them.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.set(tcp::Setting::Linger(linger))
    }

    /// See [`TcpStream::set_linger`].
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.settings()?.linger)
    }

    /// Whether partial segments wait for more, 200 ms at most (TCP_CORK).
    pub fn set_cork(&self, cork: bool) -> io::Result<()> {
        self.set(tcp::Setting::Cork(cork))
    }

    /// See [`TcpStream::set_cork`].
    pub fn cork(&self) -> io::Result<bool> {
        Ok(self.settings()?.cork)
    }

    /// How many bytes may wait to be acknowledged (SO_SNDBUF). Without this the size follows the
    /// path.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set(tcp::Setting::SendBuffer(bytes))
    }

    /// The size now, not doubled.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.settings()?.send_buffer)
    }

    /// How many bytes may wait to be read (SO_RCVBUF). Without this the size follows the path.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set(tcp::Setting::ReceiveBuffer(bytes))
    }

    /// The size now, not doubled.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.settings()?.receive_buffer)
    }

    /// The service class (IP_TOS); the two ECN bits are TCP's own.
    pub fn set_tos(&self, tos: ip::Tos) -> io::Result<()> {
        self.set(tcp::Setting::Tos(tos))
    }

    /// See [`TcpStream::set_tos`].
    pub fn tos(&self) -> io::Result<ip::Tos> {
        Ok(self.settings()?.tos)
    }

    /// The largest segment in bytes (TCP_MAXSEG); to name it to the peer too, set it before
    /// connecting ([`ConnectOptions`](crate::ConnectOptions)).
    pub fn set_max_segment(&self, bytes: u16) -> io::Result<()> {
        self.set(tcp::Setting::MaxSegment(bytes))
    }

    /// The largest segment that is sent, in bytes.
    pub fn max_segment(&self) -> io::Result<u32> {
        Ok(self.info()?.snd_mss)
    }

    /// How long sent data may stay unacknowledged (TCP_USER_TIMEOUT).
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set(tcp::Setting::UserTimeout(timeout))
    }

    /// See [`TcpStream::set_user_timeout`].
    pub fn user_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.settings()?.user_timeout)
    }

    /// Writable only while fewer unsent bytes than this wait (TCP_NOTSENT_LOWAT); `None`: no such
    /// limit.
    pub fn set_notsent_lowat(&self, bytes: Option<usize>) -> io::Result<()> {
        self.set(tcp::Setting::NotSentLowat(bytes.unwrap_or(usize::MAX)))
    }

    /// See [`TcpStream::set_notsent_lowat`].
    pub fn notsent_lowat(&self) -> io::Result<Option<usize>> {
        Ok(Some(self.settings()?.not_sent_lowat).filter(|bytes| *bytes != usize::MAX))
    }

    /// Whether received data is acknowledged at once (TCP_QUICKACK).
    pub fn set_quickack(&self, quick: bool) -> io::Result<()> {
        self.set(tcp::Setting::QuickAck(quick))
    }

    /// See [`TcpStream::set_quickack`].
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(self.settings()?.quick_ack)
    }

    /// The congestion control by its name (TCP_CONGESTION).
    pub fn set_congestion(&self, name: impl Into<Cow<'static, str>>) -> io::Result<()> {
        self.set(tcp::Setting::Congestion(name.into()))
    }

    /// See [`TcpStream::set_congestion`].
    pub fn congestion(&self) -> io::Result<&'static str> {
        Ok(self.settings()?.congestion)
    }

    /// Whether urgent data stays in the stream (SO_OOBINLINE).
    pub fn set_oob_inline(&self, inline: bool) -> io::Result<()> {
        self.set(tcp::Setting::OobInline(inline))
    }

    /// See [`TcpStream::set_oob_inline`].
    pub fn oob_inline(&self) -> io::Result<bool> {
        Ok(self.settings()?.oob_inline)
    }

    /// Whether the next byte to be read is the urgent one (`sockatmark`).
    pub fn at_mark(&self) -> io::Result<bool> {
        Ok(self.info()?.urgent == Some(0))
    }

    /// Takes the urgent byte out of line (MSG_OOB): never waits for it.
    pub fn receive_urgent(&self) -> io::Result<u8> {
        let mut byte = [0];
        let handle = self.socket.handle();
        let taken = self.socket.call(|stack, now| {
            stack.with_tcp(now, |tcp, out| {
                tcp.receive(now, handle, &mut byte, ReceiveFlags::URGENT, out)
            })
        })?;
        if taken == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(byte[0]) }
    }

    /// Whether the path MTU is discovered and DF set (IP_MTU_DISCOVER).
    pub fn set_mtu_discover(&self, discover: bool) -> io::Result<()> {
        self.set(tcp::Setting::MtuDiscover(discover))
    }

    /// See [`TcpStream::set_mtu_discover`].
    pub fn mtu_discover(&self) -> io::Result<bool> {
        Ok(self.settings()?.mtu_discover)
    }

    /// Whether ICMP errors come as notices (IP_RECVERR).
    pub fn set_receive_errors(&self, receive: bool) -> io::Result<()> {
        self.set(tcp::Setting::ReceiveErrors(receive))
    }

    /// See [`TcpStream::set_receive_errors`].
    pub fn receive_errors(&self) -> io::Result<bool> {
        Ok(self.settings()?.receive_errors)
    }

    /// Whether it comes as notices when the bytes of a write were sent and acknowledged
    /// (SO_TIMESTAMPING).
    pub fn set_timestamping(&self, timestamping: bool) -> io::Result<()> {
        self.set(tcp::Setting::Timestamping(timestamping))
    }

    /// See [`TcpStream::set_timestamping`].
    pub fn timestamping(&self) -> io::Result<bool> {
        Ok(self.settings()?.timestamping)
    }

    /// How long FIN-WAIT-2 lasts when the stream is dropped (TCP_LINGER2).
    pub fn set_fin_wait2_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set(tcp::Setting::FinWait2Timeout(timeout))
    }

    /// See [`TcpStream::set_fin_wait2_timeout`].
    pub fn fin_wait2_timeout(&self) -> io::Result<Duration> {
        Ok(self.settings()?.fin_wait2_timeout)
    }

    /// Many retransmissions come as a notice (RFC 9293 §3.8.3, SHLD-9).
    pub fn set_report_trouble(&self, report: bool) -> io::Result<()> {
        self.set(tcp::Setting::ReportTrouble(report))
    }

    /// See [`TcpStream::set_report_trouble`].
    pub fn report_trouble(&self) -> io::Result<bool> {
        Ok(self.settings()?.report_trouble)
    }

    /// One of the stack's defaults, for this connection.
    pub fn tune(&self, tuning: tcp::Tuning) -> io::Result<()> {
        self.set(tcp::Setting::Tune(tuning))
    }

    /// Bytes that can be read at once (SIOCINQ).
    pub fn unread(&self) -> io::Result<usize> {
        Ok(self.info()?.receive_queue)
    }

    /// Bytes that the peer has not acknowledged (SIOCOUTQ).
    pub fn unacknowledged(&self) -> io::Result<usize> {
        Ok(self.info()?.send_queue)
    }
}
