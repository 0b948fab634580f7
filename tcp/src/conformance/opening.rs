//! Opening a connection.

use netdev::cases;

use super::Make;
use crate::State;
use crate::testing::{Script, seg};

cases! { ($) opening_cases: Make, Script;
    Must 2 "RFC 9293 §3.10.7.2" a_syn_to_a_listener_is_answered
        "If there was no RST and no ACK, and there is a SYN: ISS should be selected and a SYN \
         segment sent of the form <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>.";
    Must 1 "RFC 9293 §3.10.7.1" a_closed_port_answers_with_a_reset
        "If the state is CLOSED, an incoming segment not containing a RST causes a RST to be sent \
         in response.";
}

fn a_syn_to_a_listener_is_answered(script: &mut Script) {
    script.port = 80;
    let listener = script.host.listen(80, 8);
    script.handshake();
    let (socket, _) = script.host.accept(listener).expect("a connection to accept");
    script.socket = Some(socket);
    script.expect_state(State::Established);
}

fn a_closed_port_answers_with_a_reset(script: &mut Script) {
    script.port = 81;
    script.inject(seg("S").seq(0));
    script.expect(seg("RA").seq(0).ack(1));
}
