//! Datagrams that are sent back.

use std::time::Duration;

use ip::{Handle, SocketError};

use crate::pair::{Pair, Side};
use crate::{Step, counted};

const PORT: u16 = 7;

fn open(pair: &mut Pair, side: Side) -> Handle {
    let (now, local) = (pair.now, ([0, 0, 0, 0], PORT).into());
    pair.stack(side)
        .with_udp(now, |udp, out| {
            let socket = udp.open()?;
            udp.bind(socket, local, out)?;
            Ok::<_, SocketError>(socket)
        })
        .expect("a socket")
}

pub(crate) fn echo() -> Step {
    let mut pair = Pair::new(crate::pair::PLAIN);
    let [here, there] = [Side::Here, Side::There].map(|side| open(&mut pair, side));
    let to_here = Some((Side::Here.addr(), PORT).into());
    let data = [0x5a; 64];
    Box::new(move || {
        pair.now += Duration::from_micros(50);
        let now = pair.now;
        let sent = pair
            .stack(Side::There)
            .with_udp(now, |udp, out| udp.send(now, there, to_here, &data, out));
        assert_eq!(sent, Ok(64));
        counted(|| {
            pair.poll(Side::Here);
            pair.tell(Side::Here);
            pair.stack(Side::Here).with_udp(now, |udp, out| {
                let got = udp.receive(here, false).expect("the datagram");
                udp.send(now, here, Some(got.from), &got.data, out).expect("it goes back");
            });
        });
        pair.poll(Side::There);
        let back = pair.stack(Side::There).with_udp(now, |udp, _| udp.receive(there, false));
        assert_eq!(back.expect("an echo").data.len(), 64);
    })
}
