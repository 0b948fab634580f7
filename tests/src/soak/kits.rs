//! The conformance kits under other seeds than the usual one.

use netdev::conformance::{Case, Mark, grade_from};

use crate::graded::{self, Known};

/// Every kit against the first implementation of its layer: all is kept with this seed but what is
/// excepted.
pub(super) fn kits(seed: u64) -> String {
    // What is excepted panics as well; a case that is not is told of below.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(|| all(seed));
    std::panic::set_hook(hook);
    let cases = result.unwrap_or_else(|cause| std::panic::resume_unwind(cause));
    format!("{cases} cases")
}

fn all(seed: u64) -> usize {
    kit("arp", arp::conformance::KIT, graded::ARP, seed)
        + kit("ip", ip::conformance::KIT, graded::IP, seed)
        + kit("icmp", icmp::conformance::KIT, graded::ICMP, seed)
        + kit("udp", udp::conformance::KIT, graded::UDP, seed)
        + kit("tcp", tcp::conformance::KIT, graded::TCP, seed)
        + kit("socket", socket::conformance::KIT, graded::SOCKET, seed)
}

fn kit<M: Copy>(layer: &str, kit: &[&[Case<M>]], known: &Known<M>, seed: u64) -> usize {
    let (name, make, exceptions) = known[0];
    let grade = grade_from(name, kit, make, seed).except(exceptions);
    if let Some(Mark { case, failure: Some(why), .. }) = grade.failures().next() {
        panic!("{layer}: {case} is not kept by {name} with TAPIP_SEED={seed}: {why}");
    }
    grade.marks.iter().filter(|mark| mark.failure.is_none()).count()
}
