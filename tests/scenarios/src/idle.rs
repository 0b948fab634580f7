//! Connections that do nothing, and what they cost those that do.

use std::time::Duration;

use ip::Handle;

use crate::pair::{PLAIN, Pair, Side};
use crate::streams::byte_in_on;
use crate::{Step, counted};

/// Connections of one client's port range to one port.
const A_PORT: usize = 20_000;
const BATCH: usize = 500;

/// Makes `count` connections from there to here, and lets them come to rest; gives both sockets of
/// each, (here, there).
pub(crate) fn connections(pair: &mut Pair, count: usize) -> Vec<(Handle, Handle)> {
    let mut all = Vec::with_capacity(count);
    let mut port = 1000;
    while all.len() < count {
        let of_port = (count - all.len()).min(A_PORT);
        let listener = pair.listen(Side::Here, port, BATCH);
        let mut left = of_port;
        while left > 0 {
            let batch = left.min(BATCH);
            let there: Vec<_> = (0..batch).map(|_| pair.connect(Side::There, port)).collect();
            pair.settle();
            all.extend(there.into_iter().map(|there| (pair.accept(Side::Here, listener), there)));
            left -= batch;
        }
        pair.close(Side::Here, listener);
        port += 1;
    }
    // Whatever the handshakes have left to do is done.
    pair.pass(Duration::from_secs(10));
    for side in [Side::Here, Side::There] {
        pair.tell(side);
    }
    all
}

/// A poll that finds nothing, beside `count` connections.
pub(crate) fn poll(count: usize) -> Step {
    let mut pair = Pair::new(PLAIN);
    let _ = connections(&mut pair, count);
    Box::new(move || {
        pair.now += Duration::from_micros(50);
        counted(|| pair.poll(Side::Here));
    })
}

/// A byte comes in on one of `count` connections, of which the others are idle.
pub(crate) fn byte_in(count: usize) -> Step {
    let mut pair = Pair::new(PLAIN);
    let all = connections(&mut pair, count);
    let (here, there) = all[count / 2];
    pair.no_delay([here, there]);
    byte_in_on(pair, here, there)
}
