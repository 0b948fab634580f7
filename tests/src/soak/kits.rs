//! The conformance kits under other seeds than the usual one.

use netdev::conformance::{Case, grade_from};

use crate::graded::{self, Known};

/// The seed that the kits are run with otherwise; what is not kept with it is listed where they are.
const USUAL: u64 = 1;

/// Every kit against the first implementation of its layer: what is kept with the usual seed is kept
/// with this one.
pub(super) fn kits(seed: u64) -> String {
    // What is known not to be kept panics as well; a case that is new is told of below.
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
    let (name, make) = known[0];
    let grade = grade_from(name, kit, make, seed);
    let kept = grade.marks.iter().filter(|mark| mark.failure.is_none()).count();
    if kept == grade.marks.len() {
        return kept;
    }
    let usual = grade_from(name, kit, make, USUAL);
    for (mark, usual) in grade.marks.iter().zip(&usual.marks) {
        if let (Some(why), None) = (&mark.failure, &usual.failure) {
            panic!("{layer}: {} is not kept by {name} with TAPIP_SEED={seed}: {why}", mark.case);
        }
    }
    kept
}
